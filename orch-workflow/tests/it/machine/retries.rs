//! Automatic retry: only what may pass, with growing waits, and never the same failure for ever.

use orch_config::{
    policy::Intervene,
    retry::{Retry, RetryClass},
};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Outcome, Settled, WarningCode},
    decision::{Decision, GateReason},
    machine::Input,
    record::RunStatus,
    view::StepStatus,
};

use super::story::{Story, auto, default_policy, failed, retry, step, workflow};

fn patient(max_attempts: u32) -> Story {
    with_retry(Retry { max_attempts, ..Retry::default() })
}

fn with_retry(retry: Retry) -> Story {
    let mut one = step("one");
    one.retry = retry;
    Story::begin(workflow([one, step("two")]), auto(Intervene::Never))
}

fn lost(message: &str) -> Settled {
    failed(ErrorCode::WorkerLost, message)
}

#[test]
fn a_transient_failure_is_tried_again_after_its_backoff() {
    let mut story = patient(3);
    story.work(lost("a")).wanted();
    assert_eq!(story.step_status("one"), StepStatus::Backoff);
    assert_eq!(story.status(), RunStatus::Running);
    assert!(!story.machine.at_rest());
    story.wait(999);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.wait(1);
    assert_eq!(story.wanted(), ["place one#2"]);
    story.work(Settled::answer("first"));
    let one = story.step("one");
    assert_eq!(one.outcome, Some(Outcome::Warning));
    assert_eq!(one.attempts[1].warnings[0].code, WarningCode::Retried);
    assert_eq!(one.status, StepStatus::Done);
}

#[test]
fn waits_grow_by_the_factor_up_to_the_longest() {
    let mut story = with_retry(Retry {
        max_attempts: 6,
        backoff_ms: 100,
        factor: 3.0,
        max_backoff_ms: 1_000,
        ..Retry::default()
    });
    for (failure, wait) in [("a", 100), ("b", 300), ("c", 900), ("d", 1_000), ("e", 1_000)] {
        story.work(lost(failure)).wanted();
        assert_eq!(story.machine.next_deadline(), Some(story.now.plus_ms(wait)));
        story.wait(wait);
    }
    story.work(lost("f"));
    assert_eq!(story.status(), RunStatus::Error, "six attempts are six attempts");
}

#[test]
fn what_is_not_transient_or_not_listed_is_not_retried() {
    let only_limits = Retry { max_attempts: 9, on: vec![RetryClass::RateLimited], ..Retry::default() };
    for (retry, error) in [
        (Retry { max_attempts: 9, ..Retry::default() }, AttemptError::new(ErrorCode::Auth, "401")),
        (
            Retry { max_attempts: 9, ..Retry::default() },
            AttemptError::new(ErrorCode::Model, "bad request").with_status(400),
        ),
        (only_limits, AttemptError::new(ErrorCode::WorkerLost, "gone")),
    ] {
        let mut story = with_retry(retry);
        story.work(Settled::failed(error));
        assert_eq!(story.status(), RunStatus::Error);
    }
    let refused = || AttemptError::new(ErrorCode::Model, "not now");
    for passing in [refused().with_status(503), refused().with_status(529), refused().of_overload()] {
        let mut story = patient(2);
        story.work(Settled::failed(passing.clone()));
        assert_eq!(story.step_status("one"), StepStatus::Backoff, "{passing:?}");
    }
    let mut story = patient(2);
    story.work(Settled::failed(refused()));
    assert_eq!(story.status(), RunStatus::Error, "nobody knows that it passes");
}

#[test]
fn the_same_failure_three_times_running_gates_under_every_policy() {
    let mut story = patient(9);
    story.work(lost("a")).wait(1_000).work(lost("a")).wait(2_000).work(lost("a"));
    assert_eq!(story.reason(), GateReason::RepeatedFailure);
    // A decision restarts the count, and the automatic attempts with it.
    story.decide(retry()).work(lost("a"));
    assert_eq!(story.step_status("one"), StepStatus::Backoff);
}

#[test]
fn another_failure_in_between_starts_the_count_again() {
    let mut story = patient(9);
    story.work(lost("a")).wait(1_000).work(lost("a")).wait(2_000).work(lost("b")).wait(4_000);
    story.work(lost("a"));
    assert_eq!(story.step_status("one"), StepStatus::Backoff);
}

