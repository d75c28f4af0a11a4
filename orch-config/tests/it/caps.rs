//! Every cap of this crate: what is exactly at it is taken, and one more is not. `docs/security.md` lists them.

use std::fmt::Write as _;

use orch_config::{
    Severity, SkillName, Trust,
    expression::{Expression, Scope, StepFacts},
    id::{AgentName, MAX_CHARS, ProfileId, StepId, WorkflowId},
    load::{MAX_BYTES, MAX_PROMPT_BYTES, MAX_PROMPT_TOTAL_BYTES},
    output::OutputSchema,
    parse,
};
use serde_json::json;

use crate::support::{Project, lines, problems};

const PROMPTS: &str = "project/.opencode/orch/prompts";

fn prompt_of(bytes: u64) -> String {
    "x".repeat(usize::try_from(bytes).unwrap())
}

#[test]
fn a_file_of_the_largest_size_is_read_and_one_byte_more_is_not() {
    for (bytes, expected) in [(MAX_BYTES, &[][..]), (MAX_BYTES + 1, &["- error too-large -"])] {
        let text = "{}".to_owned() + &" ".repeat(bytes - 2);
        let from_disk = match Project::new().project(&text).load() {
            Ok(loaded) => lines(&loaded.warnings),
            Err(error) => lines(&error.diagnostics),
        };
        assert_eq!(from_disk, expected, "{bytes} on disk");
        assert_eq!(problems(&text), expected, "{bytes} in memory");
    }
}

#[test]
fn a_prompt_of_the_largest_size_is_read_and_one_byte_more_is_not() {
    let file = r#"{"profiles": [{"id": "w", "promptFile": "mine.md"}]}"#;
    let snippet = r#"{"profiles": [{"id": "w", "systemPrompt": "{{snippet:mine.md}}"}]}"#;
    for (named, place, refusal) in [
        (file, "mine.md", "1:41 error prompt-file $.profiles[0].promptFile"),
        (snippet, "snippets/mine.md", "1:43 error snippet $.profiles[0].systemPrompt"),
    ] {
        let with =
            |bytes: u64| Project::new().project(named).file(&format!("{PROMPTS}/{place}"), prompt_of(bytes));
        let config = with(MAX_PROMPT_BYTES).load().unwrap().config;
        let prompt = config.profile("w").unwrap().system_prompt.as_ref().unwrap();
        assert_eq!(prompt.len() as u64, MAX_PROMPT_BYTES, "{named}");
        assert_eq!(with(MAX_PROMPT_BYTES + 1).refused(), [refusal]);
    }
}

#[test]
fn prompts_of_the_largest_sum_are_read_and_one_byte_more_is_not() {
    let most = usize::try_from(MAX_PROMPT_TOTAL_BYTES / MAX_PROMPT_BYTES).unwrap();
    let naming = |count: usize, last: &str| {
        let whole = (0..count).map(|at| json!({ "id": format!("w{at}"), "promptFile": "mine.md" }));
        let last = (!last.is_empty()).then(|| json!({ "id": "last", "promptFile": last }));
        json!({ "profiles": whole.chain(last).collect::<Vec<_>>() }).to_string()
    };
    let project = |text: &str| {
        Project::new()
            .project(text)
            .file(&format!("{PROMPTS}/mine.md"), prompt_of(MAX_PROMPT_BYTES))
            .file(&format!("{PROMPTS}/byte.md"), "x")
            .file(&format!("{PROMPTS}/none.md"), "")
    };
    assert!(project(&naming(most, "none.md")).load().is_ok());
    let refused = project(&naming(most, "byte.md")).load().unwrap_err();
    let [only] = &refused.diagnostics.0[..] else { panic!("{refused}") };
    assert_eq!(only.path.as_deref(), Some(&*format!("$.profiles[{most}].promptFile")));
    assert!(only.message.contains("is too much"), "{only}");
    // What comes after it is not looked up any more.
    assert_eq!(project(&naming(most + 2, "byte.md")).refused().len(), 3);
}

#[test]
fn an_id_of_the_longest_kind_is_one_and_one_character_more_is_not() {
    // Characters, not bytes.
    let (longest, longer) = ("译".repeat(MAX_CHARS), "译".repeat(MAX_CHARS + 1));
    assert!(AgentName::new(&*longest).is_ok() && AgentName::new(&*longer).is_err());
    assert!(ProfileId::new(&*longest).is_ok() && ProfileId::new(&*longer).is_err());
    assert!(WorkflowId::new(&*longest).is_ok() && WorkflowId::new(&*longer).is_err());
    assert!(StepId::new(&*longest).is_ok() && StepId::new(&*longer).is_err());
    let with = |id: &str| problems(&json!({ "profiles": [{ "id": id, "systemPrompt": "p" }] }).to_string());
    assert_eq!(with(&longest), [""; 0]);
    assert_eq!(with(&longer), ["1:20 error invalid-id $.profiles[0].id"]);
}

