//! Active time, silence, gates that expire.

use orch_config::{policy::Intervene, workflow::GateDefault};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled, Timestamp, WarningCode},
    decision::{Decision, DecisionKind, GateReason},
    machine::{Input, Machine},
    port::{Ask, AskId},
    record::RunStatus,
    view::StepStatus,
};

use super::story::{Story, auto, default_policy, failed, step, warned, workflow};

fn with_timeout(timeout_ms: u64) -> Story {
    let mut one = step("one");
    one.timeout_ms = timeout_ms;
    one.idle_warning_ms = 0;
    Story::begin(workflow([one, step("two")]), default_policy())
}

fn error_of(story: &Story) -> ErrorCode {
    story.step("one").attempts[0].error.as_ref().unwrap().code
}

#[test]
fn a_step_out_of_time_is_aborted_and_settles_once_that_is_confirmed() {
    let mut story = with_timeout(5_000);
    story.place().wanted();
    story.wait(4_999);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.wait(1);
    assert_eq!(story.wanted(), ["abort one#1"]);
    assert_eq!(story.step_status("one"), StepStatus::Running);
    let dispatch = story.dispatch();
    story.tell(Input::AbortEnded { dispatch, result: Ok(()) });
    assert_eq!(error_of(&story), ErrorCode::Timeout);
    assert_eq!(story.reason(), GateReason::InterveneOnError);
    assert_eq!(story.view().active_ms, 5_000);
}

#[test]
fn an_unconfirmed_abort_settles_after_ten_seconds_and_names_the_session() {
    let mut story = with_timeout(5_000);
    story.place().wait(14_999);
    assert_eq!(story.status(), RunStatus::Running);
    story.wait(1);
    assert_eq!(error_of(&story), ErrorCode::Timeout);
    let message = story.step("one").attempts[0].error.clone().unwrap().message;
    assert!(message.contains("session ses_one may still run"), "{message}");
}

#[test]
fn a_run_that_ends_with_an_unconfirmed_abort_says_which_session_may_still_run() {
    let mut one = step("one");
    one.timeout_ms = 5_000;
    let mut story = Story::begin(workflow([one]), auto(Intervene::Never));
    story.place().wait(15_000);
    assert_eq!(story.status(), RunStatus::Error);
    let notes = story.view().notes;
    assert!(notes[0].starts_with("session ses_one may still run"), "{notes:?}");
}

#[test]
fn a_result_that_comes_after_the_time_is_a_timeout_with_its_text_kept() {
    let mut story = with_timeout(5_000);
    story.place().wait(5_000).settle(Settled::answer("too late"));
    assert_eq!(error_of(&story), ErrorCode::Timeout);
    assert_eq!(story.step("one").text.as_deref(), Some("too late"));
    let seq = story.machine.seq();
    let dispatch = story.dispatch();
    story.tell(Input::AbortEnded { dispatch, result: Ok(()) });
    assert_eq!(story.machine.seq(), seq, "an attempt settles once");
}

#[test]
fn a_place_that_hangs_runs_out_of_time_and_has_nothing_to_abort() {
    let mut story = with_timeout(5_000);
    story.wanted();
    story.wait(5_000);
    assert_eq!(story.wanted(), Vec::<String>::new());
    assert_eq!(error_of(&story), ErrorCode::Timeout);
}

#[test]
fn a_probe_that_hangs_runs_out_of_time() {
    let mut story = with_timeout(5_000);
    story.place().crash().wait(5_000);
    assert_eq!(story.wanted(), ["probe one#1", "abort one#1"]);
}

#[test]
fn the_clock_stands_still_while_a_person_is_asked() {
    let mut story = with_timeout(5_000);
    story.place().wait(4_000);
    let dispatch = story.dispatch();
    for id in ["a", "b"] {
        let ask = Ask::permission(AskId(id.to_owned()), "ses_one", "bash: make");
        story.tell(Input::AskOpened { dispatch: dispatch.clone(), ask });
    }
    story.wait(3_600_000);
    let closed = |id: &str| Input::AskClosed {
        dispatch: dispatch.clone(),
        ask: AskId(id.to_owned()),
        by: "ann".to_owned(),
    };
    story.tell(closed("a")).wait(3_600_000).tell(closed("b")).wait(999);
    assert_eq!(story.step_status("one"), StepStatus::Running);
    story.settle(Settled::answer("done"));
    assert_eq!(story.view().active_ms, 4_999);
}

