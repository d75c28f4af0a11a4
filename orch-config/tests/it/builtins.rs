//! What is always there.

use orch_config::{
    Config, StepDefinition,
    kind::{ExecutionMode, WorkerKind},
    output::OutputSchema,
};
use serde_json::json;

#[test]
fn the_built_in_configuration_has_nothing_wrong_with_it() {
    let config = Config::builtin();
    assert_eq!(config.check().to_string(), "");
    for mut workflow in config.workflows.values().cloned() {
        workflow.id = "as-if-it-were-not-built-in".parse().unwrap();
        assert_eq!(config.check_workflow(&workflow).to_string(), "");
    }
}

#[test]
fn the_profiles_are_the_predecessors_and_a_reviewer() {
    let config = Config::builtin();
    let ids: Vec<_> = config.profiles.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["vision", "docs", "coder", "architect", "explorer", "memory", "reviewer"]);
    for profile in config.profiles.values() {
        assert!(!profile.purpose.is_empty() && !profile.when_to_use.is_empty(), "{}", profile.id);
        assert!(profile.system_prompt.as_ref().is_some_and(|prompt| prompt.len() > 200), "{}", profile.id);
    }
}

/// Losing the plan was the predecessor's worst bug.
#[test]
fn the_plan_reaches_the_implementer_and_the_review_the_fixer() {
    let config = Config::builtin();
    for (workflow, reviewer) in [("build", "reviewer"), ("roocode-boomerang", "architect")] {
        let steps: Vec<_> = config.workflow(workflow).unwrap().steps().collect();
        let shape: Vec<_> = steps.iter().map(|step| (step.id.as_str(), step.worker.as_str())).collect();
        let expected =
            [("plan", "architect"), ("implement", "coder"), ("review", reviewer), ("fix", "coder")];
        assert_eq!(shape, expected);
        assert!(steps[..2].iter().all(|step| step.carry), "{workflow}");
        let review = steps[2].carry || steps[3].prompt.contains("{steps.review.text}");
        assert!(review, "{workflow}");
        assert!(steps[1..].iter().all(|step| step.prompt.contains("{carry}")), "{workflow}");
        assert!(steps.iter().all(|step| step.prompt.contains("{task}")), "{workflow}");
        assert!(steps.iter().all(|step| hands_off(step)), "{workflow}");
    }
    assert!(config.workflow("build").unwrap().steps().all(|step| step.kind == Some(WorkerKind::Subagent)));
}

/// Review and fix are repeated until the verdict, which is data, says that it is right.
#[test]
fn build_is_repeated_until_its_reviewer_approves() {
    let config = Config::builtin();
    let build = config.workflow("build").unwrap();
    let [group] = build.groups().collect::<Vec<_>>()[..] else { panic!("one group") };
    let members: Vec<_> = group.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!((members, group.max), (vec!["review", "fix"], 3));
    assert_eq!(group.until.as_str(), "steps.review.output.verdict == 'approved'");
    let fix = build.step("fix").unwrap();
    assert_eq!(fix.when.as_ref().unwrap().as_str(), "steps.review.output.verdict != 'approved'");
    let schema = OutputSchema::new(build.step("review").unwrap().output.as_ref().unwrap()).unwrap();
    let finding = json!({ "severity": "major", "place": "a.rs:1", "problem": "it panics", "fix": "do not" });
    assert_eq!(schema.validate(&json!({ "verdict": "rejected", "findings": [finding] })), Ok(()));
    assert!(schema.validate(&json!({ "verdict": "fine", "findings": [] })).is_err());
}

fn hands_off(step: &StepDefinition) -> bool {
    ["Summary", "Actions", "Artifacts", "Risks", "Next", "Warnings"]
        .iter()
        .all(|section| step.prompt.contains(&format!("\n## {section}\n")))
}

#[test]
fn docs_is_one_foreground_step_in_a_child_session() {
    let config = Config::builtin();
    let steps: Vec<_> = config.workflow("docs").unwrap().steps().collect();
    let shape: Vec<_> = steps.iter().map(|step| (step.worker.as_str(), step.kind, step.execution)).collect();
    assert_eq!(shape, [("docs", Some(WorkerKind::Subagent), Some(ExecutionMode::Foreground))]);
}
