use serde_json::json;

use super::*;

struct Given(Value);

impl Values for Given {
    fn task(&self) -> &str {
        "build {carry} {{x}} $1 \\{task}"
    }

    fn carry(&self) -> &str {
        "CARRY {task}"
    }

    fn text(&self, step: &str) -> Option<&str> {
        (step == "plan" || step == "first.ok").then_some("PLAN {steps.plan.text}")
    }

    fn output(&self, step: &str) -> Option<&Value> {
        (step == "plan").then_some(&self.0)
    }
}

fn rendered(template: &str) -> Result<String, MissingValue> {
    render(template, &Given(json!({ "files": [{ "name": "a.rs" }], "ok": true, "": 1, "text": "raw" })))
}

#[test]
fn placeholders_are_replaced_and_values_are_never_looked_into() {
    for (template, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("{carry}", "CARRY {task}"),
        ("<{task}>", "<build {carry} {{x}} $1 \\{task}>"),
        ("{steps.plan.text}!", "PLAN {steps.plan.text}!"),
        ("{steps.first.ok.text}", "PLAN {steps.plan.text}"),
        ("{steps.plan.output.files.0.name}", "a.rs"),
        ("{steps.plan.output.ok}", "true"),
        ("{steps.plan.output.files}", r#"[{"name":"a.rs"}]"#),
        ("{steps.plan.output}", r#"{"files":[{"name":"a.rs"}],"ok":true,"":1,"text":"raw"}"#),
        ("{carry}{carry}", "CARRY {task}CARRY {task}"),
        // Everything else stays.
        (
            "{\"a\": {\"b\": 1}} {} {x} {taks} { task } {task",
            "{\"a\": {\"b\": 1}} {} {x} {taks} { task } {task",
        ),
        ("{{carry}}", "{CARRY {task}}"),
        ("{ta\nsk}", "{ta\nsk}"),
        ("größe {carry} ü", "größe CARRY {task} ü"),
        // The escape, and what only looks like it.
        ("\\{task}", "{task}"),
        ("a \\{task} b \\{carry}", "a {task} b {carry}"),
        ("\\{json}", "\\{json}"),
        ("\\\\{task}", "\\{task}"),
        ("\\{{snippet:handoff}}", "{{snippet:handoff}}"),
        ("a \\{{ snippet:x.md }} {carry}", "a {{ snippet:x.md }} CARRY {task}"),
        ("\\{{snippet:x} }", "\\{{snippet:x} }"),
        ("\\{{snippet:{task}}}", "\\{{snippet:build {carry} {{x}} $1 \\{task}}}"),
        ("\\", "\\"),
    ] {
        assert_eq!(rendered(template).as_deref(), Ok(expected), "{template:?}");
    }
}

#[test]
fn a_value_that_is_not_there_is_an_error_that_names_it() {
    for template in [
        "{steps.plna.text}",
        "{steps.plan.output.files.1}",
        "{steps.plan.output.files.name}",
        "{steps.other.output}",
        "{steps.plan.output.ok.deeper}",
    ] {
        let missing = rendered(&format!("a {template} b")).unwrap_err();
        assert_eq!(missing.placeholder, template);
    }
}

#[test]
fn an_output_part_named_text_is_no_answer() {
    assert_eq!(rendered("{steps.plan.output.text}").as_deref(), Ok("raw"));
}
