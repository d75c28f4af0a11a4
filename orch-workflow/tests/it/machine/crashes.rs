//! The owner dies at every journal boundary, with the effect done and not done: the same end, nothing run twice.

use std::collections::HashMap;

use orch_config::policy::Intervene;
use orch_workflow::{
    attempt::{DispatchId, ErrorCode, Settled, WarningCode},
    decision::Decision,
    machine::{Effect, Input},
    record::{RunStarted, RunStatus},
    view::RunView,
};
use serde_json::json;

use super::story::{
    Story, auto, default_policy, failed, placement, plan, run_started, step, warned, workflow,
};

/// A host that lives on when its client dies. A prompt that it has got is answered once, however often it is sent.
#[derive(Default)]
struct Host {
    answered: HashMap<DispatchId, Settled>,
    /// What each attempt of a step is answered with, `one.2` for the second turn of one; everything else is answered plainly.
    script: HashMap<(String, u32), Settled>,
}

impl Host {
    fn answer(&mut self, dispatch: &DispatchId) -> Settled {
        let step = match dispatch.turn {
            1 => dispatch.step.to_string(),
            turn => format!("{}.{turn}", dispatch.step),
        };
        let key = (step, dispatch.attempt);
        let scripted = self.script.get(&key).cloned();
        let answer = scripted.unwrap_or_else(|| Settled::answer(format!("answer to {dispatch}")));
        self.answered.entry(dispatch.clone()).or_insert(answer).clone()
    }

    /// Does what an effect asks for and says what the driver would report.
    fn carry_out(&mut self, effect: Effect) -> Input {
        match effect {
            Effect::Place(dispatch) => {
                Input::Placed { result: Ok(placement(&dispatch.id)), dispatch: dispatch.id }
            }
            Effect::Send(dispatch, _) => {
                Input::Settled { result: Box::new(self.answer(&dispatch.id)), dispatch: dispatch.id }
            }
            Effect::Probe(dispatch, _) => match self.answered.get(&dispatch.id) {
                Some(result) => Input::Settled { result: Box::new(result.clone()), dispatch: dispatch.id },
                None => Input::NeverArrived { dispatch: dispatch.id },
            },
            Effect::Abort(dispatch, _) => Input::AbortEnded { dispatch, result: Ok(()) },
            other => panic!("nobody asked anything: {other:?}"),
        }
    }
}

/// What a person does at the gates, in order.
type Person = fn(&RunView) -> Decision;

fn finish(story: &mut Story, host: &mut Host, person: Person) {
    for _ in 0..1_000 {
        if let Some(effect) = (!story.effects.is_empty()).then(|| story.effects.remove(0)) {
            let input = host.carry_out(effect);
            story.tell(input);
        } else if story.status().is_terminal() {
            return;
        } else if story.machine.at_rest() {
            let decision = person(&story.view());
            story.decide(decision);
        } else {
            let due = story.machine.next_deadline().expect("something is due");
            story.now = story.now.max(due);
            story.tell(Input::Tick);
        }
    }
    panic!("the run goes round in circles: {:?}", story.view());
}

/// What must not depend on crashes: how the run and its steps ended, and which attempts there were.
fn end(view: &RunView) -> (RunStatus, Vec<String>) {
    let steps = view.steps.iter().map(|step| {
        let attempts: Vec<_> = step
            .attempts
            .iter()
            .map(|attempt| {
                let error = attempt.error.as_ref().map(|error| error.code);
                let remarks = attempt.warnings.iter().map(|warning| warning.code);
                let remarks: Vec<_> = remarks.filter(|code| *code != WarningCode::Reconciled).collect();
                format!("{} {error:?} {remarks:?}", attempt.dispatch)
            })
            .collect();
        format!("{} {:?} {:?} {attempts:?}", step.id, step.status, step.text)
    });
    (view.status, steps.collect())
}

fn explore(started: &RunStarted, script: &[(&str, u32, Settled)], person: Person) -> usize {
    let host = || Host {
        script: script
            .iter()
            .map(|(step, attempt, result)| ((step.to_string(), *attempt), result.clone()))
            .collect(),
        ..Host::default()
    };
    let mut whole = Story::of(started.clone());
    finish(&mut whole, &mut host(), person);
    let expected = end(&whole.view());

    let mut explored = 0;
    for crash_after in 1..=whole.commits {
        for effect_done in [false, true] {
            let mut host = host();
            let mut story = Story::not_taken_up(started.clone());
            run_until(&mut story, &mut host, person, crash_after);
            assert_eq!(story.commits, crash_after);
            if effect_done {
                // The host has done it, and nobody has heard of it.
                for effect in story.effects.clone() {
                    host.carry_out(effect);
                }
            }
            story.crash();
            finish(&mut story, &mut host, person);
            assert_eq!(
                end(&story.view()),
                expected,
                "after commit {crash_after}, effect done: {effect_done}"
            );
            let attempts = story.view().steps.into_iter().flat_map(|step| step.attempts);
            let turns: u32 = attempts.map(|attempt| attempt.dispatch.turn).sum();
            assert!(host.answered.len() <= turns as usize, "a prompt was answered that no attempt knows of");
            explored += 1;
        }
    }
    explored
}

