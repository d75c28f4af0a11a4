//! The only writer of state. Total: any record of any order leaves a state, never a panic.

use std::sync::Arc;

use orch_config::id::StepId;

use crate::{
    attempt::{AttemptError, DispatchId, ErrorCode, Outcome, Settled, Timestamp, Usage, Warning},
    carry::Block,
    decision::{Decision, Gate, GateReason},
    machine::gates::group_asking,
    machine::graph::Node,
    machine::state::{
        Attempt, End, Ending, Finished, OpenAsk, Place, Resolved, Signature, State, Step, Turn, outcome_of,
    },
    port::SessionChoice,
    record::{GroupEnd, Record, RecordBody, ReusedResult, RunStatus, StopReason, TurnPurpose},
    view::StepStatus,
};

/// Takes one record into the state.
pub(crate) fn evolve(state: &mut State, record: &Record) {
    let at = record.at;
    state.seq = record.seq;
    state.last_at = at;
    match &record.body {
        RecordBody::RunStarted(_) => {}
        RecordBody::AttemptStarted { dispatch, prompt, session } => {
            with_step(state, dispatch, |step| {
                step.status = StepStatus::Running;
                step.tries += 1;
                step.still_runs = None;
                let turns = vec![turn(dispatch, prompt, None, at)];
                step.attempts.push(Arc::new(Attempt::started(turns, *session, at)));
            });
        }
        RecordBody::TurnStarted { dispatch, prompt, purpose } => with_step(state, dispatch, |step| {
            step.status = StepStatus::Running;
            if let Some(attempt) = open_attempt(step) {
                attempt.turns.push(turn(dispatch, prompt, Some(*purpose), at));
                // A turn that was to be stopped has answered all the same; this one is another.
                attempt.stopping = None;
            }
        }),
        RecordBody::Placed { dispatch, locator, session, parent_session } => {
            if parent_session.is_some() {
                state.parent_session.clone_from(parent_session);
            }
            with_turn(state, dispatch, |turn| {
                let place = Place { locator: locator.clone(), session: session.clone() };
                turn.placed = Some(Arc::new(place));
                turn.seen_at = at;
            });
        }
        RecordBody::Used { dispatch, usage } => with_turn(state, dispatch, |turn| {
            turn.used = turn.used.at_least(*usage);
            turn.seen_at = at;
        }),
        RecordBody::Warned { dispatch, warning } => {
            with_turn(state, dispatch, |turn| turn.seen_at = at);
            with_attempt(state, dispatch, |attempt| attempt.warnings.push(warning.clone()));
        }
        RecordBody::AskOpened { dispatch, ask } => with_turn(state, dispatch, |turn| {
            if turn.asks.is_empty() {
                turn.asking_since = at;
            }
            turn.asks.push(OpenAsk { ask: ask.clone(), since: at, answer: None });
        }),
        RecordBody::AskAnswered { dispatch, ask, reply, by } => with_turn(state, dispatch, |turn| {
            if let Some(open) = turn.asks.iter_mut().find(|open| open.ask.id == *ask) {
                open.answer = Some((reply.clone(), by.clone()));
            }
        }),
        RecordBody::AskClosed { dispatch, ask, .. } => with_turn(state, dispatch, |turn| {
            let asked = !turn.asks.is_empty();
            turn.asks.retain(|open| open.ask.id != *ask);
            if asked && turn.asks.is_empty() {
                turn.waited_ms += at.ms_since(turn.asking_since);
                turn.seen_at = at;
            }
        }),
        RecordBody::Answered { dispatch, result, active_ms, complaints } => {
            with_step(state, dispatch, |step| {
                step.text = Arc::from(result.text.as_str());
                step.output = result.output.clone().map(Arc::new);
                if let Some(attempt) = open_attempt(step) {
                    attempt.take_in(result, *active_ms);
                    if let Some(turn) = attempt.turns.last_mut() {
                        turn.answered = true;
                        turn.complaints.clone_from(complaints);
                        turn.asks.clear();
                    }
                }
            })
        }
        RecordBody::Stopping { dispatch, why } => {
            // A run that is at a gate already pauses for no other.
            if matches!(why, StopReason::Interrupted { .. }) && state.gates.is_empty() {
                state.pause_requested = true;
            }
            with_attempt(state, dispatch, |attempt| {
                attempt.stopping = Some(why.clone());
                attempt.stopping_since = at;
            });
        }
        RecordBody::Settled { dispatch, result, active_ms, still_runs } => {
            settled(state, dispatch, result, *active_ms, at);
            with_step(state, dispatch, |step| step.still_runs.clone_from(still_runs));
        }
        RecordBody::Failing { step, error } => {
            let message = format!("stopped because {step} failed");
            let aborted = AttemptError::new(ErrorCode::Aborted, message);
            state.ending = Some(Arc::new(Ending { status: RunStatus::Error, error: error.clone(), aborted }));
        }
        RecordBody::InDoubt { dispatch, reason } => with_step(state, dispatch, |step| {
            step.status = StepStatus::InDoubt;
            step.outcome = Some(Outcome::Error);
            let error = AttemptError::new(ErrorCode::WorkerLost, reason.as_str());
            let active_ms = open_attempt(step).map_or(0, |attempt| Attempt::known_active_ms(attempt));
            end_attempt(step, at, &Settled::failed(error), active_ms);
        }),
        RecordBody::BackedOff { dispatch, until, .. } => with_step(state, dispatch, |step| {
            step.status = StepStatus::Backoff;
            step.until = *until;
        }),
        RecordBody::GateOpened { gate } => gate_opened(state, gate),
        RecordBody::GateResolved { gate, decision, policy, budget, by } => {
            let Some(position) = state.gates.iter().position(|open| open.id == *gate) else { return };
            let gate = state.gates.remove(position);
            state.policy = state.policy.then(*policy);
            state.allow_more(&gate, *budget);
            decided(state, &gate, decision, at);
            if *decision == Decision::Abort {
                let Gate { id, step, reason, .. } = gate.as_ref();
                let message = format!("aborted by {by} at gate {id} ({}) of step {step}", reason.as_str());
                let error = AttemptError::new(ErrorCode::Aborted, message);
                let aborted = error.clone();
                state.ending = Some(Arc::new(Ending { status: RunStatus::Error, error, aborted }));
            }
            let resolved = Resolved { gate, decision: decision.kind(), by: by.clone() };
            Arc::make_mut(&mut state.resolved).push(resolved);
        }
        RecordBody::PauseRequested { .. } => state.pause_requested = true,
        RecordBody::CancelRequested { by } => {
            let error = AttemptError::new(ErrorCode::Aborted, format!("cancelled by {by}"));
            let aborted = error.clone();
            state.ending = Some(Arc::new(Ending { status: RunStatus::Cancelled, error, aborted }));
        }
        RecordBody::Skipped { step } => {
            if let Some(step) = state.index_of(step) {
                state.change(step, left_out);
            }
        }
        RecordBody::Reused { step, result } => reused(state, step, result),
        RecordBody::IterationStarted { group, iteration } => {
            if let Some(Node::Group(group)) = state.node(group) {
                pass_started(state, group, *iteration);
            }
        }
        RecordBody::GroupEnded { group, end } => {
            if let Some(Node::Group(group)) = state.node(group) {
                group_ended(state, group, *end);
            }
        }
        RecordBody::Paused => state.status = RunStatus::Paused,
        RecordBody::Resumed => state.status = RunStatus::Running,
        RecordBody::Finished { status, error, notes } => {
            state.status = *status;
            state.gates.clear();
            state.pause_requested = false;
            let finished = Finished { at, error: error.clone(), notes: notes.clone() };
            state.finished = Some(Arc::new(finished));
            (0..state.steps.len()).for_each(|step| laid_to_rest(state, step, at));
            for group in 0..state.groups.len() {
                let resting = &state.groups[group];
                if !resting.is_over() && resting.status != StepStatus::Pending {
                    state.change_group(group, |group| group.status = StepStatus::Failed);
                }
            }
        }
    }
    if state.ending.is_some() {
        state.ending_since.get_or_insert(at);
    }
}

