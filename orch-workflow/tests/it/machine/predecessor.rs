//! What the predecessor did, case by case: the same, or different on purpose.

use orch_config::{
    Config, Trust,
    policy::{Execution, Intervene, Policy},
};
use orch_workflow::{
    attempt::{ErrorCode, Outcome, Settled},
    carry::{Block, assemble},
    decision::Decision,
    gate::{Verdict, WorkLeft, gate},
    machine::Input,
    plan::Plan,
    record::RunStatus,
    template,
};
use serde_json::{Value, json};

use super::story::{Story, failed, policy, step, workflow};

/// How many cases each area has: all that were observed.
const COUNTS: [(&str, usize); 6] =
    [("boomerang", 2), ("carry", 17), ("gate", 48), ("gate-default", 8), ("sequence", 7), ("template", 8)];

fn all_cases() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../fixtures/predecessor-cases.json")).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn cases(area: &str) -> Vec<Value> {
    let cases: Vec<_> = all_cases().into_iter().filter(|case| case["area"] == area).collect();
    let (_, expected) = COUNTS.iter().find(|(known, _)| *known == area).unwrap();
    assert_eq!(cases.len(), *expected, "cases of area {area}");
    cases
}

#[test]
fn no_area_and_no_case_is_left_out() {
    let mut found = std::collections::BTreeMap::new();
    for case in all_cases() {
        *found.entry(case["area"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    let found: Vec<_> = found.iter().map(|(area, count)| (area.as_str(), *count)).collect();
    assert_eq!(found, COUNTS);
}

/// Checks every case of an area against what we do; those in `different` must differ, each for its reason.
fn compare(
    area: &str,
    different: &[(&str, &str)],
    ours: impl Fn(&Value) -> Value,
    theirs: impl Fn(&Value) -> Value,
) {
    let mut on_purpose: Vec<_> = different.iter().map(|(id, _)| *id).collect();
    for case in cases(area) {
        let id = case["id"].as_str().unwrap();
        let (found, expected) = (ours(&case), theirs(&case));
        if let Some(position) = on_purpose.iter().position(|known| *known == id) {
            assert_ne!(found, expected, "{id} is the same after all");
            on_purpose.remove(position);
        } else {
            assert_eq!(found, expected, "{id}");
        }
    }
    assert!(on_purpose.is_empty(), "no such cases: {on_purpose:?}");
}

#[test]
fn gate_cells_differ_only_where_a_person_would_not_have_been_asked() {
    let different = [
        ("gate.auto/on-warning/warning/last", "a warning gates after the last step too"),
        ("gate.auto/always/warning/last", "a warning gates after the last step too"),
        ("gate.step/on-warning/warning/last", "a warning gates after the last step too"),
        ("gate.step/always/warning/last", "a warning gates after the last step too"),
        ("gate.auto/on-warning/error/notlast", "on-warning means warnings and errors"),
        ("gate.auto/on-warning/error/last", "on-warning means warnings and errors"),
    ];
    let ours = |case: &Value| {
        let input = &case["input"];
        let word = |key: &str| input[key].as_str().unwrap().to_owned();
        let policy = Policy {
            execution: word("execution").parse::<Execution>().unwrap(),
            intervene: word("intervene").parse::<Intervene>().unwrap(),
        };
        let outcome = outcome(&word("stepResult"));
        let left = if input["isLastStep"] == true { WorkLeft::No } else { WorkLeft::Yes };
        let (word, reason) = match gate(policy, outcome, left) {
            Verdict::GoOn => ("continue", None),
            Verdict::Succeed => ("success", None),
            Verdict::Fail => ("error", None),
            Verdict::Gate(reason) => ("paused", Some(reason.as_str())),
        };
        json!([word, reason])
    };
    compare("gate", &different, ours, |case| {
        json!([case["expected"]["outcome"], case["expected"]["reason"]])
    });
}

fn outcome(word: &str) -> Outcome {
    match word {
        "success" => Outcome::Ok,
        "warning" => Outcome::Warning,
        _ => Outcome::Error,
    }
}

fn result(word: &str) -> Settled {
    match word {
        "success" => Settled::answer("done"),
        _ => failed(ErrorCode::Model, "no"),
    }
}

#[test]
fn without_a_policy_errors_gate_and_nothing_else_does() {
    let ours = |case: &Value| {
        let mut workflow = workflow([step("s1"), step("s2")]);
        workflow.ui = serde_json::from_value(match &case["input"]["ui"] {
            Value::Null => json!({}),
            ui => ui.clone(),
        })
        .unwrap();
        let mut story = Story::begin(workflow, Default::default());
        while story.status() == RunStatus::Running {
            story.work(result(case["input"]["stepResult"].as_str().unwrap()));
        }
        json!([story.status().as_str(), story.view().gate.map(|gate| gate.reason.as_str())])
    };
    let theirs = |case: &Value| {
        let hooks = case["expected"]["hooks"].as_array().unwrap();
        json!([case["expected"]["status"], hooks.last().unwrap()["reason"]])
    };
    compare("gate-default", &[], ours, theirs);
}

#[test]
fn sequences_of_results_and_continues() {
    let different = [("sequence.onwarning-error", "on-warning means warnings and errors")];
    let ours = |case: &Value| {
        let input = &case["input"];
        let steps = (1..=input["steps"].as_u64().unwrap()).map(|number| step(&format!("s{number}")));
        let ui = &input["ui"];
        let policy = policy(word(&ui["execution"]), word(&ui["intervene"]));
        let mut story = Story::begin(workflow(steps), policy);
        let (mut trace, mut sends) = (Vec::new(), 0);
        for continued in 0..=input["continues"].as_u64().unwrap() {
            if continued > 0 && story.status() == RunStatus::Paused {
                let patch = &input["continueUi"][usize::try_from(continued - 1).unwrap()];
                let policy = serde_json::from_value(if patch.is_null() { json!({}) } else { patch.clone() });
                let (gate, decision, by) = (None, Decision::Continue, "ann".to_owned());
                story.tell(Input::Decide {
                    gate,
                    decision,
                    policy: policy.unwrap(),
                    budget: Default::default(),
                    by,
                });
            }
            while story.status() == RunStatus::Running {
                let results = input["results"].as_array().unwrap();
                let word = results.get(sends).or(results.last()).unwrap().as_str().unwrap();
                sends += 1;
                story.work(result(word));
            }
            trace.push(json!([story.status().as_str(), attempts(&story)]));
        }
        json!([trace, sends])
    };
    let theirs = |case: &Value| {
        let trace = case["expected"]["trace"].as_array().unwrap();
        let trace: Vec<_> = trace.iter().map(|entry| json!([entry["status"], entry["steps"]])).collect();
        json!([trace, case["expected"]["sends"]])
    };
    compare("sequence", &different, ours, theirs);
}

fn word<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap().parse().unwrap()
}

fn attempts(story: &Story) -> Vec<String> {
    let steps = story.view().steps.into_iter();
    steps
        .flat_map(|step| {
            step.attempts.into_iter().map(move |attempt| {
                let word = if attempt.error.is_some() { "error" } else { "success" };
                format!("{}:{word}", step.id)
            })
        })
        .collect()
}

#[test]
fn carry_blocks() {
    let different = [
        ("carry.bold-not-recognised", "bold headings are headings"),
        ("carry.preamble-dropped", "text before the first heading belongs to the summary"),
        ("carry.heading-in-code-fence", "a heading inside a code fence is text"),
        ("carry.max-0", "the carry is never longer than its limit"),
        ("carry.max-100", "the fences count as well"),
        ("carry.append-drops-oldest", "no block is dropped: all of them shrink"),
        ("carry.append-plain-existing", "the carry is kept as blocks and never split out of a text again"),
        ("carry.emoji-boundary", "no character is ever split"),
    ];
    let ours = |case: &Value| {
        let input = &case["input"];
        let max = input["maxCarryChars"].as_u64().map_or(24_000, |max| usize::try_from(max).unwrap());
        let title = input["title"].as_str().unwrap_or("Step");
        let latest = Block::read(title, input["response"].as_str().unwrap());
        let before = input["carry"].as_str().map(|carry| match carry.strip_prefix("### A\n#### Summary\n") {
            Some(summary) => Block::read("A", summary),
            None => Block::read("Before", carry),
        });
        let carry = assemble(before.iter().chain([&latest]), max);
        let cut = latest.cut_sections().next().is_some() || carry.trimmed;
        assert!(carry.text.chars().count() <= max);
        let text = without_fences(&carry.text);
        json!([text, text.chars().count(), cut])
    };
    let theirs = |case: &Value| {
        let expected = &case["expected"];
        let trimmed = !expected["trimmed"].as_array().unwrap().is_empty();
        json!([expected["carry"], expected["carryChars"], trimmed])
    };
    compare("carry", &different, ours, theirs);
}

/// A carry as the predecessor wrote it: there an answer could speak for another step, here each stands in a fence.
fn without_fences(carry: &str) -> String {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for line in carry.lines() {
        match fence {
            Some(open) if line == open => fence = None,
            None if line.starts_with("```") => fence = Some(line),
            _ => lines.push(line),
        }
    }
    lines.join("\n")
}

#[test]
fn where_carry_differs_it_loses_nothing() {
    let case = |id: &str| cases("carry").into_iter().find(|case| case["id"] == id).unwrap();
    let response = |id: &str| case(id)["input"]["response"].as_str().unwrap().to_owned();
    let read = |id: &str| Block::read("Step", &response(id)).to_string();
    let bold = "### Step\n```\n#### Summary\na\n\n#### Next\nb\n```";
    assert_eq!(read("carry.bold-not-recognised"), bold);
    let preamble = "### Step\n```\n#### Summary\nImportant preamble\n\n#### Next\nb\n```";
    assert_eq!(read("carry.preamble-dropped"), preamble);
    let code = "### Step\n````\n#### Summary\n```\n# Next\n```\ndone\n````";
    assert_eq!(read("carry.heading-in-code-fence"), code);
    let emoji = without_fences(&read("carry.emoji-boundary"));
    assert!(emoji.ends_with("x😀\n...(truncated)"), "{emoji}");
    assert_eq!(emoji.chars().count(), 922);

    let case = case("carry.append-drops-oldest");
    let before = case["input"]["carry"].as_str().unwrap().strip_prefix("### A\n#### Summary\n").unwrap();
    let blocks = [Block::read("A", before), Block::read("B", "two")];
    let carry = assemble(&blocks, 300);
    assert!(carry.trimmed && carry.text.chars().count() <= 300);
    let text = without_fences(&carry.text);
    assert!(text.starts_with("### A\n#### Summary\nooo"), "{text}");
    assert!(text.ends_with("\n...(truncated)\n\n### B\n#### Summary\ntwo"), "{text}");
}

#[test]
fn templates() {
    let different = [
        ("template.dollar-backtick", "a value is text and nothing else"),
        ("template.snippet-md", "snippets are pulled in when a workflow is loaded, not when it runs"),
        ("template.task-injects-snippet", "a value is never scanned"),
        ("template.snippet-traversal", "a value is never scanned"),
    ];
    struct Given<'c>(&'c Value);
    impl template::Values for Given<'_> {
        fn task(&self) -> &str {
            self.0["task"].as_str().unwrap_or_default()
        }
        fn carry(&self) -> &str {
            self.0["carry"].as_str().unwrap_or_default()
        }
        fn text(&self, _: &str) -> Option<&str> {
            None
        }
        fn output(&self, _: &str) -> Option<&Value> {
            None
        }
    }
    let ours = |case: &Value| {
        let input = &case["input"];
        json!(template::render(input["prompt"].as_str().unwrap(), &Given(input)).unwrap())
    };
    compare("template", &different, ours, |case| case["expected"]["prompt"].clone());
}

