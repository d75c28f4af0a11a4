//! Structured answers: asked for, validated, repaired once.

use orch_config::{
    kind::ExecutionMode,
    policy::{Intervene, PolicyPatch},
};
use orch_workflow::{
    attempt::{ErrorCode, Outcome, Settled, Usage, WarningCode},
    decision::{Decision, GateReason, Rejected},
    machine::Input,
    plan::Plan,
    record::RunStatus,
    view::StepStatus,
};
use serde_json::json;

use super::story::{Story, auto, default_policy, failed, plan, replace, run_started, step, workflow};

const GOOD: &str = r#"{"verdict": "fix"}"#;
const BAD: &str = r#"{"verdict": "maybe"}"#;

/// `one` answers with a verdict, `two` is told of it.
fn verdict() -> Plan {
    let mut plan = plan(workflow([step("one"), step("two")]));
    plan.steps[1].prompt = "what to do after {steps.one.output.verdict}".to_owned();
    plan.steps[0].output = Some(json!({
        "type": "object",
        "properties": { "verdict": { "enum": ["done", "fix"] } },
        "required": ["verdict"],
        "additionalProperties": false,
    }));
    plan
}

fn story(policy: PolicyPatch) -> Story {
    Story::of(run_started(verdict(), policy))
}

fn in_foreground(policy: PolicyPatch) -> Story {
    let mut plan = verdict();
    plan.steps[0].execution = ExecutionMode::Foreground;
    Story::of(run_started(plan, policy))
}

fn codes(story: &Story) -> Vec<WarningCode> {
    story.step("one").attempts[0].warnings.iter().map(|warning| warning.code).collect()
}

fn error(story: &Story) -> ErrorCode {
    story.step("one").attempts[0].error.as_ref().expect("it failed").code
}

#[test]
fn the_prompt_asks_for_json_that_matches_the_schema() {
    insta::assert_snapshot!(story(default_policy()).prompt());
}

#[test]
fn a_matching_answer_is_the_steps_output_and_later_prompts_see_it() {
    let mut story = story(default_policy());
    story.work(Settled::answer(format!("Not yet.\n\n```json\n{GOOD}\n```")));
    let one = story.step("one");
    assert_eq!((one.outcome, one.output), (Some(Outcome::Ok), Some(json!({ "verdict": "fix" }))));
    assert_eq!(story.prompt(), "what to do after fix");
}

#[test]
fn an_answer_that_does_not_match_is_repaired_once_in_the_same_attempt() {
    let mut story = story(default_policy());
    story.work(Settled::answer(BAD)).wanted();
    assert_eq!(story.dispatch().turn, 2);
    assert_eq!(story.step_status("one"), StepStatus::Running);
    insta::assert_snapshot!(story.prompt());
    story.work(Settled::answer(GOOD));
    assert_eq!(codes(&story), [WarningCode::OutputRepaired]);
    let one = story.step("one");
    assert_eq!((one.status, one.outcome), (StepStatus::Done, Some(Outcome::Warning)));
    assert_eq!((one.text.as_deref(), one.attempts.len()), (Some(GOOD), 1));
    assert_eq!(story.prompt(), "what to do after fix");
}

#[test]
fn an_answer_that_is_wrong_again_is_an_error_that_says_why() {
    let mut story = story(default_policy());
    story.work(Settled::answer(BAD)).work(Settled::answer("I would fix it."));
    assert_eq!((error(&story), story.reason()), (ErrorCode::OutputInvalid, GateReason::InterveneOnError));
    let one = story.step("one");
    assert_eq!((one.text.as_deref(), one.output), (Some("I would fix it."), None));
    insta::assert_snapshot!(story.gate().message);
    // Tried again, it is a new attempt with a repair of its own.
    story.decide(Decision::Continue).work(Settled::answer(BAD)).work(Settled::answer(GOOD));
    assert_eq!(story.step("one").attempts.len(), 2);
    assert_eq!(story.step_status("one"), StepStatus::Done);
}