fn settled(state: &mut State, dispatch: &DispatchId, result: &Settled, active_ms: u64, at: Timestamp) {
    let carries = state.index_of(&dispatch.step).map(|index| state.planned(index)).filter(|step| step.carry);
    let block = carries
        .filter(|_| result.error.is_none())
        .map(|step| Arc::new(Block::read(&step.title, &result.text)));
    with_step(state, dispatch, |step| {
        let warned = open_attempt(step).is_some_and(|attempt| !attempt.warnings.is_empty());
        let outcome = outcome_of(result, warned);
        step.status = if outcome == Outcome::Error { StepStatus::Failed } else { StepStatus::Done };
        step.outcome = Some(outcome);
        step.text = Arc::from(result.text.as_str());
        step.output = result.output.clone().map(Arc::new);
        step.carry = block;
        step.failure = result.error.as_ref().map(|error| {
            let signature = Signature::of(error);
            let before = step.failure.take().filter(|(latest, _)| *latest == signature);
            (signature, before.map_or(1, |(_, times)| times + 1))
        });
        end_attempt(step, at, result, active_ms);
    });
}

fn left_out(step: &mut Step) {
    step.status = StepStatus::Skipped;
    step.outcome = None;
    step.text = Arc::from("");
    step.output = None;
    step.carry = None;
}

