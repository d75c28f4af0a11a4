//! Prompt templates: what a value says is never taken for a part of the template.

use orch_fuzz::Corpus;
use orch_workflow::template::{Values, render};
use serde_json::{Value, json};

use super::hold;

const TEXTS: &[&str] = &[
    "Do {task}.",
    "{carry}\n\nNow {task}, and {steps.plan.text}",
    "{steps.review.output.findings.0.file} {steps.review.output}",
    "\\{task} {{task}} {task",
    "{\"json\": {\"task\": \"{task}\"}}",
    "译 {task} {steps.审查.text}",
];
const PIECES: &[&str] = &[
    "{", "}", "\\", "{task}", "{carry}", "{steps.", ".text}", ".output}", ".output.", "plan", "review", ".0",
    "{{", "}}", " ", "\n", "\0", "译",
];
/// It stands in no template.
const MARK: &str = "\u{1}";

struct Given<'v> {
    value: &'v str,
    output: Value,
}

impl Values for Given<'_> {
    fn task(&self) -> &str {
        self.value
    }

    fn carry(&self) -> &str {
        self.value
    }

    fn text(&self, step: &str) -> Option<&str> {
        (step == "plan").then_some(self.value)
    }

    fn output(&self, step: &str) -> Option<&Value> {
        (step == "review").then_some(&self.output)
    }
}

fn given(value: &str) -> Given<'_> {
    Given { value, output: json!({ "findings": [{ "file": value }] }) }
}

#[test]
fn a_value_is_never_scanned_whatever_the_template_is() {
    let mut rendered_any = 0;
    hold("template", &Corpus::new(TEXTS.iter().copied(), PIECES), |bytes| {
        let template = String::from_utf8_lossy(bytes).replace(MARK, "");
        for value in ["{task}", "{steps.plan.text}", "\\{carry}", "}", "{"] {
            match (render(&template, &given(value)), render(&template, &given(MARK))) {
                (Ok(rendered), Ok(marked)) => {
                    // An output is written as JSON, where the mark is escaped.
                    assert_eq!(
                        rendered,
                        marked.replace("\\u0001", &value.replace('\\', "\\\\")).replace(MARK, value)
                    );
                    rendered_any += 1;
                }
                (Err(missing), Err(same)) => assert_eq!(missing, same),
                (one, other) => panic!("{one:?} and {other:?}"),
            }
        }
    });
    assert!(rendered_any > 1_000, "{rendered_any}");
}
