//! Steps that do not wait for each other: what runs at once, and what one of them means for the others.

use orch_config::{
    kind::ExecutionMode,
    policy::{Execution, Intervene, PolicyPatch},
    retry::Retry,
};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Outcome, Settled},
    decision::{Decision, GateReason},
    machine::Input,
    plan::Plan,
    record::{RecordBody, RunStatus},
    view::StepStatus,
};

use super::story::{Story, auto, default_policy, failed, graph, policy, retry, run_started, warned};

fn run(plan: Plan, policy: PolicyPatch) -> Story {
    Story::of(run_started(plan, policy))
}

fn answer() -> Settled {
    Settled::answer("done")
}

fn by() -> String {
    "ann".to_owned()
}

/// `plan`, then `left` and `right` at once, then `end`.
fn diamond() -> Plan {
    graph(&[("plan", &[]), ("left", &["plan"]), ("right", &["plan"]), ("end", &["left", "right"])])
}

/// `left` and `right` are at work, `end` waits for both.
fn abreast(policy: PolicyPatch) -> Story {
    let mut story = run(diamond(), policy);
    story.work(answer()).place_of("left").place_of("right").wanted();
    story
}

#[test]
fn independent_steps_run_at_once_and_what_needs_both_waits_for_both() {
    let mut story = run(diamond(), default_policy());
    assert_eq!(story.wanted(), ["place plan#1"]);
    assert_eq!(story.step_status("left"), StepStatus::Pending);
    story.work(answer());
    assert_eq!(story.wanted(), ["send plan#1", "place left#1", "place right#1"]);
    story.work_of("right", answer());
    assert_eq!(story.wanted(), ["send right#1"]);
    assert_eq!(story.step_status("end"), StepStatus::Pending);
    story.work_of("left", answer());
    assert_eq!(story.wanted(), ["send left#1", "place end#1"]);
    story.work_of("end", answer());
    assert_eq!(story.status(), RunStatus::Success);
}

#[test]
fn written_order_decides_who_goes_first_when_there_is_no_room_for_all() {
    let mut plan = graph(&[("a", &[]), ("b", &[]), ("c", &[]), ("d", &["a"])]);
    plan.limits.max_parallel = 2;
    let mut story = run(plan, default_policy());
    assert_eq!(story.wanted(), ["place a#1", "place b#1"]);
    assert_eq!(story.step_status("c"), StepStatus::Ready, "due, with no room yet");
    story.work_of("a", answer());
    assert_eq!(story.wanted(), ["send a#1", "place c#1"]);
    story.work_of("b", answer());
    assert_eq!(story.wanted(), ["send b#1", "place d#1"]);
}

#[test]
fn corner_01_siblings_in_flight_finish_and_their_gates_queue_in_settle_order() {
    let mut plan = graph(&[("a", &[]), ("b", &[]), ("c", &[]), ("end", &["a", "b", "c"])]);
    plan.limits.max_parallel = 3;
    let mut story = run(plan, auto(Intervene::OnWarning));
    story.place_of("a").place_of("b").place_of("c").wanted();
    story.settle_of("b", warned("first"));
    assert_eq!(story.gated(), ["b"]);
    assert_eq!(story.status(), RunStatus::Running, "two are still at work");
    assert!(!story.machine.at_rest());
    story.settle_of("c", answer()).settle_of("a", failed(ErrorCode::Model, "no"));
    assert_eq!(story.gated(), ["b", "a"], "in the order in which they settled");
    assert_eq!(story.status(), RunStatus::Paused);
    assert!(story.machine.at_rest(), "nothing is in flight");
    assert_eq!(story.step_status("c"), StepStatus::Done);
    // One by one: nothing begins as long as one is open.
    story.decide(Decision::Continue);
    assert_eq!((story.gated(), story.wanted()), (vec!["a".to_owned()], vec![]));
    assert_eq!(story.status(), RunStatus::Paused);
    story.decide(Decision::Skip);
    assert_eq!(story.wanted(), ["place end#1"]);
    assert_eq!(story.status(), RunStatus::Running);
}

#[test]
fn corner_01_an_error_that_nobody_is_asked_about_aborts_the_siblings_and_ends_the_run() {
    let mut story = abreast(auto(Intervene::Never));
    story.settle_of("left", failed(ErrorCode::Model, "no"));
    assert_eq!(story.wanted(), ["abort right#1"]);
    assert_eq!(story.status(), RunStatus::Running, "until the abort is confirmed");
    story.abort_of("right");
    assert_eq!(story.status(), RunStatus::Error);
    let right = story.step("right").attempts[0].error.clone().unwrap();
    assert_eq!((right.code, right.message.as_str()), (ErrorCode::Aborted, "stopped because left failed"));
    let RecordBody::Finished { error: Some(error), .. } = &story.journal.last().unwrap().body else {
        panic!("{:?}", story.journal.last())
    };
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::Model, "no"), "the run tells the cause");
    assert_eq!(story.step_status("end"), StepStatus::Pending);
}