#[test]
fn the_clock_stands_still_while_the_worker_waits() {
    let mut story = with_timeout(5_000);
    story.place().wait(4_000);
    let dispatch = story.dispatch();
    let waiting = |waiting| Input::Waiting { dispatch: dispatch.clone(), waiting };
    story.tell(waiting(true)).wait(3_600_000).tell(waiting(false)).wait(999);
    assert_eq!(story.step_status("one"), StepStatus::Running);
    story.wait(1);
    assert_eq!(story.wanted().last().unwrap(), "abort one#1");
}

/// An hour in which the process did not run comes between a step and its timeout.
#[test]
fn the_time_in_which_the_process_stood_still_counts_for_no_step() {
    let mut one = step("one");
    (one.timeout_ms, one.idle_warning_ms) = (5_000, 3_000);
    one.budget.max_active_ms = Some(100_000);
    let mut story = Story::begin(workflow([one, step("two")]), default_policy());
    story.place().wait(2_000).wanted();
    let records = story.journal.len();
    story.now = story.now.plus_ms(3_600_000);
    story.tell(Input::StoodStill { ms: 3_600_000 });
    story.wait(999);
    assert_eq!((story.wanted(), story.journal.len()), (vec![], records), "it is no fact of the run");
    story.wait(1);
    assert_eq!(story.step("one").attempts[0].warnings[0].code, WarningCode::Idle, "silence goes on, too");
    story.wait(1_999);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.wait(1);
    assert_eq!(story.wanted(), ["abort one#1"]);
    story.now = story.now.plus_ms(3_600_000);
    story.tell(Input::StoodStill { ms: 3_600_000 }).wait(9_999);
    assert_eq!(story.step_status("one"), StepStatus::Running, "the abort may still be confirmed");
    let dispatch = story.dispatch();
    story.tell(Input::AbortEnded { dispatch, result: Ok(()) });
    assert_eq!(error_of(&story), ErrorCode::Timeout);
    assert_eq!(story.view().active_ms, 5_000);
    assert_eq!(Machine::replay(&story.journal).unwrap(), story.machine);
}

/// A step that has begun after the process stood still is not charged less than nothing for it.
#[test]
fn time_is_left_out_up_to_now_and_no_further() {
    let mut story = with_timeout(5_000);
    story.place().wait(1_000).tell(Input::StoodStill { ms: u64::MAX });
    story.wait(4_999).settle(Settled::answer("done"));
    assert_eq!(story.view().active_ms, 4_999);
}

/// A gate's time is the time of people, and goes on for them.
#[test]
fn a_gate_expires_although_the_process_stood_still() {
    let mut definition = workflow([step("one"), step("two")]);
    definition.gate_timeout_ms = Some(60_000);
    definition.gate_default = Some(GateDefault::Skip);
    let mut story = Story::begin(definition, default_policy());
    story.work(failed(ErrorCode::Auth, "no key"));
    let expires_at = story.gate().expires_at;
    story.now = story.now.plus_ms(3_600_000);
    story.tell(Input::StoodStill { ms: 3_600_000 });
    assert_eq!((story.gate().expires_at, story.machine.next_deadline()), (expires_at, expires_at));
    story.tell(Input::Tick);
    assert_eq!(story.step_status("one"), StepStatus::Skipped);
}

#[test]
fn the_time_before_a_crash_counts_and_the_time_nobody_was_there_does_not() {
    let mut story = with_timeout(5_000);
    story.place().wait(3_000);
    let dispatch = story.dispatch();
    // The last that the journal knows of the work.
    let warning = warned("").warnings.remove(0);
    story.tell(Input::Warned { dispatch: dispatch.clone(), warning });
    story.now = story.now.plus_ms(3_600_000);
    story.crash().tell(Input::Attached { dispatch }).wanted();
    story.wait(1_999);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.wait(1);
    assert_eq!(story.wanted(), ["abort one#1"]);
}

#[test]
fn a_timeout_survives_the_owner_and_is_not_taken_for_a_persons_abort() {
    let mut story = with_timeout(5_000);
    story.place().wait(5_000).crash();
    assert_eq!(story.wanted(), ["abort one#1"]);
    story.settle(failed(ErrorCode::Aborted, "aborted"));
    assert_eq!(error_of(&story), ErrorCode::Timeout);
    assert_eq!(story.reason(), GateReason::InterveneOnError);
}

