//! The five decisions, what each may answer, and what each means.

use orch_config::policy::{Execution, Intervene, PolicyPatch};
use orch_workflow::{
    attempt::{ErrorCode, Outcome, Settled},
    decision::{Decision, DecisionKind, GateId, GateReason, Rejected},
    machine::{Effect, Input},
    port::SessionChoice,
    record::RunStatus,
    view::StepStatus,
};
use serde_json::json;

use super::story::{Story, auto, default_policy, failed, policy, replace, retry, step, warned, workflow};

fn after_an_error() -> Story {
    let mut story = Story::begin(workflow([step("one"), step("two")]), default_policy());
    story.work(failed(ErrorCode::Model, "no")).wanted();
    assert_eq!(story.reason(), GateReason::InterveneOnError);
    assert_eq!(story.step_status("one"), StepStatus::Gated);
    story
}

fn after_a_warning() -> Story {
    let mut story = Story::begin(workflow([step("one"), step("two")]), auto(Intervene::OnWarning));
    story.work(warned("first")).wanted();
    assert_eq!(story.reason(), GateReason::InterveneOnWarning);
    story
}

#[test]
fn continue_after_an_answer_goes_on() {
    let mut story = after_a_warning();
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place two#1"]);
    assert_eq!(story.step_status("one"), StepStatus::Done);
}

#[test]
fn continue_after_an_error_retries_the_failed_step() {
    let mut story = after_an_error();
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place one#2"]);
    story.work(Settled::answer("better")).work(Settled::answer("second"));
    assert_eq!(story.status(), RunStatus::Success);
    // A retried step that succeeded is a success, and its failed attempt stays in sight.
    let one = story.step("one");
    assert_eq!(one.outcome, Some(Outcome::Ok));
    assert_eq!(one.attempts[0].error.as_ref().unwrap().code, ErrorCode::Model);
    assert_eq!(one.attempts[1].outcome, Some(Outcome::Ok));
}

#[test]
fn corner_09_continue_on_a_warning_after_the_last_step_ends_in_success() {
    let mut story = Story::begin(workflow([step("one")]), auto(Intervene::OnWarning));
    story.work(warned("first"));
    assert_eq!(story.status(), RunStatus::Paused);
    story.decide(Decision::Continue);
    assert_eq!(story.status(), RunStatus::Success);
    assert_eq!(story.step("one").outcome, Some(Outcome::Warning));
}

#[test]
fn retry_appends_its_note_and_stays_in_the_session() {
    let mut story = after_a_warning();
    story.decide(Decision::Retry { note: Some("use oak".to_owned()), session: None });
    assert_eq!(story.prompt(), "one: build a boat\n\nuse oak");
    let Some(Effect::Place(dispatch)) = story.effects.pop() else { panic!("nothing is placed") };
    assert_eq!(dispatch.session, SessionChoice::Same);
    assert_eq!(dispatch.id.attempt, 2);
}

#[test]
fn corner_10_retry_takes_a_fresh_session_when_told_or_when_the_conversation_is_full() {
    for (code, session, expected) in [
        (ErrorCode::Model, Some(SessionChoice::Fresh), SessionChoice::Fresh),
        (ErrorCode::ContextOverflow, None, SessionChoice::Fresh),
        (ErrorCode::ContextOverflow, Some(SessionChoice::Same), SessionChoice::Same),
        (ErrorCode::Model, None, SessionChoice::Same),
    ] {
        let mut story = Story::begin(workflow([step("one")]), default_policy());
        story.work(failed(code, "no")).decide(Decision::Retry { note: None, session });
        let Some(Effect::Place(dispatch)) = story.effects.pop() else { panic!("nothing is placed") };
        assert_eq!(dispatch.session, expected, "{code:?} {session:?}");
    }
}

