//! What is due: the part of going on that the graph decides.

use orch_config::kind::ExecutionMode;

use crate::{
    attempt::Outcome,
    attempt::Timestamp,
    gate::WorkLeft,
    machine::{
        graph::Node,
        state::{State, Step},
    },
    view::StepStatus,
};

/// Something that can be done now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Due {
    /// A dispatch of this step.
    Start(usize),
}

/// The first thing that is due, in written order. What it may need of time and room is there.
pub(crate) fn next(state: &State, now: Timestamp) -> Option<Due> {
    let room = Room::in_run(state);
    let startable = |step: &usize| is_due(state, *step, now) && room.has(state, *step);
    (0..state.steps.len()).find(startable).map(Due::Start)
}

/// The next time at which a step is tried again by itself, if there will be room for it then.
pub(crate) fn next_retry(state: &State) -> Option<(usize, Timestamp)> {
    if !state.gates.is_empty() || state.ending.is_some() {
        return None;
    }
    let room = Room::in_run(state);
    let waiting = (0..state.steps.len())
        .filter(|step| state.steps[*step].status == StepStatus::Backoff && room.has(state, *step));
    waiting.map(|step| (step, state.steps[step].until)).min_by_key(|(_, until)| *until)
}

/// Whether a step waits for nothing but its turn. Its condition has not been looked at.
pub(crate) fn is_ready(state: &State, step: usize) -> bool {
    matches!(state.steps[step].status, StepStatus::Pending | StepStatus::Ready)
        && state.graph.needs(Node::Step(step)).iter().all(|need| state.is_over(*need))
}

/// Whether anything remains to be dispatched, as far as can be known: what is in flight counts as done, and so does
/// an answer that waits at a gate.
pub(crate) fn left(state: &State) -> WorkLeft {
    let left = |step: &Step| !step.is_over() && step.live().is_none() && !answered_at_gate(step);
    if state.steps.iter().any(|step| left(step)) { WorkLeft::Yes } else { WorkLeft::No }
}

fn answered_at_gate(step: &Step) -> bool {
    let answered = step.outcome.is_some_and(|outcome| outcome != Outcome::Error);
    step.status == StepStatus::Gated && answered && step.open_attempt().is_none()
}

fn is_due(state: &State, step: usize, now: Timestamp) -> bool {
    match state.steps[step].status {
        StepStatus::Backoff => now >= state.steps[step].until,
        _ => is_ready(state, step),
    }
}

/// How much may be begun beside what is in flight.
struct Room {
    free: usize,
    /// The foreground step that a person is with: there is one at a time.
    foreground: Option<usize>,
}

impl Room {
    fn in_run(state: &State) -> Self {
        let most = usize::try_from(state.plan().limits.max_parallel.max(1)).unwrap_or(usize::MAX);
        let open = |step: &usize| state.steps[*step].open_attempt().is_some();
        Self {
            free: most.saturating_sub(state.live_steps().count()),
            foreground: (0..state.steps.len()).filter(|step| is_foreground(state, *step)).find(open),
        }
    }

    fn has(&self, state: &State, step: usize) -> bool {
        let alone = !is_foreground(state, step) || self.foreground.is_none_or(|with| with == step);
        self.free > 0 && alone
    }
}

fn is_foreground(state: &State, step: usize) -> bool {
    state.planned(step).execution == ExecutionMode::Foreground
}
