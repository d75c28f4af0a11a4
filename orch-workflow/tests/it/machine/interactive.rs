//! Foreground steps: a person talks to the worker before it hands off.

use orch_config::{
    Profile,
    id::ProfileId,
    kind::{ExecutionMode, WorkerKind},
    policy::{Execution, Intervene},
    profile::Handoff,
    workflow::GateDefault,
};
use orch_workflow::{
    attempt::{ErrorCode, Outcome, Settled},
    decision::{Decision, DecisionKind, GateReason},
    machine::{Effect, Input},
    plan::Plan,
    record::RunStatus,
    view::StepStatus,
};

use super::story::{
    Story, auto, config, default_policy, failed, policy, replace, run_started, step, warned, workflow,
};

fn talk(handoff: Handoff, policy: orch_config::policy::PolicyPatch) -> Story {
    let mut one = step("one");
    one.execution = Some(ExecutionMode::Foreground);
    let mut workflow = workflow([one, step("two")]);
    workflow.gate_timeout_ms = Some(1_000);
    workflow.gate_default = Some(GateDefault::Continue);
    let mut config = config(workflow);
    let mut profile = Profile::new(ProfileId::new("coder").unwrap()).with_kind(WorkerKind::Subagent);
    profile.handoff = handoff;
    config.insert_profile(profile);
    Story::of(run_started(Plan::compile(&config, "boat").unwrap(), policy))
}

#[test]
fn corner_03_the_first_answer_opens_a_gate_under_any_policy_and_never_goes_on_by_itself() {
    let mut story = talk(Handoff::Summarize, auto(Intervene::Never));
    story.work(Settled::answer("hello")).wanted();
    assert_eq!(story.reason(), GateReason::Interactive);
    assert_eq!(story.allowed(), [DecisionKind::Continue, DecisionKind::Replace, DecisionKind::Abort]);
    assert_eq!(story.step("one").text.as_deref(), Some("hello"));
    assert_eq!(story.step("one").attempts[0].outcome, None, "the attempt goes on");
    story.wait(3_600_000);
    assert_eq!(story.status(), RunStatus::Paused);
    // It stays open when the process that opened it is gone.
    story.crash();
    assert_eq!((story.reason(), story.wanted()), (GateReason::Interactive, vec![]));
}

#[test]
fn continue_asks_for_the_hand_off_in_the_same_attempt_and_that_is_the_result() {
    let mut story = talk(Handoff::Summarize, policy(Execution::Step, Intervene::Always));
    story.work(Settled::answer("hello")).wanted();
    story.wait(600_000).decide(Decision::Continue);
    let [Effect::Place(dispatch)] = &story.effects[..] else { panic!("{:?}", story.effects) };
    assert_eq!((dispatch.id.attempt, dispatch.id.turn), (1, 2));
    assert!(dispatch.prompt.contains("Summarise its outcome"), "{}", dispatch.prompt);
    story.work(Settled::answer("## Summary\nagreed"));
    // The person has seen the step: that stands for the gate after an answer, even step by step.
    assert_eq!(story.status(), RunStatus::Running);
    let one = story.step("one");
    assert_eq!((one.outcome, one.attempts.len()), (Some(Outcome::Ok), 1));
    assert_eq!(one.text.as_deref(), Some("## Summary\nagreed"));
    assert_eq!(one.attempts[0].dispatch.turn, 2);
}

#[test]
fn corner_03_a_warning_or_an_error_of_the_hand_off_still_gates() {
    let mut story = talk(Handoff::Summarize, auto(Intervene::OnWarning));
    story.work(Settled::answer("hello")).decide(Decision::Continue).work(warned("agreed"));
    assert_eq!(story.reason(), GateReason::InterveneOnWarning);

    let mut story = talk(Handoff::Summarize, default_policy());
    story.work(Settled::answer("hello")).decide(Decision::Continue).work(failed(ErrorCode::Model, "no"));
    assert_eq!(story.reason(), GateReason::InterveneOnError);
    // Tried again, it is a new talk.
    story.decide(Decision::Continue).work(Settled::answer("hello again"));
    assert_eq!(story.reason(), GateReason::Interactive);
}