fn reused(state: &mut State, id: &StepId, result: &ReusedResult) {
    let Some(index) = state.index_of(id) else { return };
    let planned = state.planned(index);
    let carries = planned.carry && result.outcome.is_some();
    let block = carries.then(|| Arc::new(Block::read(&planned.title, &result.text)));
    state.change(index, |step| {
        step.status = if result.outcome.is_some() { StepStatus::Done } else { StepStatus::Skipped };
        step.outcome = result.outcome;
        step.text = Arc::from(result.text.as_str());
        step.output = result.output.clone().map(Arc::new);
        step.carry = block;
        step.reused = Some(Arc::new(result.clone()));
    });
}

fn group_ended(state: &mut State, group: usize, end: GroupEnd) {
    let skipped = end == GroupEnd::Skipped;
    let status = if skipped { StepStatus::Skipped } else { StepStatus::Done };
    state.change_group(group, |group| group.status = status);
    if skipped {
        let graph = Arc::clone(&state.graph);
        graph.members(group).iter().for_each(|step| state.change(*step, left_out));
    }
}

/// A new pass replaces what its steps have given, and their tries count from the beginning.
fn pass_started(state: &mut State, group: usize, iteration: u32) {
    let (mut note, mut session) = (None, SessionChoice::default());
    state.change_group(group, |passes| {
        passes.status = StepStatus::Running;
        passes.iteration = iteration;
        note = passes.note.take();
        session = std::mem::take(&mut passes.session);
    });
    let graph = Arc::clone(&state.graph);
    for step in graph.members(group) {
        let mut fresh = state.steps[*step].in_pass(iteration);
        fresh.session = session;
        // What a person has to say is for those who begin.
        if graph.needs(Node::Step(*step)).is_empty() {
            fresh.note.clone_from(&note);
        }
        state.change(*step, |step| *step = fresh);
    }
}

fn gate_opened(state: &mut State, gate: &Gate) {
    // Whoever asked for a pause has a gate now, whatever its reason.
    state.pause_requested = false;
    state.gates.push(Arc::new(gate.clone()));
    if gate.reason == GateReason::DefinitionChanged {
        return;
    }
    if let Some(group) = group_asking(state, gate) {
        state.change_group(group, |group| group.status = StepStatus::Gated);
    }
    if let Some(step) = state.index_of(&gate.step) {
        let status = state.steps[step].status;
        let settled = matches!(status, StepStatus::Done | StepStatus::Failed | StepStatus::Backoff);
        if settled || matches!(gate.reason, GateReason::Interactive | GateReason::Budget) {
            state.change(step, |step| step.status = StepStatus::Gated);
        }
    }
}

