//! The state as frontends see it.

use crate::{
    attempt::{AttemptError, Usage},
    machine::{
        budget::Meter,
        graph::Node,
        state::{Attempt, OpenAsk, State, Step, Turn},
        steps::Mark,
    },
    record::ReusedResult,
    view::{
        ActivityView, AskView, AttemptView, Doing, EndingView, ErrorView, GroupView, ReusedView, RunView,
        StepStatus, StepView, StoppingView,
    },
};

pub(crate) fn view(state: &State) -> RunView {
    let node = state.gates.first().and_then(|gate| state.node(&gate.step));
    let node = node.or_else(|| state.first_open()).unwrap_or(Node::Step(state.steps.len() - 1));
    let policy = state.policy_for(node);
    let usage = total_usage(state);
    let mut gates = state.gates.iter().map(|gate| gate.as_ref().clone());
    RunView {
        id: state.run().clone(),
        workflow: state.plan().workflow.clone(),
        status: state.status,
        task: state.started.task.clone(),
        parent_session: state.parent_session.clone(),
        execution: policy.execution,
        intervene: policy.intervene,
        gate: gates.next(),
        gates: gates.collect(),
        asks: state
            .live_steps()
            .flat_map(|(_, _, turn)| turn.asks.iter().map(|open| open.ask.clone()))
            .collect(),
        owner: None,
        interrupted: false,
        steps: (0..state.steps.len()).map(|step| step_view(state, step)).collect(),
        groups: (0..state.groups.len()).map(|group| group_view(state, group)).collect(),
        tokens: usage.into(),
        cost_usd: usage.cost_usd,
        active_ms: attempts(state).map(|attempt| attempt.active_ms).sum(),
        budgets: Meter::journaled(state).bounds(),
        forked_from: state.started.forked_from.clone(),
        warnings: state.started.warnings.clone(),
        sessions: state.started.sessions,
        started_at: state.started_at,
        finished_at: state.finished.as_ref().map(|finished| finished.at),
        error: state.finished.as_ref().and_then(|finished| finished.error.as_ref()).map(error_view),
        notes: state.finished.as_ref().map_or_else(Vec::new, |finished| finished.notes.clone()),
        pausing: state.pause_requested && !state.status.is_terminal(),
        ending: ending_view(state),
        seq: state.seq,
        last_at: state.last_at,
    }
}

fn ending_view(state: &State) -> Option<EndingView> {
    let ending = state.ending.as_ref().filter(|_| !state.status.is_terminal())?;
    let since = state.ending_since.unwrap_or(state.last_at);
    Some(EndingView { status: ending.status, reason: ending.error.message.clone(), since })
}

fn group_view(state: &State, index: usize) -> GroupView {
    let planned = &state.plan().groups[index];
    let group = &state.groups[index];
    GroupView {
        id: planned.id.clone(),
        title: planned.title.clone(),
        status: group.status,
        iteration: group.iteration,
        max: group.most,
    }
}

fn attempts(state: &State) -> impl Iterator<Item = &Attempt> {
    state.steps.iter().flat_map(|step| step.attempts.iter().map(AsRef::as_ref))
}

fn total_usage(state: &State) -> Usage {
    let mut total = Usage::default();
    for attempt in attempts(state) {
        total += attempt.known_usage();
    }
    total
}

fn step_view(state: &State, index: usize) -> StepView {
    let planned = state.planned(index);
    let step: &Step = &state.steps[index];
    let has_text = step.outcome.is_some() || !step.text.is_empty();
    StepView {
        id: planned.id.clone(),
        title: planned.title.clone(),
        status: status(state, index),
        outcome: step.outcome,
        group: planned.group.clone(),
        iteration: step.iteration,
        worker: planned.worker.clone(),
        kind: planned.kind,
        session: session(step),
        reused: step.reused.as_deref().map(reused_view),
        attempts: step.attempts.iter().map(|attempt| attempt_view(attempt)).collect(),
        text: has_text.then(|| step.text.as_ref().to_owned()),
        output: step.output.as_deref().cloned(),
        until: (step.status == StepStatus::Backoff).then_some(step.until),
        stopping: step.live().and_then(|(attempt, _)| stopping_view(attempt)),
        asks: step.live().map_or_else(Vec::new, |(_, turn)| turn.asks.iter().map(ask_view).collect()),
        activity: step.live().map(|(attempt, turn)| activity_view(state, attempt, turn)),
    }
}

fn session(step: &Step) -> Option<String> {
    let own = step.latest_place().map(|(_, place)| place.session.clone());
    own.or_else(|| step.reused.as_ref()?.session.clone())
}

fn reused_view(reused: &ReusedResult) -> ReusedView {
    let ReusedResult { from, attempts, warnings, .. } = reused.clone();
    ReusedView { from, attempts, warnings }
}

fn stopping_view(attempt: &Attempt) -> Option<StoppingView> {
    let why = attempt.stopping.as_ref()?;
    Some(StoppingView { reason: why.to_string(), since: attempt.stopping_since })
}

fn ask_view(open: &OpenAsk) -> AskView {
    let answered_by = open.answer.as_ref().map(|(_, by)| by.clone());
    AskView { ask: open.ask.clone(), since: open.since, answered_by }
}

/// As far as the journal tells.
fn activity_view(state: &State, attempt: &Attempt, turn: &Turn) -> ActivityView {
    let ending = state.ending_since.filter(|_| state.ending.is_some());
    let stopping = attempt.stopping.as_ref().map(|_| attempt.stopping_since);
    match (ending.or(stopping), &turn.placed) {
        (Some(since), _) => ActivityView::new(Doing::Aborting, since),
        (None, None) => ActivityView::new(Doing::Placing, turn.started_at),
        (None, Some(_)) => ActivityView::new(Doing::Working, turn.started_at),
    }
}

fn status(state: &State, step: usize) -> StepStatus {
    // A step that waits only for its turn, or for the decision at a gate, is due.
    let due = !state.status.is_terminal() && state.steps.is(Mark::Ready, step);
    if due { StepStatus::Ready } else { state.steps[step].status }
}

fn attempt_view(attempt: &Attempt) -> AttemptView {
    let (end, usage) = (attempt.end.as_ref(), attempt.known_usage());
    AttemptView {
        dispatch: attempt.turns[attempt.turns.len() - 1].dispatch.clone(),
        outcome: end.map(|end| end.outcome),
        started_at: attempt.started_at,
        finished_at: end.map(|end| end.at),
        active_ms: attempt.active_ms,
        tokens: usage.into(),
        cost_usd: usage.cost_usd,
        error: end.and_then(|end| end.error.as_ref()).map(error_view),
        warnings: attempt.warnings.clone(),
    }
}

fn error_view(error: &AttemptError) -> ErrorView {
    ErrorView { code: error.code, message: error.message.clone() }
}