#[test]
fn a_condition_of_the_largest_size_is_read_and_a_larger_one_is_not() {
    let bytes = |count: usize| format!("task != '{}'", "x".repeat(count - "task != ''".len()));
    let operators = |count: usize| "1".to_owned() + &"+1".repeat(count - 1) + "<0";
    let deep = |count: usize| "(".repeat(count) + "true" + &")".repeat(count);
    const LONGEST: usize = Expression::MAX_BYTES;
    for (largest, larger, refusal) in [
        (bytes(LONGEST), bytes(LONGEST + 1), "a condition of 1001 bytes: at most 1000 are allowed"),
        (operators(200), operators(201), "a condition with too many operators"),
        (deep(32), deep(33), "brackets nest too deeply"),
    ] {
        assert!(Expression::parse(&*largest).is_ok(), "{largest}");
        assert_eq!(Expression::parse(larger).unwrap_err().message, refusal);
    }
}

#[test]
fn a_condition_looks_at_the_most_elements_and_at_no_more() {
    const MOST: usize = Expression::MAX_ELEMENTS as usize;
    let condition = Expression::parse("steps.s.output.all(each, each == 1)").unwrap();
    let with = |elements: usize| {
        let mut facts = StepFacts::new("done");
        facts.output = json!(vec![1; elements]);
        condition.evaluate(&Scope::new("task", 1).with_step("s", facts))
    };
    assert_eq!(with(MOST), Ok(true));
    assert!(with(MOST + 1).unwrap_err().message.contains("looks at more than 10000 elements"));
}

#[test]
fn a_schema_of_the_largest_size_is_one_and_a_larger_one_is_not() {
    let bytes = |count: usize| json!({ "title": "x".repeat(count - r#"{"title":""}"#.len()) });
    // The schema, the list, and what is in it.
    let parts = |count: usize| json!({ "examples": vec![0; count - 2] });
    for (largest, larger, refusal) in [
        (bytes(32 * 1024), bytes(32 * 1024 + 1), "larger than 32 KiB"),
        (parts(10_000), parts(10_001), "more than 10000 parts"),
    ] {
        assert!(OutputSchema::new(&largest).is_ok(), "{refusal}");
        let refused = OutputSchema::new(&larger).unwrap_err().to_string();
        assert!(refused.contains(refusal), "{refused}");
    }
}

#[test]
fn a_name_of_a_skill_of_the_longest_kind_is_one_and_one_character_more_is_not() {
    assert!(SkillName::new("x".repeat(64)).is_ok());
    assert!(SkillName::new("x".repeat(65)).is_err());
}

#[test]
fn a_workflow_of_the_most_steps_is_one_and_one_step_more_is_not() {
    let with = |steps: usize, limits: &str| {
        let mut text = String::new();
        for step in 0..steps {
            let comma = if step == 0 { "" } else { "," };
            write!(text, r#"{comma}{{"id":"s{step}","workerId":"coder","prompt":"p"}}"#).unwrap();
        }
        format!(r#"{{"workflows":{{{limits}"definitions":[{{"id":"w","steps":[{text}]}}]}}}}"#)
    };
    let longest = parse(with(1_000, "").as_bytes(), None, Trust::Untrusted).unwrap();
    assert_eq!(longest.config.workflow("w").unwrap().steps().count(), 1_000);
    // No file can lift it.
    for limits in ["", r#""limits":{"maxSteps":2000},"#] {
        let found = problems(&with(1_001, limits));
        let refusal = "error too-many-steps $.workflows.definitions[0].steps";
        assert!(found.iter().any(|line| line.ends_with(refusal)), "{limits}: {found:?}");
    }
}

/// What makes a file refused is told before what does not, however much there is of it.
#[test]
fn a_hundred_problems_are_told_and_of_more_how_many_there_are() {
    let with = |warnings: usize, errors: usize| {
        let warnings = (0..warnings).map(|at| format!(r#""k{at}":0"#));
        let errors = (0..errors).map(|at| format!(r#""ui":{at}"#));
        let text = format!("{{{}}}", warnings.chain(errors).collect::<Vec<_>>().join(","));
        match parse(text.as_bytes(), None, Trust::Trusted) {
            Ok(loaded) => (false, loaded.warnings.0),
            Err(error) => (true, error.diagnostics.0),
        }
    };
    let (refused, all) = with(100, 0);
    assert!(!refused && all.len() == 100 && !all.iter().any(|problem| problem.message.contains("not shown")));
    let (refused, told) = with(101, 0);
    assert!(!refused && told.len() == 100);
    assert!(told[99].message.ends_with("; problems that are not shown: 1"), "{}", told[99]);
    let (refused, told) = with(5_000, 1);
    assert!(refused && told.len() == 100);
    assert_eq!(told.iter().filter(|problem| problem.severity == Severity::Error).count(), 1);
}
