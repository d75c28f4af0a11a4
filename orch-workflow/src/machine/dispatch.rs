//! What is begun next, and how.

use std::sync::Arc;

use orch_config::kind::ExecutionMode;
use serde_json::Value;

use crate::{
    attempt::{AttemptError, DispatchId, ErrorCode, Settled, Warning, WarningCode},
    carry::{self, Carry},
    decision::GateReason,
    machine::{
        budget,
        draft::Draft,
        effect::Effect,
        gates,
        graph::Node,
        groups, output,
        schedule::{self, Due},
        settle::settle,
        state::{State, Turn},
    },
    plan::handoff_prompt,
    record::{RecordBody, RunStatus, TurnPurpose},
    template::{self, MissingValue, Values},
    view::StepStatus,
};

/// Goes on as far as possible: to whatever can be dispatched now, to rest at a gate, or to the end of the run.
pub(crate) fn advance(draft: &mut Draft<'_>) {
    loop {
        let anything_live = draft.state.anything_live();
        if draft.state.status.is_terminal() {
            return;
        }
        if let Some(ending) = draft.state.ending.clone() {
            if !anything_live {
                finish(draft, ending.status, Some(ending.error.clone()));
            }
            return;
        }
        if !draft.state.gates.is_empty() {
            if !anything_live && draft.state.status == RunStatus::Running {
                draft.record(RecordBody::Paused);
            }
            return;
        }
        // What an earlier process has left unfinished is looked at before anything new begins.
        if draft.has_unattended() {
            return;
        }
        if draft.state.status == RunStatus::Paused {
            draft.record(RecordBody::Resumed);
        }
        match schedule::next(&draft.state, draft.now) {
            Some(Due::Start(step)) if draft.state.pause_requested => {
                let message = "the run was asked to pause".to_owned();
                gates::open(draft, Node::Step(step), GateReason::User, message);
            }
            Some(Due::Start(step)) => match budget::spent(draft, step) {
                Some(spent) => budget::hold(draft, step, spent),
                None => start(draft, step),
            },
            Some(Due::Record(body)) => draft.record(body),
            Some(Due::Exhausted(group)) => groups::exhausted(draft, group),
            Some(Due::Unclear(Node::Step(step), error)) => attempt(draft, step, Err(error)),
            Some(Due::Unclear(Node::Group(group), error)) => groups::unclear(draft, group, error),
            None if anything_live => return,
            None => match schedule::next_retry(&draft.state) {
                Some((step, _)) if draft.state.pause_requested => pause_backoff(draft, step),
                Some(_) => return,
                None => return finish_done(draft),
            },
        }
    }
}

/// Ends the run. Nothing is in flight.
pub(crate) fn finish(draft: &mut Draft<'_>, status: RunStatus, error: Option<AttemptError>) {
    let notes = draft.state.steps.iter().filter_map(|step| step.still_runs.clone()).collect();
    draft.record(RecordBody::Finished { status, error, notes });
}

/// Nothing is left that could be begun.
fn finish_done(draft: &mut Draft<'_>) {
    let Some(stuck) = draft.state.first_open() else {
        return finish(draft, RunStatus::Success, None);
    };
    // A plan that was checked has no such step, but the journal of a damaged one may.
    let id = draft.state.id_of(stuck);
    let message = format!("step {id} can never begin: it waits for what never comes");
    finish(draft, RunStatus::Error, Some(AttemptError::new(ErrorCode::Internal, message)));
}

/// Somebody wants a pause, and only the time until another attempt keeps the run from resting.
fn pause_backoff(draft: &mut Draft<'_>, step: usize) {
    let title = &draft.state.planned(step).title;
    let message = format!("{title} waits for its next attempt; `continue` tries it at once");
    gates::open(draft, Node::Step(step), GateReason::User, message);
}

/// Does what a live dispatch needs when nobody follows it: it is stopped, probed, or placed under the same name.
pub(crate) fn begin_or_resume(draft: &mut Draft<'_>, step: usize) {
    let Some((attempt, turn)) = draft.state.steps[step].live() else { return };
    let stopping = draft.state.is_stopping(attempt);
    let id = turn.dispatch.clone();
    let place = turn.placed.clone();
    match (place, draft.dispatch(step)) {
        (Some(place), _) if stopping => draft.want(Effect::Abort(id, place.locator.clone())),
        (Some(place), Some(dispatch)) => draft.want(Effect::Probe(dispatch, place.locator.clone())),
        // Nothing was sent, so nothing has to be stopped.
        (None, _) if stopping => settle(draft, step, Settled::failed(never_sent())),
        (None, Some(dispatch)) => draft.want(Effect::Place(dispatch)),
        (_, None) => {}
    }
}

pub(crate) fn never_sent() -> AttemptError {
    AttemptError::new(ErrorCode::Aborted, "stopped before the prompt was sent")
}