fn decided(state: &mut State, gate: &Gate, decision: &Decision, at: Timestamp) {
    if gate.reason == GateReason::DefinitionChanged {
        // It only names the step that comes next; that step may have a gate of its own.
        return;
    }
    if let Some(group) = group_asking(state, gate) {
        return decided_for_group(state, group, decision);
    }
    let Some(index) = state.index_of(&gate.step) else { return };
    let block = match decision {
        Decision::Replace { text, .. } if state.planned(index).carry => {
            Some(Arc::new(Block::read(&state.planned(index).title, text)))
        }
        _ => None,
    };
    let hands_over = state.planned(index).hands_over();
    let step = &state.steps[index];
    if !matches!(step.status, StepStatus::Gated | StepStatus::InDoubt) {
        return;
    }
    let failed = step.outcome == Some(Outcome::Error);
    state.change(index, |step| match decision {
        Decision::Continue if gate.reason == GateReason::Budget => allowed_more(step),
        Decision::HandOff { question } => {
            step.question = Some(question.clone());
            step.status = StepStatus::Ready;
        }
        Decision::Continue if step.open_attempt().is_some() && hands_over => {
            step.question = None;
            step.status = StepStatus::Ready;
        }
        Decision::Continue if step.open_attempt().is_some() => {
            given_result(step, StepStatus::Done, at);
            step.outcome = Some(Outcome::Ok);
            step.text = Arc::from("");
            step.output = None;
        }
        Decision::Continue if failed => tried_again(step, None, None),
        Decision::Continue => step.status = StepStatus::Done,
        Decision::Retry { note, session } => tried_again(step, note.clone(), *session),
        Decision::Skip => {
            given_result(step, StepStatus::Skipped, at);
            step.outcome = None;
            step.text = Arc::from("");
            step.output = None;
            step.carry = None;
        }
        Decision::Replace { text, output } => {
            given_result(step, StepStatus::Done, at);
            step.outcome = Some(Outcome::Ok);
            step.text = Arc::from(text.as_str());
            step.output = output.clone().map(Arc::new);
            step.carry = block;
        }
        Decision::Abort => {}
    });
}

/// What else follows is in records of its own: that the group has ended, or that it is left out.
fn decided_for_group(state: &mut State, group: usize, decision: &Decision) {
    let max = state.plan().groups[group].max;
    state.change_group(group, |group| match decision {
        _ if group.status != StepStatus::Gated => {}
        // Its condition is looked at once more.
        Decision::Continue | Decision::Retry { .. } if group.iteration == 0 => {
            group.status = StepStatus::Pending;
        }
        Decision::Retry { note, session } => {
            group.status = StepStatus::Ready;
            group.most = group.iteration.saturating_add(max);
            group.note.clone_from(note);
            group.session = session.unwrap_or_default();
        }
        Decision::Continue
        | Decision::HandOff { .. }
        | Decision::Skip
        | Decision::Replace { .. }
        | Decision::Abort => {}
    });
}

/// What the step was about to do when its budget was spent is due again.
fn allowed_more(step: &mut Step) {
    step.tries = 0;
    step.failure = None;
    step.status = if step.this_pass().is_empty() { StepStatus::Pending } else { StepStatus::Ready };
}

/// A decision restarts the automatic count.
fn tried_again(step: &mut Step, note: Option<String>, session: Option<SessionChoice>) {
    let overflow = step.error().is_some_and(|error| error.code == ErrorCode::ContextOverflow);
    let default = if overflow { SessionChoice::Fresh } else { SessionChoice::Same };
    step.session = session.unwrap_or(default);
    step.note = note;
    step.tries = 0;
    step.failure = None;
    step.status = StepStatus::Ready;
}