#[test]
fn the_end_after_a_failure_survives_the_owner() {
    let mut story = abreast(auto(Intervene::Never));
    story.settle_of("left", failed(ErrorCode::Model, "no")).crash();
    assert_eq!(story.wanted(), ["abort right#1"]);
    story.abort_of("right");
    assert_eq!(story.status(), RunStatus::Error);
}

#[test]
fn a_sibling_that_was_not_sent_is_not_sent_after_the_failure() {
    let mut story = run(diamond(), auto(Intervene::Never));
    story.work(answer()).place_of("left").wanted();
    story.settle_of("left", failed(ErrorCode::Model, "no"));
    assert_eq!(story.status(), RunStatus::Error, "nothing was in flight on a host");
    story.place_of("right");
    assert_eq!(story.wanted(), Vec::<String>::new());
}

#[test]
fn a_queued_gate_can_be_answered_before_the_first() {
    let mut story = abreast(auto(Intervene::OnWarning));
    story.settle_of("left", warned("one")).settle_of("right", warned("two"));
    story.decide_at("right", retry());
    assert_eq!(story.gated(), ["left"]);
    assert_eq!(story.wanted(), Vec::<String>::new(), "the first is still open");
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place right#2"]);
}

#[test]
fn an_abort_at_one_gate_aborts_what_is_in_flight() {
    let mut story = abreast(auto(Intervene::OnWarning));
    story.settle_of("left", warned("one")).decide(Decision::Abort);
    assert_eq!(story.wanted(), ["abort right#1"]);
    story.abort_of("right");
    assert_eq!(story.status(), RunStatus::Error);
}

#[test]
fn corner_03_one_foreground_step_at_a_time() {
    let mut plan = graph(&[("talk", &[]), ("chat", &[]), ("work", &[])]);
    for step in &mut plan.steps[..2] {
        step.execution = ExecutionMode::Foreground;
    }
    let mut story = run(plan, auto(Intervene::Never));
    assert_eq!(story.wanted(), ["place talk#1", "place work#1"]);
    story.place_of("talk").work_of("work", answer());
    assert_eq!(story.step_status("chat"), StepStatus::Ready);
    story.settle_of("talk", answer());
    assert_eq!(story.reason(), GateReason::Interactive, "under any policy");
    story.wanted();
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place talk#1.2"], "the person is still with the first");
    story.work_of("talk", answer());
    assert_eq!(story.wanted(), ["send talk#1.2", "place chat#1"]);
}

#[test]
fn corner_06_a_pause_lets_all_in_flight_finish_and_gates_once() {
    let mut story = abreast(auto(Intervene::Never));
    story.tell(Input::Pause { by: by() }).settle_of("right", answer());
    assert_eq!((story.gated(), story.reason()), (vec!["right".to_owned()], GateReason::User));
    assert_eq!(story.status(), RunStatus::Running);
    story.settle_of("left", answer());
    assert_eq!(story.gated(), ["right"], "one pause, one gate");
    assert_eq!(story.status(), RunStatus::Paused);
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place end#1"]);
}

#[test]
fn corner_06_a_pause_with_nothing_left_but_what_is_in_flight_comes_too_late() {
    let mut story = run(graph(&[("a", &[]), ("b", &[])]), auto(Intervene::Never));
    story.place_of("a").place_of("b").tell(Input::Pause { by: by() });
    story.settle_of("a", answer()).settle_of("b", answer());
    assert_eq!(story.status(), RunStatus::Success);
}

#[test]
fn corner_06_a_cancel_waits_for_every_abort_and_names_every_session_that_may_still_run() {
    let mut story = abreast(auto(Intervene::Never));
    story.tell(Input::Cancel { by: by() });
    assert_eq!(story.wanted(), ["abort left#1", "abort right#1"]);
    let refused = AttemptError::new(ErrorCode::Unreachable, "connection refused");
    let dispatch = story.dispatch_of("left");
    story.tell(Input::AbortEnded { dispatch, result: Err(refused) });
    assert_eq!(story.status(), RunStatus::Running);
    story.crash().wait(10_000);
    assert_eq!(story.status(), RunStatus::Cancelled);
    let notes = story.view().notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].starts_with("session ses_left may still run"), "{notes:?}");
    assert!(notes[1].starts_with("session ses_right may still run"), "{notes:?}");
}

#[test]
fn an_interrupt_stops_everything_at_work_and_every_step_gets_its_gate() {
    let mut story = abreast(auto(Intervene::Never));
    story.tell(Input::Interrupt { by: by() });
    assert_eq!(story.wanted(), ["abort left#1", "abort right#1"]);
    story.abort_of("right").abort_of("left");
    assert_eq!(story.gated(), ["right", "left"]);
    assert_eq!(story.reason(), GateReason::Aborted);
    assert_eq!(story.status(), RunStatus::Paused);
    story.decide(retry()).decide(retry());
    assert_eq!(story.wanted(), ["place left#2", "place right#2"]);
}

