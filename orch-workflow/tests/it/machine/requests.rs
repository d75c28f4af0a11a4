//! Pause, interrupt, cancel; asks.

use orch_config::policy::Intervene;
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Outcome, Settled},
    decision::{Decision, DecisionKind, GateReason, Rejected},
    machine::{Effect, Input},
    port::{Ask, AskId, AskReply},
    record::RunStatus,
    view::StepStatus,
};

use super::story::{Story, auto, default_policy, failed, step, warned, workflow};

fn pause() -> Input {
    Input::Pause { by: "ann".to_owned() }
}

fn interrupt() -> Input {
    Input::Interrupt { by: "ann".to_owned() }
}

fn cancel() -> Input {
    Input::Cancel { by: "ann".to_owned() }
}

fn abort_ended(story: &Story, result: Result<(), AttemptError>) -> Input {
    Input::AbortEnded { dispatch: story.dispatch(), result }
}

fn at_work() -> Story {
    let mut story = Story::begin(workflow([step("one"), step("two")]), auto(Intervene::Never));
    story.place().wanted();
    story
}

#[test]
fn a_pause_turns_the_next_settle_into_a_user_gate() {
    let mut story = at_work();
    story.tell(pause());
    assert_eq!(story.status(), RunStatus::Running);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.settle(Settled::answer("first"));
    assert_eq!(story.reason(), GateReason::User);
    assert_eq!(story.gate().step.as_str(), "one");
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place two#1"]);
    story.work(Settled::answer("second"));
    assert_eq!(story.status(), RunStatus::Success);
}

#[test]
fn a_pause_is_the_first_of_all_reasons() {
    let mut story = Story::begin(workflow([step("one"), step("two")]), auto(Intervene::Always));
    story.place().tell(pause()).settle(warned("first"));
    assert_eq!(story.reason(), GateReason::User);
}

#[test]
fn a_pause_with_nothing_left_does_not_hold_the_end_up() {
    let mut story = at_work();
    story.settle(Settled::answer("first")).place().tell(pause()).settle(Settled::answer("second"));
    assert_eq!(story.status(), RunStatus::Success);
    let refused = story.try_tell(pause());
    assert_eq!(refused, Err(Rejected::Ended { status: "success".to_owned() }));
}

#[test]
fn a_pause_before_the_first_dispatch_gates_the_step_that_comes_next() {
    let started = super::story::run_started(super::story::plan(workflow([step("one")])), default_policy());
    let mut story = Story::not_taken_up(started);
    story.tell(pause()).tell(Input::TakenUp);
    assert_eq!(story.wanted(), Vec::<String>::new());
    assert_eq!(story.reason(), GateReason::User);
    assert_eq!(story.allowed(), [DecisionKind::Continue, DecisionKind::Abort]);
    assert_eq!(story.step_status("one"), StepStatus::Ready);
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place one#1"]);
}

#[test]
fn asking_twice_is_asking_once() {
    let mut story = at_work();
    for input in [pause(), cancel()] {
        story.tell(input.clone());
        let before = (story.journal.clone(), story.effects.clone());
        story.tell(input);
        assert_eq!((story.journal.clone(), story.effects.clone()), before);
    }
}

#[test]
fn a_cancel_ends_the_run_once_the_abort_is_confirmed() {
    let mut story = at_work();
    story.tell(cancel());
    assert_eq!(story.status(), RunStatus::Running);
    assert_eq!(story.wanted(), ["abort one#1"]);
    let ended = abort_ended(&story, Ok(()));
    story.tell(ended);
    assert_eq!(story.status(), RunStatus::Cancelled);
    assert_eq!(story.view().notes, Vec::<String>::new());
    let one = story.step("one");
    assert_eq!(one.status, StepStatus::Failed);
    assert_eq!(one.attempts[0].error.as_ref().unwrap().code, ErrorCode::Aborted);
}

#[test]
fn an_unconfirmed_cancel_ends_after_ten_seconds_and_names_the_session_that_may_still_run() {
    let mut story = at_work();
    story.tell(cancel()).wait(9_999);
    assert_eq!(story.status(), RunStatus::Running);
    story.wait(1);
    assert_eq!(story.status(), RunStatus::Cancelled);
    let notes = story.view().notes;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("session ses_one may still run"), "{notes:?}");

    let mut story = at_work();
    let refused = AttemptError::new(ErrorCode::Unreachable, "connection refused");
    let ended = abort_ended(&story, Err(refused));
    story.tell(cancel()).tell(ended);
    assert_eq!(story.status(), RunStatus::Cancelled);
    assert_eq!(story.view().notes, ["session ses_one may still run: connection refused"]);
}

#[test]
fn a_cancel_before_anything_was_sent_ends_the_run_at_once() {
    let mut story = Story::begin(workflow([step("one")]), default_policy());
    story.tell(cancel());
    assert_eq!(story.status(), RunStatus::Cancelled);
    // The place that was under way comes too late, and nothing is sent.
    story.wanted();
    story.place();
    assert_eq!(story.wanted(), Vec::<String>::new());
}

#[test]
fn a_cancel_at_a_gate_ends_the_run_at_once() {
    let mut story = Story::begin(workflow([step("one"), step("two")]), auto(Intervene::Always));
    story.work(Settled::answer("first")).tell(cancel());
    assert_eq!(story.status(), RunStatus::Cancelled);
    assert_eq!(story.view().gate, None);
    assert_eq!(story.step_status("one"), StepStatus::Done);
}