#[test]
fn skip_leaves_the_step_out_and_dependents_run() {
    let mut two = step("two");
    two.prompt = "after [{steps.one.text}]".to_owned();
    let mut story = Story::begin(workflow([step("one"), two]), default_policy());
    story.work(failed(ErrorCode::Model, "no")).decide(Decision::Skip);
    assert_eq!(story.step_status("one"), StepStatus::Skipped);
    assert_eq!(story.prompt(), "after []");
    story.work(Settled::answer("second"));
    assert_eq!(story.status(), RunStatus::Success);
    let one = story.step("one");
    assert_eq!((one.outcome, one.output), (None, None));
}

#[test]
fn replace_gives_the_result_and_its_hand_off_is_read_like_an_answer() {
    let (mut one, mut two) = (step("one"), step("two"));
    one.carry = true;
    one.output = Some(json!({ "type": "object" }));
    two.prompt = "{carry} | {steps.one.text} | {steps.one.output.planks.0}".to_owned();
    let mut story = Story::begin(workflow([one, two]), default_policy());
    story.work(failed(ErrorCode::Model, "no"));
    story.decide(Decision::Replace {
        text: "## Next\nsail".to_owned(),
        output: Some(json!({ "planks": ["oak"] })),
    });
    assert_eq!(story.prompt(), "### one\n```\n#### Next\nsail\n``` | ## Next\nsail | oak");
    assert_eq!(story.step_status("one"), StepStatus::Done);
    assert_eq!(story.step("one").outcome, Some(Outcome::Ok));
}

#[test]
fn abort_ends_the_run_as_an_error() {
    let mut story = after_a_warning();
    story.decide(Decision::Abort);
    assert_eq!(story.status(), RunStatus::Error);
    assert_eq!(story.wanted(), Vec::<String>::new());
    assert_eq!(story.view().gate, None);
    // The step that was answered stays done: the run was ended, not the step.
    assert_eq!(story.step_status("one"), StepStatus::Done);
    assert_eq!(story.step_status("two"), StepStatus::Pending);
}

#[test]
fn a_decision_that_the_gate_does_not_allow_is_refused_and_changes_nothing() {
    let mut story = after_a_warning();
    let before = story.journal.clone();
    let refused = story.try_decide(Decision::Skip).unwrap_err();
    assert_eq!(refused.code(), "orch::run::decision-not-allowed");
    assert_eq!(
        refused.to_string(),
        "gate g5 (intervene=on-warning) does not allow this decision; allowed: continue, retry, replace, abort"
    );
    assert_eq!(story.journal, before);
}

#[test]
fn the_first_decision_wins_and_the_second_learns_whose_it_was() {
    let mut story = after_a_warning();
    let gate = story.gate().id;
    let decide = |decision: Decision, by: &str| Input::Decide {
        gate: Some(gate.clone()),
        decision,
        policy: PolicyPatch::default(),
        budget: Default::default(),
        by: by.to_owned(),
    };
    story.tell(decide(Decision::Continue, "ann"));
    let second = story.try_tell(decide(Decision::Abort, "bob"));
    let lost = Rejected::GateAlreadyResolved {
        gate: gate.clone(),
        by: "ann".to_owned(),
        decision: DecisionKind::Continue,
    };
    assert_eq!(second, Err(lost.clone()));
    // Even when the run has ended meanwhile, and for another process.
    story.work(Settled::answer("second")).reopen();
    assert_eq!(story.status(), RunStatus::Success);
    assert_eq!(story.try_tell(decide(Decision::Abort, "bob")), Err(lost));
}

#[test]
fn a_decision_for_a_gate_that_is_not_there_is_refused() {
    let mut story = after_a_warning();
    let stale = GateId("g99".to_owned());
    let refused = story.try_tell(Input::Decide {
        gate: Some(stale.clone()),
        decision: Decision::Continue,
        policy: PolicyPatch::default(),
        budget: Default::default(),
        by: "ann".to_owned(),
    });
    assert_eq!(refused, Err(Rejected::StaleGate { gate: stale }));
    story.decide(Decision::Continue);
    let running = story.try_decide(Decision::Continue);
    assert_eq!(running, Err(Rejected::NoGate { status: "running".to_owned() }));
    story.work(Settled::answer("second"));
    let ended = story.try_decide(Decision::Continue);
    assert_eq!(ended, Err(Rejected::Ended { status: "success".to_owned() }));
}