#[test]
fn corner_10_the_breaker_counts_automatic_tries_only() {
    let mut story = Story::begin(workflow([step("one")]), default_policy());
    for _ in 0..4 {
        story.work(lost("a"));
        assert_eq!(story.reason(), GateReason::InterveneOnError);
        story.decide(Decision::Continue);
    }
}

#[test]
fn corner_11_a_long_rate_limit_backs_off_until_its_reset_whatever_the_number_of_attempts() {
    let mut story = patient(1);
    story.place();
    let reset = story.now.plus_ms(90_000);
    let limited = AttemptError::new(ErrorCode::RateLimited, "slow down, 90 s left").with_reset_at(reset);
    story.settle(Settled::failed(limited)).wanted();
    assert_eq!(story.step_status("one"), StepStatus::Backoff);
    story.wait(89_999);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.wait(1);
    assert_eq!(story.wanted(), ["place one#2"]);
}

#[test]
fn a_rate_limit_that_never_ends_trips_the_breaker_though_its_texts_differ() {
    let mut story = patient(1);
    for round in 0..3 {
        story.place();
        let message = format!("{round} s left");
        let limited =
            AttemptError::new(ErrorCode::RateLimited, message).with_reset_at(story.now.plus_ms(5_000));
        story.settle(Settled::failed(limited)).wait(5_000);
    }
    assert_eq!(story.reason(), GateReason::RepeatedFailure);
}

#[test]
fn a_pause_takes_a_waiting_step_to_its_gate_at_once() {
    let mut story = patient(3);
    story.work(lost("a")).wanted();
    story.tell(Input::Pause { by: "ann".to_owned() });
    assert_eq!(story.reason(), GateReason::User);
    story.wait(60_000);
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.decide(Decision::Continue);
    assert_eq!(story.wanted(), ["place one#2"]);
}

#[test]
fn a_pause_before_the_failure_takes_the_place_of_the_automatic_retry() {
    let mut story = patient(3);
    story.place().tell(Input::Pause { by: "ann".to_owned() }).settle(lost("a"));
    assert_eq!(story.reason(), GateReason::User);
}

#[test]
fn a_cancel_ends_a_waiting_run_at_once() {
    let mut story = patient(3);
    story.work(lost("a")).tell(Input::Cancel { by: "ann".to_owned() });
    assert_eq!(story.status(), RunStatus::Cancelled);
    assert_eq!(story.step_status("one"), StepStatus::Failed);
    assert_eq!(story.machine.next_deadline(), None);
}

#[test]
fn a_backoff_survives_the_owner() {
    let mut story = patient(3);
    story.work(lost("a")).crash();
    assert_eq!(story.wanted(), Vec::<String>::new());
    story.wait(1_000);
    assert_eq!(story.wanted(), ["place one#2"]);
}

#[test]
fn a_prompt_that_never_arrives_is_sent_again_with_the_same_ids_but_not_for_ever() {
    let mut story = patient(1);
    story.place().wanted();
    let dispatch = story.dispatch();
    let error = AttemptError::new(ErrorCode::Unreachable, "connection reset");
    for _ in 0..2 {
        story.tell(Input::Lost { dispatch: dispatch.clone(), error: error.clone() });
        assert_eq!(story.wanted(), ["probe one#1"]);
        story.tell(Input::NeverArrived { dispatch: dispatch.clone() });
        assert_eq!(story.wanted(), ["send one#1"]);
    }
    story.tell(Input::Lost { dispatch: dispatch.clone(), error });
    story.tell(Input::NeverArrived { dispatch });
    assert_eq!(story.status(), RunStatus::Error);
    assert_eq!(story.step("one").attempts[0].error.as_ref().unwrap().code, ErrorCode::Unreachable);
}

#[test]
fn work_that_gets_lost_for_ever_ends_in_doubt() {
    let mut story = patient(1);
    story.place();
    let dispatch = story.dispatch();
    let error = AttemptError::new(ErrorCode::WorkerLost, "the task ended");
    for _ in 0..10 {
        story.tell(Input::Lost { dispatch: dispatch.clone(), error: error.clone() });
        story.tell(Input::Attached { dispatch: dispatch.clone() });
    }
    story.tell(Input::Lost { dispatch, error });
    assert_eq!(story.reason(), GateReason::InDoubt);
}