#[test]
fn replace_and_abort_end_the_talk() {
    let mut story = talk(Handoff::Summarize, default_policy());
    story.work(Settled::answer("hello")).decide(replace("by hand"));
    let one = story.step("one");
    assert_eq!((one.status, one.text.as_deref()), (StepStatus::Done, Some("by hand")));
    assert_eq!(story.wanted().last().unwrap(), "place two#1");

    let mut story = talk(Handoff::Summarize, default_policy());
    story.work(Settled::answer("hello")).decide(Decision::Abort);
    assert_eq!((story.status(), story.step_status("one")), (RunStatus::Error, StepStatus::Failed));
}

#[test]
fn without_a_hand_off_continue_goes_on_with_an_empty_result() {
    let mut story = talk(Handoff::None, default_policy());
    story.work(Settled::answer("hello")).decide(Decision::Continue);
    let one = story.step("one");
    assert_eq!(
        (one.status, one.outcome, one.text.as_deref()),
        (StepStatus::Done, Some(Outcome::Ok), Some(""))
    );
    assert_eq!(story.wanted().last().unwrap(), "place two#1");
}

#[test]
fn the_turns_of_an_attempt_share_their_time_and_the_talk_costs_none() {
    let mut story = talk(Handoff::Summarize, default_policy());
    story.place().wait(2_000).settle(Settled::answer("hello")).wait(3_600_000);
    story.decide(Decision::Continue).place().wait(3_000).settle(Settled::answer("agreed"));
    assert_eq!(story.view().active_ms, 5_000);
}

#[test]
fn corner_03_a_crash_in_either_turn_is_probed_like_any_other() {
    let mut story = talk(Handoff::Summarize, default_policy());
    story.place().crash();
    assert_eq!(story.wanted(), ["probe one#1"]);
    story.settle(Settled::answer("hello"));
    assert_eq!(story.reason(), GateReason::Interactive);
    story.decide(Decision::Continue).crash();
    assert_eq!(story.wanted(), ["place one#1.2"]);
    story.place().crash();
    assert_eq!(story.wanted(), ["probe one#1.2"]);
    story.settle(Settled::answer("agreed"));
    assert_eq!(story.step_status("one"), StepStatus::Done);
}

#[test]
fn a_cancel_or_an_abort_during_the_talk_ends_the_run() {
    let mut story = talk(Handoff::Summarize, default_policy());
    story.work(Settled::answer("hello")).tell(Input::Cancel { by: "ann".to_owned() });
    assert_eq!(story.status(), RunStatus::Cancelled);

    let mut story = talk(Handoff::Summarize, default_policy());
    story.place().tell(Input::Cancel { by: "ann".to_owned() }).settle(Settled::answer("hello"));
    assert_eq!(story.status(), RunStatus::Cancelled);
}

#[test]
fn a_question_for_the_hand_off_is_answered_in_the_place_of_a_summary() {
    for handoff in [Handoff::Summarize, Handoff::None] {
        let mut story = talk(handoff, default_policy());
        story.work(Settled::answer("hello")).wanted();
        let question = "Which port does it use?".to_owned();
        story.decide(Decision::HandOff { question: question.clone() });
        let [Effect::Place(dispatch)] = &story.effects[..] else { panic!("{:?}", story.effects) };
        assert!(
            dispatch.prompt.ends_with(&format!(
                "Answer this question for the parent, who has seen none of it: {question}"
            ))
        );
        story.work(Settled::answer("4096"));
        assert_eq!(story.step("one").text.as_deref(), Some("4096"));
    }
}

#[test]
fn a_question_belongs_to_one_hand_off_and_to_no_other_gate() {
    let mut story = talk(Handoff::Summarize, default_policy());
    story.work(Settled::answer("hello"));
    let empty = story.try_decide(Decision::HandOff { question: " ".to_owned() }).unwrap_err();
    assert_eq!(empty.to_string(), "the question for the hand-off is empty");
    story.decide(Decision::HandOff { question: "why?".to_owned() }).work(failed(ErrorCode::Model, "no"));
    assert_eq!(story.reason(), GateReason::InterveneOnError);
    let refused = story.try_decide(Decision::HandOff { question: "why?".to_owned() }).unwrap_err();
    assert!(refused.to_string().contains("is no talk with a worker"), "{refused}");
    story.decide(Decision::Continue).work(Settled::answer("hello again")).wanted();
    story.decide(Decision::Continue);
    let [Effect::Place(dispatch)] = &story.effects[..] else { panic!("{:?}", story.effects) };
    assert!(dispatch.prompt.contains("Summarise its outcome"), "{}", dispatch.prompt);
}