#[test]
fn a_repair_that_fails_is_that_failure() {
    let mut story = story(default_policy());
    story.work(Settled::answer(BAD)).work(failed(ErrorCode::Model, "overloaded"));
    assert_eq!(error(&story), ErrorCode::Model);
}

#[test]
fn what_a_worker_sets_apart_is_validated_in_place_of_the_text() {
    let mut story = story(default_policy());
    let set_apart = |value| Settled { output: Some(value), ..Settled::answer("see the output") };
    story.work(set_apart(json!({ "verdict": 7 })));
    assert_eq!((story.dispatch().turn, story.step("one").output), (2, None));
    story.work(set_apart(json!({ "verdict": "done" })));
    assert_eq!(story.prompt(), "what to do after done");
}

#[test]
fn a_schema_that_cannot_be_used_is_an_error_and_nothing_is_repaired() {
    let mut plan = verdict();
    plan.steps[0].output = Some(json!({ "type": 7 }));
    let mut story = Story::of(run_started(plan, default_policy()));
    story.work(Settled::answer(GOOD));
    assert_eq!(error(&story), ErrorCode::OutputInvalid);
}

#[test]
fn a_repair_is_probed_after_a_crash_like_any_other_prompt() {
    let mut story = story(default_policy());
    story.work(Settled::answer(BAD)).crash();
    assert_eq!(story.wanted(), ["place one#1.2"]);
    story.place().crash();
    assert_eq!(story.wanted(), ["probe one#1.2"]);
    story.settle(Settled::answer(GOOD));
    assert_eq!(codes(&story), [WarningCode::OutputRepaired, WarningCode::Reconciled]);
}

#[test]
fn a_repair_goes_to_the_session_that_gave_the_answer() {
    let mut story = story(default_policy());
    story.work(Settled::answer(BAD));
    let [.., orch_workflow::machine::Effect::Place(dispatch)] = &story.effects[..] else {
        panic!("{:?}", story.effects)
    };
    assert_eq!(dispatch.continues.as_deref(), Some("ses_one"));
}

#[test]
fn a_repair_of_a_step_in_flight_does_not_wait_for_the_gate_of_another() {
    let mut plan = verdict();
    plan.steps[1].needs.clear();
    plan.steps[1].prompt = "two".to_owned();
    let mut story = Story::of(run_started(plan, default_policy()));
    story.place_of("one").work_of("two", failed(ErrorCode::Model, "no")).wanted();
    story.settle_of("one", Settled::answer(BAD));
    assert_eq!(story.wanted(), ["place one#1.2"]);
    story.work_of("one", Settled::answer(GOOD));
    assert_eq!((story.step_status("one"), story.gated()), (StepStatus::Done, vec!["two".to_owned()]));
}

#[test]
fn nothing_is_repaired_that_is_being_stopped() {
    let by = || "ann".to_owned();
    let mut interrupted = story(default_policy());
    interrupted.place().tell(Input::Interrupt { by: by() }).settle(Settled::answer(BAD));
    assert_eq!((error(&interrupted), interrupted.reason()), (ErrorCode::Aborted, GateReason::Aborted));

    let mut cancelled = story(default_policy());
    cancelled.place().tell(Input::Cancel { by: by() }).settle(Settled::answer(BAD));
    assert_eq!((error(&cancelled), cancelled.status()), (ErrorCode::OutputInvalid, RunStatus::Cancelled));
}

#[test]
fn a_pause_comes_after_the_repair() {
    let mut story = story(auto(Intervene::Never));
    story.place().tell(Input::Pause { by: "ann".to_owned() }).settle(Settled::answer(BAD));
    assert_eq!((story.dispatch().turn, story.status()), (2, RunStatus::Running));
    story.work(Settled::answer(GOOD));
    assert_eq!(story.reason(), GateReason::User);
}