#[test]
fn silence_is_remarked_once_and_signs_of_life_put_it_off() {
    let mut one = step("one");
    one.idle_warning_ms = 1_000;
    let mut story = Story::begin(workflow([one]), default_policy());
    story.place().wait(999);
    let dispatch = story.dispatch();
    story.tell(Input::Alive { dispatch }).wait(999);
    assert_eq!(story.step("one").attempts[0].warnings, []);
    story.wait(10_000);
    let warnings = story.step("one").attempts[0].warnings.clone();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].code, WarningCode::Idle);
    assert_eq!(warnings[0].message, "no sign of life for 1000 ms");
}

#[test]
fn nobody_is_idle_who_waits_for_a_person() {
    let mut one = step("one");
    one.idle_warning_ms = 1_000;
    let mut story = Story::begin(workflow([one]), default_policy());
    story.place();
    let dispatch = story.dispatch();
    let ask = Ask::permission(AskId("a".to_owned()), "ses_one", "bash: make");
    story.tell(Input::AskOpened { dispatch, ask }).wait(60_000);
    assert_eq!(story.step("one").attempts[0].warnings, []);
}

fn with_default(default: GateDefault) -> Story {
    let mut workflow = workflow([step("one"), step("two")]);
    workflow.gate_timeout_ms = Some(60_000);
    workflow.gate_default = Some(default);
    Story::begin(workflow, auto(Intervene::OnWarning))
}

#[test]
fn an_unanswered_gate_takes_its_default_in_the_same_commit() {
    let mut story = with_default(GateDefault::Continue);
    story.work(warned("first")).wanted();
    let gate = story.gate();
    assert_eq!(gate.default, Some(DecisionKind::Continue));
    assert_eq!(gate.expires_at, Some(story.now.plus_ms(60_000)));
    let commits = story.commits;
    story.wait(60_000);
    assert_eq!(story.wanted(), ["place two#1"]);
    assert_eq!(story.commits, commits + 1);
    let refused = story.try_tell(Input::Decide {
        gate: Some(gate.id),
        decision: Decision::Abort,
        policy: Default::default(),
        budget: Default::default(),
        by: "ann".to_owned(),
    });
    assert!(refused.unwrap_err().to_string().contains("already answered with continue by timeout"));
}

#[test]
fn a_default_that_the_gate_does_not_allow_never_applies() {
    // Nobody may skip a step that has an answer.
    let mut story = with_default(GateDefault::Skip);
    story.work(warned("first"));
    let gate = story.gate();
    assert_eq!((gate.default, gate.expires_at), (None, None));
    story.wait(3_600_000);
    assert_eq!(story.status(), RunStatus::Paused);
    // But one that has failed.
    let mut story = with_default(GateDefault::Skip);
    story.work(failed(ErrorCode::Model, "no")).wait(60_000);
    assert_eq!(story.step_status("one"), StepStatus::Skipped);
}

#[test]
fn every_default_does_what_it_says() {
    for (default, status, wanted) in [
        (GateDefault::Continue, RunStatus::Running, vec!["place one#2"]),
        (GateDefault::Retry, RunStatus::Running, vec!["place one#2"]),
        (GateDefault::Skip, RunStatus::Running, vec!["place two#1"]),
        (GateDefault::Abort, RunStatus::Error, vec![]),
    ] {
        let mut story = with_default(default);
        story.work(failed(ErrorCode::Model, "no")).wanted();
        story.wait(60_000);
        assert_eq!(
            (story.status(), story.wanted()),
            (status, wanted.iter().map(ToString::to_string).collect())
        );
    }
}

#[test]
fn a_clock_that_jumps_back_neither_fires_nor_panics() {
    let mut story = with_timeout(5_000);
    story.place();
    story.now = Timestamp(0);
    story.tell(Input::Tick);
    let dispatch = story.dispatch();
    let error = AttemptError::new(ErrorCode::WorkerLost, "gone");
    story.tell(Input::Lost { dispatch: dispatch.clone(), error }).tell(Input::Attached { dispatch });
    assert_eq!(story.step_status("one"), StepStatus::Running);
    story.settle(Settled::answer("done"));
    assert_eq!(story.step_status("one"), StepStatus::Done);
}