#[test]
fn the_boomerang_workflow_keeps_its_steps_and_now_carries_the_plan() {
    let boomerang = Plan::compile(&Config::builtin(), "roocode-boomerang").unwrap();
    let [steps, over] = &cases("boomerang")[..] else { panic!("two cases") };
    for (ours, theirs) in boomerang.steps.iter().zip(steps["expected"].as_array().unwrap()) {
        assert_eq!(ours.id.as_str(), theirs["id"]);
        assert_eq!(ours.title, theirs["title"].as_str().unwrap());
        assert_eq!(ours.worker.as_str(), theirs["workerId"]);
    }
    assert_eq!(boomerang.steps.len(), 4);
    assert!(boomerang.steps[0].carry, "its plan was lost before it was implemented");
    for later in &boomerang.steps[1..] {
        assert!(later.prompt.contains("{carry}"), "{} does not see what was handed over", later.id);
    }

    let file = json!({ "workflows": { "roocodeBoomerang": over["input"] } });
    let config = orch_config::parse(file.to_string().as_bytes(), None, Trust::Trusted).unwrap().config;
    let replaced = Plan::compile(&config, "roocode-boomerang").unwrap();
    let replaced = replaced.steps.iter().map(|step| {
        json!({ "id": step.id, "title": step.title, "workerId": step.worker, "prompt": step.prompt,
                "carry": step.carry })
    });
    assert_eq!(json!(replaced.collect::<Vec<_>>()), over["expected"], "{}", over["id"]);
}

/// A program that listened to the predecessor finds each of its events on the page of migration, with one of ours.
#[test]
fn every_event_has_a_counterpart_on_the_page_of_migration() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs");
    let [migrating, events] =
        ["migrating.md", "events.md"].map(|page| std::fs::read_to_string(docs.join(page)).unwrap());
    let told =
        cases("sequence").into_iter().flat_map(|case| case["expected"]["events"].as_array().unwrap().clone());
    let told: std::collections::BTreeSet<_> = told.map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for name in told {
        let row = migrating.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let ours = row.unwrap_or_else(|| panic!("{name} is not on the page")).split("[`").nth(1).unwrap();
        let heading = format!("### `{}`\n", ours.split('`').next().unwrap());
        assert!(events.contains(&heading), "{name}: {heading}");
    }
}