#[test]
fn a_talk_is_free_and_its_hand_off_has_the_form() {
    let mut story = in_foreground(default_policy());
    assert_eq!(story.prompt(), "one: build a boat");
    story.work(Settled::answer("hello")).decide(Decision::Continue);
    assert!(story.prompt().contains("Summarise its outcome") && story.prompt().contains("```json"));
    story.work(Settled::answer(BAD));
    assert_eq!(story.dispatch().turn, 3);
    story.work(Settled::answer(GOOD));
    assert_eq!((story.step("one").attempts.len(), codes(&story)), (1, vec![WarningCode::OutputRepaired]));
    assert_eq!(story.prompt(), "what to do after fix");
}

#[test]
fn a_talk_without_a_hand_off_is_still_asked_for_the_structured_answer() {
    let mut plan = verdict();
    plan.steps[0].execution = ExecutionMode::Foreground;
    plan.steps[0].handoff = orch_config::profile::Handoff::None;
    let mut story = Story::of(run_started(plan, default_policy()));
    story.work(Settled::answer("hello")).decide(Decision::Continue).work(Settled::answer(GOOD));
    assert_eq!(story.prompt(), "what to do after fix");
}

#[test]
fn corner_09_a_replacement_under_a_schema_is_validated_and_the_gate_stays_open() {
    let mut story = story(default_policy());
    story.work(failed(ErrorCode::Model, "no"));
    let gate = story.gate();
    let seq = story.machine.seq();
    let output = |value| Decision::Replace { text: "by hand".to_owned(), output: Some(value) };
    for wrong in [replace("by hand"), replace(BAD), output(json!({ "verdict": "maybe" }))] {
        let refused = story.try_decide(wrong).unwrap_err();
        assert!(matches!(refused, Rejected::Invalid { .. }), "{refused}");
        assert!(refused.to_string().starts_with("the answer does not match"), "{refused}");
        assert_eq!((story.gate(), story.machine.seq()), (gate.clone(), seq));
    }
    story.decide(output(json!({ "verdict": "done" })));
    assert_eq!(
        (story.step("one").text.as_deref(), story.prompt()),
        (Some("by hand"), "what to do after done".into())
    );
}

#[test]
fn corner_09_a_replaced_text_gives_its_json_like_an_answer() {
    let mut story = story(default_policy());
    story.work(failed(ErrorCode::Model, "no")).decide(replace(&format!("Fixed.\n```json\n{GOOD}\n```")));
    assert_eq!(story.prompt(), "what to do after fix");
}

#[test]
fn corner_10_time_tokens_and_cost_add_up_over_the_turns_of_an_attempt() {
    let costs = |text: &str, input| Settled {
        usage: Usage { input, output: 10, reasoning: 1, cost_usd: 0.5 },
        ..Settled::answer(text)
    };
    let mut story = in_foreground(default_policy());
    story.place().wait(2_000).settle(costs("hello", 100)).wait(3_600_000);
    story.decide(Decision::Continue).place().wait(3_000).settle(costs(BAD, 200));
    story.place().wait(4_000).settle(costs(GOOD, 300));
    let view = story.view();
    assert_eq!((view.tokens.input, view.tokens.output, view.tokens.reasoning), (600, 30, 3));
    assert_eq!((view.cost_usd, view.active_ms), (1.5, 9_000));
}

#[test]
fn corner_10_the_timeout_covers_all_turns_of_an_attempt() {
    let mut plan = verdict();
    plan.steps[0].timeout_ms = 5_000;
    let mut story = Story::of(run_started(plan, default_policy()));
    story.place().wait(3_000).settle(Settled::answer(BAD)).place().wanted();
    story.wait(1_999);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.wait(1);
    assert_eq!(story.wanted(), ["abort one#1.2"]);
    story.abort_of("one");
    assert_eq!(error(&story), ErrorCode::Timeout);
}