#[test]
fn an_interrupt_that_one_step_outran_asks_for_no_second_pause() {
    let mut story = abreast(auto(Intervene::Never));
    story.settle_of("left", failed(ErrorCode::Aborted, "by hand"));
    story.tell(Input::Interrupt { by: by() }).settle_of("right", answer());
    assert_eq!(story.gated(), ["left"]);
    story.decide(Decision::Skip);
    assert_eq!(story.wanted(), ["abort right#1", "place end#1"]);
}

fn transient() -> Settled {
    failed(ErrorCode::WorkerLost, "lost")
}

#[test]
fn a_step_that_waits_for_its_next_attempt_holds_nobody_up() {
    let mut plan = graph(&[("a", &[]), ("b", &[]), ("c", &["b"])]);
    plan.limits.max_parallel = 1;
    plan.steps[0].retry = Retry { max_attempts: 2, ..Retry::default() };
    let mut story = run(plan, auto(Intervene::Never));
    story.work_of("a", transient());
    assert_eq!(story.step_status("a"), StepStatus::Backoff);
    story.wanted();
    story.place_of("b");
    // Its time comes while there is no room: it goes first as soon as there is.
    story.wait(5_000);
    assert_eq!(story.wanted(), ["send b#1"]);
    story.settle_of("b", answer());
    assert_eq!(story.wanted(), ["place a#2"]);
    story.work_of("a", answer()).work_of("c", answer());
    assert_eq!(story.status(), RunStatus::Success);
    assert_eq!(story.step("a").outcome, Some(Outcome::Warning), "a retried step says so");
}

#[test]
fn a_pause_gates_a_waiting_attempt_only_when_nothing_else_is_in_flight() {
    let mut plan = graph(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
    plan.steps[0].retry = Retry { max_attempts: 2, ..Retry::default() };
    let mut story = run(plan, auto(Intervene::Never));
    story.work_of("a", transient()).place_of("b").tell(Input::Pause { by: by() });
    assert_eq!(story.gated(), Vec::<String>::new());
    story.settle_of("b", answer());
    assert_eq!((story.gated(), story.reason()), (vec!["b".to_owned()], GateReason::User));
}

#[test]
fn step_by_step_gates_each_of_the_parallel_steps() {
    let mut story = run(diamond(), policy(Execution::Step, Intervene::Never));
    story.work(answer());
    assert_eq!(story.reason(), GateReason::ExecutionStep);
    story.decide(Decision::Continue).place_of("left").place_of("right");
    story.settle_of("left", answer()).settle_of("right", answer());
    assert_eq!(story.gated(), ["left", "right"]);
}

#[test]
fn what_was_left_unfinished_is_looked_at_before_anything_new_begins() {
    let mut story = abreast(auto(Intervene::OnWarning));
    story.settle_of("left", warned("careful")).reopen();
    story.decide(retry());
    assert_eq!(story.wanted(), Vec::<String>::new(), "nobody has looked after `right` yet");
    story.tell(Input::TakenUp);
    assert_eq!(story.wanted(), ["probe right#1", "place left#2"]);
}

#[test]
fn a_crash_with_several_in_flight_looks_after_each() {
    let mut story = run(diamond(), default_policy());
    story.work(answer()).place_of("right").crash();
    assert_eq!(story.wanted(), ["place left#1", "probe right#1"]);
}

#[test]
fn answering_the_definition_gate_first_leaves_the_steps_own_gate_alone() {
    let mut story = run(graph(&[("a", &[]), ("b", &["a"])]), auto(Intervene::OnWarning));
    story.work(warned("careful")).reopen();
    story.tell(Input::DefinitionChanged { message: "everything".to_owned() }).tell(Input::TakenUp);
    assert_eq!(story.gated(), ["a", "a"]);
    let definition = story.view().gates[0].id.clone();
    let decide = |gate, decision| Input::Decide {
        gate,
        decision,
        policy: PolicyPatch::default(),
        budget: Default::default(),
        by: by(),
    };
    story.tell(decide(Some(definition), Decision::Continue));
    assert_eq!(story.step_status("a"), StepStatus::Gated);
    story.decide(retry());
    assert_eq!(story.wanted(), ["place a#2"]);
}

#[test]
fn a_plan_whose_steps_wait_for_each_other_ends_as_an_error_and_never_hangs() {
    let story = run(graph(&[("a", &["b"]), ("b", &["a"])]), default_policy());
    assert_eq!(story.status(), RunStatus::Error);
}

#[test]
fn corner_07_the_carry_is_that_of_the_transitive_needs_in_plan_order() {
    let mut plan = graph(&[("one", &[]), ("two", &["one"]), ("aside", &[]), ("three", &["two"])]);
    for step in &mut plan.steps {
        step.carry = true;
        step.prompt = "{carry}".to_owned();
    }
    let mut story = run(plan, auto(Intervene::Never));
    story.work_of("aside", Settled::answer("not for three")).work_of("one", Settled::answer("first"));
    story.work_of("two", Settled::answer("second"));
    assert_eq!(
        story.prompt(),
        "### one\n```\n#### Summary\nfirst\n```\n\n### two\n```\n#### Summary\nsecond\n```"
    );
}