#[test]
fn a_cancel_that_races_the_result_wins_and_the_result_is_kept() {
    let mut story = at_work();
    story.tell(cancel()).settle(Settled::answer("first"));
    assert_eq!(story.status(), RunStatus::Cancelled);
    assert_eq!(story.step("one").text.as_deref(), Some("first"));
    // The other order: the result was first.
    let mut story = at_work();
    story.settle(Settled::answer("first")).place().settle(Settled::answer("second"));
    assert_eq!(story.try_tell(cancel()), Err(Rejected::Ended { status: "success".to_owned() }));
}

#[test]
fn an_interrupt_aborts_the_step_and_leaves_the_run_at_a_gate() {
    let mut story = at_work();
    story.tell(interrupt());
    assert_eq!(story.wanted(), ["abort one#1"]);
    let ended = abort_ended(&story, Ok(()));
    story.tell(ended);
    assert_eq!(story.reason(), GateReason::Aborted);
    assert_eq!(story.status(), RunStatus::Paused);
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place one#2"]);
}

#[test]
fn an_interrupt_that_comes_too_late_keeps_the_answer_and_pauses() {
    let mut story = at_work();
    story.tell(interrupt()).settle(Settled::answer("first"));
    assert_eq!(story.step("one").outcome, Some(Outcome::Ok));
    assert_eq!(story.reason(), GateReason::User);
}

#[test]
fn an_interrupt_before_anything_was_sent_or_with_nothing_in_flight() {
    let mut story = Story::begin(workflow([step("one")]), auto(Intervene::Never));
    story.tell(interrupt());
    assert_eq!(story.reason(), GateReason::Aborted);
    assert_eq!(story.wanted(), ["place one#1"], "the abort of what was never sent is no effect");
}

#[test]
fn a_persons_abort_in_the_host_gates_under_every_policy() {
    for intervene in [Intervene::Never, Intervene::OnError, Intervene::Always] {
        let mut story = Story::begin(workflow([step("one")]), auto(intervene));
        story.work(failed(ErrorCode::Aborted, "aborted in the session"));
        assert_eq!(story.reason(), GateReason::Aborted, "{intervene:?}");
    }
}

#[test]
fn an_interrupt_and_a_cancel_survive_the_owner() {
    let mut story = at_work();
    story.tell(interrupt()).crash();
    assert_eq!(story.wanted(), ["abort one#1"]);
    let ended = abort_ended(&story, Ok(()));
    story.tell(ended);
    assert_eq!(story.reason(), GateReason::Aborted);

    let mut story = at_work();
    story.tell(cancel()).crash();
    assert_eq!(story.wanted(), ["abort one#1"]);
    let ended = abort_ended(&story, Ok(()));
    story.tell(ended);
    assert_eq!(story.status(), RunStatus::Cancelled);
}

#[test]
fn an_ask_is_shown_until_it_is_closed_and_its_answer_goes_to_the_worker() {
    let mut story = at_work();
    let id = AskId("per_1".to_owned());
    let dispatch = story.dispatch();
    let ask = Ask::permission(id.clone(), "ses_one", "bash: make");
    let opened = Input::AskOpened { dispatch: dispatch.clone(), ask: ask.clone() };
    story.tell(opened.clone()).tell(opened);
    assert_eq!(story.view().asks, [ask]);
    story.tell(Input::Answer { ask: id.clone(), reply: AskReply::Once, by: "ann".to_owned() });
    let [Effect::Answer(_, _, answered, AskReply::Once)] = &story.effects[..] else {
        panic!("{:?}", story.effects)
    };
    assert_eq!(*answered, id);
    // It stays open until the worker has taken the answer; then the journal knows whose it was.
    assert_eq!(story.view().asks.len(), 1);
    story.tell(Input::AskClosed { dispatch, ask: id.clone(), by: "host".to_owned() });
    assert_eq!(story.view().asks.len(), 0);
    let closed = serde_json::to_value(story.journal.last().unwrap()).unwrap();
    assert_eq!((&closed["record"], &closed["by"]), (&"ask-closed".into(), &"ann".into()));
    let again =
        story.try_tell(Input::Answer { ask: id.clone(), reply: AskReply::Once, by: "bob".to_owned() });
    assert_eq!(again, Err(Rejected::UnknownAsk { ask: id }));
}

/// A run that was cancelled and waits for an abort has its end: a gate that was open already decides nothing any more.
#[test]
fn a_decision_does_not_overturn_a_cancel_that_waits_for_an_abort() {
    let plan = super::story::graph(&[("one", &[]), ("two", &[])]);
    let mut story = Story::of(super::story::run_started(plan, default_policy()));
    story.work_of("one", failed(ErrorCode::Model, "no")).place_of("two").tell(cancel());
    let ended = Rejected::Ended { status: "cancelled".to_owned() };
    assert_eq!(story.try_decide(Decision::Abort), Err(ended.clone()));
    assert_eq!(story.try_tell(pause()), Err(ended));
    story.tell(cancel()).abort_of("two");
    assert_eq!(story.status(), RunStatus::Cancelled);
}

/// The other way round: the person at the gate was first.
#[test]
fn a_cancel_does_not_overturn_an_abort_at_a_gate() {
    let plan = super::story::graph(&[("one", &[]), ("two", &[])]);
    let mut story = Story::of(super::story::run_started(plan, default_policy()));
    story.work_of("one", failed(ErrorCode::Model, "no")).place_of("two").decide(Decision::Abort);
    assert_eq!(story.try_tell(cancel()), Err(Rejected::Ended { status: "error".to_owned() }));
    story.abort_of("two");
    assert_eq!(story.status(), RunStatus::Error);
}
