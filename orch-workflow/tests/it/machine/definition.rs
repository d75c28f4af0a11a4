//! A definition that was edited while its run waited.

use orch_config::policy::{Execution, Intervene};
use orch_workflow::{
    attempt::Settled,
    decision::{Decision, DecisionKind, GateReason},
    machine::Input,
    record::RunStatus,
};

use super::story::{Story, auto, plan, policy, step, workflow};

fn changed() -> Input {
    let (old, mut edited) = (plan(workflow([step("one"), step("two")])), step("two"));
    edited.prompt = "something else".to_owned();
    let new = plan(workflow([step("one"), edited]));
    assert_ne!(old.digest(), new.digest());
    let message = old.difference(&new).expect("they differ");
    assert_eq!(message, "step two has another prompt");
    Input::DefinitionChanged { message }
}

#[test]
fn a_changed_definition_queues_behind_the_open_gate_and_both_are_answered() {
    let mut story =
        Story::begin(workflow([step("one"), step("two")]), policy(Execution::Step, Intervene::OnError));
    story.work(Settled::answer("first")).reopen();
    story.tell(changed()).tell(Input::TakenUp);
    assert_eq!(story.reason(), GateReason::ExecutionStep);
    assert_eq!(story.view().gates[0].reason, GateReason::DefinitionChanged);
    story.decide(Decision::Continue);
    assert_eq!(story.reason(), GateReason::DefinitionChanged);
    assert_eq!(story.allowed(), [DecisionKind::Continue, DecisionKind::Abort]);
    assert_eq!((story.status(), story.wanted()), (RunStatus::Paused, vec![]));
    story.decide(Decision::Continue);
    // The journaled definition is the one that is finished.
    assert_eq!(story.prompt(), "two: build a boat");
}

#[test]
fn what_was_accepted_once_is_not_asked_again() {
    let mut story =
        Story::begin(workflow([step("one"), step("two")]), policy(Execution::Step, Intervene::OnError));
    story.work(Settled::answer("first")).reopen();
    story.tell(changed()).decide(Decision::Continue).decide(Decision::Continue).reopen();
    let seq = story.machine.seq();
    story.tell(changed());
    assert_eq!(story.machine.seq(), seq);
    assert_eq!(story.view().gate, None);
}

#[test]
fn work_in_flight_settles_first_and_nothing_new_begins() {
    let mut story = Story::begin(workflow([step("one"), step("two")]), auto(Intervene::Never));
    story.place().reopen();
    story.tell(changed()).tell(Input::TakenUp);
    assert_eq!(story.wanted(), ["probe one#1"]);
    assert_eq!(story.status(), RunStatus::Running);
    story.settle(Settled::answer("first"));
    assert_eq!((story.status(), story.reason()), (RunStatus::Paused, GateReason::DefinitionChanged));
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place two#1"]);
}

#[test]
fn a_run_that_has_ended_does_not_care() {
    let mut story = Story::begin(workflow([step("one")]), auto(Intervene::Never));
    story.work(Settled::answer("first")).reopen().tell(changed());
    assert_eq!((story.status(), story.view().gate), (RunStatus::Success, None));
}

#[test]
fn an_abort_at_the_gate_first_aborts_what_is_in_flight() {
    let mut story = Story::begin(workflow([step("one"), step("two")]), auto(Intervene::Never));
    story.place().reopen();
    story.tell(changed()).tell(Input::TakenUp).wanted();
    story.decide(Decision::Abort);
    assert_eq!((story.wanted(), story.status()), (vec!["abort one#1".to_owned()], RunStatus::Running));
    // The decision is in the journal: whoever takes the run up goes on with the end.
    story.crash();
    assert_eq!(story.wanted(), ["abort one#1"]);
    let dispatch = story.dispatch();
    story.tell(Input::AbortEnded { dispatch, result: Ok(()) });
    assert_eq!(story.status(), RunStatus::Error);
}