fn start(draft: &mut Draft<'_>, step: usize) {
    if draft.state.steps[step].open_attempt().is_some() {
        return start_turn(draft, step);
    }
    let prompt = prompt(&draft.state, step)
        .map_err(|missing| AttemptError::new(ErrorCode::Template, missing.to_string()));
    attempt(draft, step, prompt);
}

/// Begins an attempt; one that has no prompt fails where it stands.
fn attempt(draft: &mut Draft<'_>, step: usize, prompt: Result<(String, Carry), AttemptError>) {
    let state = &draft.state;
    let planned = state.planned(step);
    let attempts = state.steps[step].this_pass().len();
    let dispatch = DispatchId {
        run: state.run().clone(),
        step: planned.id.clone(),
        iteration: state.steps[step].iteration,
        attempt: u32::try_from(attempts).unwrap_or(u32::MAX).saturating_add(1),
        turn: 1,
    };
    let session = state.steps[step].session;
    let (prompt, carry, error) = match prompt {
        Ok((prompt, carry)) => (Arc::from(prompt), carry, None),
        Err(error) => (Arc::from(""), Carry::default(), Some(error)),
    };
    draft.record(RecordBody::AttemptStarted { dispatch: dispatch.clone(), prompt, session });
    if carry.trimmed {
        let max = draft.state.plan().limits.max_carry_chars;
        let message = format!("the hand-offs of earlier steps were shortened to {max} characters");
        let warning = Warning::new(WarningCode::CarryTrimmed, message);
        draft.record(RecordBody::Warned { dispatch, warning });
    }
    match error {
        Some(error) => settle(draft, step, Settled::failed(error)),
        None => place(draft, step),
    }
}

/// A further prompt of the attempt that is open, in the same session: for the hand-off, or for a repair.
pub(crate) fn start_turn(draft: &mut Draft<'_>, step: usize) {
    let planned = draft.state.planned(step);
    let latest = draft.state.steps[step].open_attempt().and_then(|attempt| attempt.turns.last());
    let Some(Turn { dispatch: latest, complaints, .. }) = latest else { return };
    let dispatch = DispatchId { turn: latest.turn.saturating_add(1), ..latest.clone() };
    let hand_off = || handoff_prompt(&planned.title, draft.state.steps[step].question.as_deref());
    let (purpose, prompt) = match &planned.output {
        Some(schema) if !complaints.is_empty() => {
            (TurnPurpose::Repair, output::repair_prompt(schema, complaints))
        }
        Some(schema) => {
            let prompt = format!("{}\n\n{}", hand_off(), output::demand(schema));
            (TurnPurpose::HandOff, prompt)
        }
        None => (TurnPurpose::HandOff, hand_off()),
    };
    draft.record(RecordBody::TurnStarted { dispatch, prompt: prompt.into(), purpose });
    place(draft, step);
}

fn place(draft: &mut Draft<'_>, step: usize) {
    if let Some(dispatch) = draft.dispatch(step) {
        draft.want(Effect::Place(dispatch));
    }
}

fn prompt(state: &State, step: usize) -> Result<(String, Carry), MissingValue> {
    let planned = state.planned(step);
    let wants_carry =
        template::placeholders(&planned.prompt).any(|found| found == template::Placeholder::Carry);
    let carry = if wants_carry { carry_for(state, step) } else { Carry::default() };
    let mut prompt = template::render(&planned.prompt, &Context { state, carry: &carry.text })?;
    if let Some(note) = &state.steps[step].note {
        prompt.push_str("\n\n");
        prompt.push_str(note);
    }
    // A person who is talked to first is spared the JSON; the hand-off asks for it.
    if let Some(schema) = planned.output.as_ref().filter(|_| planned.execution == ExecutionMode::Background) {
        prompt.push_str("\n\n");
        prompt.push_str(&output::demand(schema));
    }
    Ok((prompt, carry))
}

/// The hand-offs of the steps that this one depends on, directly or not, in plan order.
fn carry_for(state: &State, step: usize) -> Carry {
    let blocks = state.steps.iter().zip(state.graph.needed_by(step)).filter(|(_, needed)| *needed);
    let blocks = blocks.filter_map(|(step, _)| step.carry.as_deref());
    let max = usize::try_from(state.plan().limits.max_carry_chars).unwrap_or(usize::MAX);
    carry::assemble(blocks, max)
}

struct Context<'s> {
    state: &'s State,
    carry: &'s str,
}

impl Values for Context<'_> {
    fn task(&self) -> &str {
        &self.state.started.task
    }

    fn carry(&self) -> &str {
        self.carry
    }

    fn text(&self, step: &str) -> Option<&str> {
        let step = &self.state.steps[self.state.graph.step(step)?];
        step.is_over().then_some(step.text.as_ref())
    }

    fn output(&self, step: &str) -> Option<&Value> {
        let step = &self.state.steps[self.state.graph.step(step)?];
        match step.status {
            StepStatus::Skipped => Some(&Value::Null),
            _ => step.output.as_deref().filter(|_| step.is_over()),
        }
    }
}