fn run_until(story: &mut Story, host: &mut Host, person: Person, commits: usize) {
    if story.commits < commits {
        story.tell(Input::TakenUp);
    }
    while story.commits < commits {
        if let Some(effect) = (!story.effects.is_empty()).then(|| story.effects.remove(0)) {
            let input = host.carry_out(effect);
            story.tell(input);
        } else if story.machine.at_rest() {
            let decision = person(&story.view());
            story.decide(decision);
        } else {
            story.now = story.now.max(story.machine.next_deadline().expect("something is due"));
            story.tell(Input::Tick);
        }
    }
}

fn go_on(_: &RunView) -> Decision {
    Decision::Continue
}

fn try_twice_then_skip(view: &RunView) -> Decision {
    let gate = view.gate.as_ref().expect("a gate is open");
    let step = view.steps.iter().find(|step| step.id == gate.step).expect("the step is there");
    if step.attempts.len() < 2 { super::story::retry() } else { Decision::Skip }
}

fn give_up(_: &RunView) -> Decision {
    Decision::Abort
}

#[test]
fn a_crash_at_any_boundary_changes_nothing() {
    let mut explored = 0;
    let no = || failed(ErrorCode::Model, "no");
    let gone = || failed(ErrorCode::Unreachable, "gone");
    for length in 1..=4 {
        let names = ["one", "two", "three", "four"];
        let steps = || {
            names[..length].iter().map(|name| {
                let mut step = step(name);
                step.carry = true;
                step.prompt = "{task} {carry}".to_owned();
                step.retry.max_attempts = 3;
                step
            })
        };
        let plain = run_started(plan(workflow(steps())), default_policy());
        explored += explore(&plain, &[], go_on);
        let warned_at_first = [("one", 1, warned("careful"))];
        let careful = run_started(plan(workflow(steps())), auto(Intervene::OnWarning));
        explored += explore(&careful, &warned_at_first, go_on);
        for step in &names[..length] {
            explored += explore(&plain, &[(step, 1, no())], go_on);
            explored += explore(&plain, &[(step, 1, no()), (step, 2, no())], try_twice_then_skip);
            explored += explore(&plain, &[(step, 1, gone()), (step, 2, gone())], go_on);
            explored += explore(&plain, &[(step, 1, no())], give_up);
        }
    }
    assert!(explored > 500, "{explored}");
}

#[test]
fn a_crash_around_a_repair_changes_nothing() {
    let mut verdict = plan(workflow([step("one"), step("two")]));
    verdict.steps[0].output = Some(json!({ "enum": [1, 2] }));
    let started = run_started(verdict, default_policy());
    let answer = Settled::answer;
    let repaired = explore(&started, &[("one", 1, answer("3")), ("one.2", 1, answer("2"))], go_on);
    let wrong = [("one", 1, answer("3")), ("one.2", 1, answer("4")), ("one", 2, answer("1"))];
    let tried_again = explore(&started, &wrong, go_on);
    assert!(repaired >= 14 && tried_again > repaired, "{repaired} {tried_again}");
}

#[test]
fn an_attempt_without_a_place_is_placed_again_under_the_same_name() {
    let mut story = Story::begin(workflow([step("one")]), default_policy());
    let before = story.dispatch();
    story.crash();
    assert_eq!(story.wanted(), ["place one#1"]);
    assert_eq!(story.dispatch(), before);
}

#[test]
fn a_result_that_a_probe_finds_is_adopted_with_a_remark() {
    let mut story = Story::begin(workflow([step("one"), step("two")]), default_policy());
    story.place().crash().settle(Settled::answer("found"));
    let one = story.step("one");
    assert_eq!(one.text.as_deref(), Some("found"));
    assert_eq!(one.attempts[0].warnings[0].code, WarningCode::Reconciled);
}

#[test]
fn work_that_is_followed_again_settles_as_if_nothing_had_happened() {
    let mut story = Story::begin(workflow([step("one")]), default_policy());
    story.place().crash();
    let dispatch = story.dispatch();
    story.tell(Input::Attached { dispatch }).settle(Settled::answer("done"));
    assert_eq!(story.step("one").attempts[0].warnings, []);
    assert_eq!(story.status(), RunStatus::Success);
}

#[test]
fn an_interrupted_turn_is_no_adopted_result() {
    let mut story = Story::begin(workflow([step("one")]), default_policy());
    story.place().crash().settle(failed(ErrorCode::WorkerLost, "admitted, at rest, no answer"));
    let one = story.step("one");
    assert_eq!(one.attempts[0].warnings, []);
    assert_eq!(one.attempts[0].error.as_ref().unwrap().code, ErrorCode::WorkerLost);
}

#[test]
fn asks_of_the_dead_owner_are_closed_so_that_no_clock_stands_still_for_ever() {
    let mut story = Story::begin(workflow([step("one")]), default_policy());
    story.place();
    let dispatch = story.dispatch();
    let ask = orch_workflow::port::Ask::permission(
        orch_workflow::port::AskId("a".to_owned()),
        "ses_one",
        "bash: make",
    );
    story.tell(Input::AskOpened { dispatch: dispatch.clone(), ask: ask.clone() }).crash();
    assert_eq!(story.view().asks, []);
    // Whoever follows the work again opens those that are still there.
    story.tell(Input::Attached { dispatch: dispatch.clone() });
    story.tell(Input::AskOpened { dispatch, ask });
    assert_eq!(story.view().asks.len(), 1);
}

#[test]
fn taking_up_twice_does_nothing_twice() {
    let mut story = Story::begin(workflow([step("one")]), default_policy());
    story.place().wanted();
    story.tell(Input::TakenUp);
    assert_eq!(story.wanted(), Vec::<String>::new());
}