#[test]
fn a_change_of_policy_comes_with_the_decision_and_is_never_forgotten() {
    let mut story = Story::begin(
        workflow([step("one"), step("two"), step("three")]),
        policy(Execution::Step, Intervene::OnError),
    );
    story.work(Settled::answer("first"));
    story.tell(Input::Decide {
        gate: None,
        decision: Decision::Continue,
        policy: auto(Intervene::Never),
        budget: Default::default(),
        by: "ann".to_owned(),
    });
    story.crash().work(Settled::answer("second"));
    assert_eq!(story.status(), RunStatus::Running, "no gate after step two");
    let view = story.view();
    assert_eq!((view.execution, view.intervene), (Execution::Auto, Intervene::Never));
}

#[test]
fn an_in_doubt_step_must_be_decided_by_name() {
    let mut story = Story::begin(workflow([step("one"), step("two")]), auto(Intervene::Never));
    story.place().crash();
    assert_eq!(story.wanted(), ["probe one#1"]);
    let dispatch = story.dispatch();
    story.tell(Input::Unknown { dispatch, reason: "the session is gone".to_owned() });
    assert_eq!(story.reason(), GateReason::InDoubt);
    assert_eq!(story.step_status("one"), StepStatus::InDoubt);
    assert_eq!(story.status(), RunStatus::Paused);
    let refused = story.try_decide(Decision::Continue).unwrap_err();
    assert_eq!(refused.code(), "orch::run::decision-not-allowed");
    for (decision, then) in
        [(retry(), "place one#2"), (Decision::Skip, "place two#1"), (replace("done by hand"), "place two#1")]
    {
        let mut story = Story { journal: story.journal.clone(), ..begun_again() };
        story.reopen().decide(decision);
        assert_eq!(story.wanted(), [then]);
    }
    story.decide(Decision::Abort);
    assert_eq!(story.status(), RunStatus::Error);
}

fn begun_again() -> Story {
    Story::begin(workflow([step("one"), step("two")]), auto(Intervene::Never))
}

#[test]
fn the_locator_at_a_gate_is_that_of_the_steps_latest_prompt() {
    let mut story = after_a_warning();
    let (dispatch, locator) = story.machine.locator_at(None).unwrap();
    assert_eq!(dispatch, story.dispatch());
    assert_eq!(locator, super::story::placement(&dispatch).locator);
    let gate = story.gate().id;
    assert!(story.machine.locator_at(Some(&gate)).is_some());
    story.decide(Decision::Continue);
    assert!(story.machine.locator_at(Some(&gate)).is_none());
    assert!(story.machine.locator_at(None).is_none());
}

#[test]
fn what_the_journal_could_not_give_back_is_refused_or_made_plain() {
    let mut deep = json!(1);
    for _ in 0..101 {
        deep = json!([deep]);
    }
    let mut story = after_a_warning();
    let refused = story.try_decide(Decision::Replace { text: String::new(), output: Some(deep.clone()) });
    assert_eq!(refused.unwrap_err().code(), "orch::run::invalid-decision");

    let mut result = Settled::answer("done");
    result.output = Some(deep);
    result.usage.cost_usd = f64::NAN;
    let mut story = Story::begin(workflow([step("one")]), default_policy());
    story.work(result);
    let one = story.step("one");
    assert_eq!(one.attempts[0].error.as_ref().unwrap().code, ErrorCode::OutputInvalid);
    assert_eq!(story.view().cost_usd, 0.0);
    let json = serde_json::to_string(&story.journal).unwrap();
    let read: Vec<orch_workflow::record::Record> = serde_json::from_str(&json).unwrap();
    assert_eq!(read, story.journal);
}