/// A decision gave the step its result, so an attempt that a person still talked to is over.
fn given_result(step: &mut Step, status: StepStatus, at: Timestamp) {
    step.status = status;
    end_attempt(step, at, &Settled::default(), 0);
}

/// Nothing can happen any more: whatever waited has failed, whatever had an answer is done.
fn laid_to_rest(state: &mut State, index: usize, at: Timestamp) {
    let step = &state.steps[index];
    let answered = step.outcome.is_some_and(|outcome| outcome != Outcome::Error);
    let open = step.open_attempt().is_some();
    let rest = match step.status {
        StepStatus::Gated if answered && !open => StepStatus::Done,
        StepStatus::Gated if step.this_pass().is_empty() => StepStatus::Pending,
        StepStatus::Gated | StepStatus::Backoff | StepStatus::Running => StepStatus::Failed,
        StepStatus::Ready if !step.attempts.is_empty() => StepStatus::Failed,
        status => status,
    };
    if rest == step.status && !open {
        return;
    }
    state.change(index, |step| {
        step.status = rest;
        if open {
            step.outcome = Some(Outcome::Error);
            let error = AttemptError::new(ErrorCode::Aborted, "the run ended before the hand-off");
            end_attempt(step, at, &Settled::failed(error), 0);
        }
    });
}

fn end_attempt(step: &mut Step, at: Timestamp, result: &Settled, active_ms: u64) {
    let Some(attempt) = open_attempt(step) else { return };
    let warned = !attempt.warnings.is_empty();
    let active_ms = active_ms.max(attempt.active_ms);
    attempt.take_in(result, active_ms);
    attempt.end = Some(End { at, outcome: outcome_of(result, warned), error: result.error.clone() });
    if let Some(turn) = attempt.turns.last_mut() {
        turn.asks.clear();
    }
}

impl Attempt {
    fn started(turns: Vec<Turn>, session: SessionChoice, at: Timestamp) -> Self {
        Self {
            turns,
            session,
            started_at: at,
            warnings: Vec::new(),
            usage: Usage::default(),
            active_ms: 0,
            stopping: None,
            stopping_since: at,
            end: None,
        }
    }

    fn take_in(&mut self, result: &Settled, active_ms: u64) {
        let turn = self.turns.last_mut().filter(|turn| !turn.answered);
        let used = turn.map_or(result.usage, |turn| std::mem::take(&mut turn.used).at_least(result.usage));
        self.usage += used;
        self.active_ms = active_ms;
        let new: Vec<Warning> = result.warnings.iter().filter(|new| !self.warned(new)).cloned().collect();
        self.warnings.extend(new);
    }
}

fn turn(dispatch: &DispatchId, prompt: &Arc<str>, purpose: Option<TurnPurpose>, at: Timestamp) -> Turn {
    Turn {
        dispatch: dispatch.clone(),
        purpose,
        used: Usage::default(),
        prompt: Arc::clone(prompt),
        started_at: at,
        placed: None,
        asks: Vec::new(),
        waited_ms: 0,
        seen_at: at,
        asking_since: at,
        answered: false,
        complaints: Vec::new(),
    }
}

fn with_step(state: &mut State, dispatch: &DispatchId, change: impl FnOnce(&mut Step)) {
    if let Some(step) = state.index_of(&dispatch.step) {
        state.change(step, change);
    }
}

fn with_attempt(state: &mut State, dispatch: &DispatchId, change: impl FnOnce(&mut Attempt)) {
    with_step(state, dispatch, |step| {
        if let Some(attempt) = open_attempt(step) {
            change(attempt);
        }
    });
}

fn with_turn(state: &mut State, dispatch: &DispatchId, change: impl FnOnce(&mut Turn)) {
    with_attempt(state, dispatch, |attempt| {
        if let Some(turn) = attempt.turns.iter_mut().find(|turn| turn.dispatch == *dispatch) {
            change(turn);
        }
    });
}

fn open_attempt(step: &mut Step) -> Option<&mut Attempt> {
    step.attempts.last_mut().map(Arc::make_mut).filter(|attempt| attempt.end.is_none())
}
