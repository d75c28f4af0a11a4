//! The gate table, all 48 cells, each run through a whole machine.

use orch_config::policy::{Execution, Intervene};
use orch_workflow::{
    attempt::{ErrorCode, Settled},
    decision::{DecisionKind, GateReason},
    record::RunStatus,
};

use super::story::{Story, failed, policy, step, warned, workflow};

/// What happens after the attempt: `go-on`, how the run ends, or the reason of the gate.
///
/// ```text
/// policy              | followed by another step    | last step
///                     | ok       warning  error     | ok       warning  error
/// ```
const TABLE: &str = "
auto never              | go-on    go-on    error     | success  success  error
auto on-error           | go-on    go-on    on-error  | success  success  on-error
auto on-warning         | go-on    on-warn  on-warn   | success  on-warn  on-warn
auto always             | always   always   always    | success  always   always
step never              | step     step     step      | success  success  step
step on-error           | step     step     step      | success  success  step
step on-warning         | step     step     step      | success  step     step
step always             | step     step     step      | success  step     step
";

#[test]
fn the_gate_table() {
    let mut cells = 0;
    for row in TABLE.trim().lines() {
        let columns: Vec<_> =
            row.split('|').map(|part| part.split_whitespace().collect::<Vec<_>>()).collect();
        let execution = if columns[0][0] == "step" { Execution::Step } else { Execution::Auto };
        let intervene: Intervene = columns[0][1].parse().unwrap();
        for (followed, expected) in [(true, &columns[1]), (false, &columns[2])] {
            for (outcome, expected) in ["ok", "warning", "error"].into_iter().zip(expected) {
                let found = cell(execution, intervene, outcome, followed);
                assert_eq!(found, *expected, "{row}: {outcome}, followed by another step: {followed}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 48);
}

fn cell(execution: Execution, intervene: Intervene, outcome: &str, followed: bool) -> &'static str {
    let steps = if followed { vec![step("one"), step("two")] } else { vec![step("one")] };
    let mut story = Story::begin(workflow(steps), policy(execution, intervene));
    story.place().wanted();
    story.settle(match outcome {
        "ok" => Settled::answer("done"),
        "warning" => warned("done"),
        _ => failed(ErrorCode::Model, "the model said no"),
    });
    let wanted = story.wanted();
    match story.status() {
        RunStatus::Running => {
            assert_eq!(wanted, ["place two#1"]);
            return "go-on";
        }
        RunStatus::Paused => {}
        RunStatus::Success => return "success",
        RunStatus::Error => return "error",
        RunStatus::Cancelled => return "cancelled",
    }
    assert!(wanted.is_empty(), "a paused run dispatches nothing: {wanted:?}");
    assert!(story.machine.at_rest());
    use DecisionKind::{Abort, Continue, Replace, Retry, Skip};
    match outcome {
        "error" => assert_eq!(story.allowed(), [Continue, Retry, Skip, Replace, Abort]),
        _ => assert_eq!(story.allowed(), [Continue, Retry, Replace, Abort]),
    }
    match story.reason() {
        GateReason::ExecutionStep => "step",
        GateReason::InterveneAlways => "always",
        GateReason::InterveneOnWarning => "on-warn",
        GateReason::InterveneOnError => "on-error",
        other => panic!("a policy does not open a gate for {other:?}"),
    }
}

#[test]
fn the_policy_of_a_step_stands_above_the_workflows_and_below_the_runs() {
    let own = |run: orch_config::policy::PolicyPatch| {
        let mut one = step("one");
        one.ui.intervene = Some(Intervene::Always);
        let mut workflow = workflow([one, step("two"), step("three")]);
        workflow.ui.intervene = Some(Intervene::Never);
        let mut story = Story::begin(workflow, run);
        story.work(Settled::answer("done"));
        story
    };
    assert_eq!(own(Default::default()).reason(), GateReason::InterveneAlways);
    let with_run_policy = own(super::story::auto(Intervene::OnError));
    assert_eq!(with_run_policy.status(), RunStatus::Running);
    // The step after it is under the workflow's own policy again.
    let mut story = own(Default::default());
    story.decide(orch_workflow::decision::Decision::Continue).work(failed(ErrorCode::Model, "no"));
    assert_eq!(story.status(), RunStatus::Error);
}

#[test]
fn a_gate_and_the_decision_that_goes_on_are_one_commit_each() {
    let mut story =
        Story::begin(workflow([step("one"), step("two")]), policy(Execution::Step, Intervene::OnError));
    story.place();
    let before = story.commits;
    story.settle(Settled::answer("done"));
    assert_eq!(story.commits, before + 1);
    story.decide(orch_workflow::decision::Decision::Continue);
    assert_eq!(story.commits, before + 2);
    assert_eq!(story.wanted().last().unwrap(), "place two#1");
}
