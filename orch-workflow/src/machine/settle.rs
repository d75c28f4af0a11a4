//! What a result means for its step and for the run.

use orch_config::{id::StepId, kind::ExecutionMode};

use crate::{
    attempt::{AttemptError, DispatchId, ErrorCode, Outcome, Settled, Timestamp, Warning, WarningCode},
    carry::Block,
    decision::GateReason,
    gate::{Verdict, WorkLeft, gate},
    machine::{
        budget,
        dispatch::{advance, finish, start_turn},
        draft::Draft,
        gates,
        graph::Node,
        live::Phase,
        output::{self, DEEPEST, Reading},
        requests, schedule,
    },
    record::{RecordBody, RunStatus, StopReason, TurnPurpose},
};

/// The same failure so many times running is not worth another automatic attempt.
const SAME_FAILURES: u32 = 3;

/// Takes in the one result of a live dispatch, and goes on.
pub(crate) fn settle(draft: &mut Draft<'_>, step: usize, result: Settled) {
    settle_with(draft, step, result, None);
}

/// The same, where something may still be at work on the host although the attempt is over.
fn settle_with(draft: &mut Draft<'_>, step: usize, mut result: Settled, still_runs: Option<String>) {
    let Some((dispatch, probed)) = draft.state.steps[step].live().map(|(_, turn)| {
        let phase = draft.follow(&turn.dispatch).map(|follow| follow.phase);
        (turn.dispatch.clone(), phase == Some(Phase::Probing))
    }) else {
        return;
    };
    make_journalable(&mut result);
    if let Some(follow) = draft.follow(&dispatch) {
        result.usage = result.usage.at_least(follow.used);
    }
    let talks = talks_to_a_person(draft, step, &dispatch);
    let reading = if talks { Reading::Taken } else { output::take_in(draft, step, &mut result) };
    stop_outweighs(draft, step, &mut result);
    if result.error.is_none() {
        if probed {
            let message = "the result was found after a restart or a lost connection, and adopted";
            result.warnings.push(Warning::new(WarningCode::Reconciled, message));
        }
        if matches!(reading, Reading::Taken) && !talks {
            remark(draft, step, &mut result);
        }
    }
    if let Some(attempt) = draft.state.steps[step].open_attempt() {
        result.warnings.retain(|warning| !attempt.warned(warning));
    }
    let active_ms = draft.active_ms(step);
    if let Reading::Repair(complaints) = reading {
        let result = Box::new(result);
        draft.record(RecordBody::Answered { dispatch, result, active_ms, complaints });
        match budget::spent(draft, step) {
            Some(spent) => budget::hold(draft, step, spent),
            None => start_turn(draft, step),
        }
        return advance(draft);
    }
    if talks && result.error.is_none() {
        let (result, complaints) = (Box::new(result), Vec::new());
        draft.record(RecordBody::Answered { dispatch, result, active_ms, complaints });
        if draft.state.ending.is_none() {
            let title = &draft.state.planned(step).title;
            let next = match draft.state.planned(step).hands_over() {
                false => "goes on without a hand-off",
                true => "asks it for the hand-off",
            };
            let message =
                format!("{title} has answered and can be talked to in its session; `continue` {next}");
            gates::open(draft, Node::Step(step), GateReason::Interactive, message);
        }
        return advance(draft);
    }
    let attempt = draft.state.steps[step].open_attempt();
    let handed_off = attempt.is_some_and(|attempt| attempt.has_turn(TurnPurpose::HandOff));
    let result = Box::new(result);
    draft.record(RecordBody::Settled { dispatch, result, active_ms, still_runs });
    if draft.state.ending.is_none() {
        judge(draft, step, handed_off);
    }
    advance(draft);
}

/// Nobody can know what became of the dispatch: only a person may say what counts.
pub(crate) fn in_doubt(draft: &mut Draft<'_>, step: usize, reason: String) {
    let Some((_, turn)) = draft.state.steps[step].live() else { return };
    let dispatch = turn.dispatch.clone();
    let place =
        turn.placed.as_ref().map_or_else(String::new, |place| format!(" in session {}", place.session));
    budget::note_used(draft);
    draft.record(RecordBody::InDoubt { dispatch, reason: reason.clone() });
    if draft.state.ending.is_none() {
        let title = &draft.state.planned(step).title;
        let message = format!("nobody can know whether {title} was carried out{place}: {reason}");
        gates::open(draft, Node::Step(step), GateReason::InDoubt, message);
    }
    advance(draft);
}

/// An abort ended, or took too long: the attempt settles as what it was aborted for.
pub(crate) fn abort_ended(draft: &mut Draft<'_>, step: usize, unconfirmed: Option<AttemptError>) {
    let Some((attempt, turn)) = draft.state.steps[step].live() else { return };
    let mut error = match (&draft.state.ending, &attempt.stopping) {
        (Some(ending), _) => ending.aborted.clone(),
        (None, Some(why)) => stopped(why),
        (None, None) => return,
    };
    let session = turn.placed.as_ref().map_or("its session", |place| place.session.as_str());
    let still_runs = unconfirmed.map(|cause| format!("session {session} may still run: {cause}"));
    if let Some(still_runs) = &still_runs {
        error.message = format!("{}; {still_runs}", error.message);
    }
    settle_with(draft, step, Settled::failed(error), still_runs);
}

fn stopped(why: &StopReason) -> AttemptError {
    let code = match why {
        StopReason::Timeout { .. } => ErrorCode::Timeout,
        StopReason::Interrupted { .. } | StopReason::Budget { .. } => ErrorCode::Aborted,
    };
    AttemptError::new(code, why.to_string())
}

/// What the journal could not give back as it was is put into a form that it can.
fn make_journalable(result: &mut Settled) {
    if !result.usage.cost_usd.is_finite() {
        result.usage.cost_usd = 0.0;
    }
    result.output = result.output.take().filter(|output| !output.is_null());
    if result.output.as_ref().is_some_and(|output| deeper_than(output, DEEPEST)) {
        result.output = None;
        let message = format!("the structured answer is nested deeper than {DEEPEST} levels");
        result.error.get_or_insert_with(|| AttemptError::new(ErrorCode::OutputInvalid, message));
    }
}

pub(crate) fn deeper_than(value: &serde_json::Value, levels: usize) -> bool {
    use serde_json::Value::{Array, Object};
    match (value, levels.checked_sub(1)) {
        (Array(_) | Object(_), None) => true,
        (Array(items), Some(left)) => items.iter().any(|item| deeper_than(item, left)),
        (Object(items), Some(left)) => items.values().any(|item| deeper_than(item, left)),
        _ => false,
    }
}

/// What comes in after the time ran out is late, whatever it is; an interrupted turn that failed was aborted.
fn stop_outweighs(draft: &Draft<'_>, step: usize, result: &mut Settled) {
    let Some(attempt) = draft.state.steps[step].open_attempt() else { return };
    match &attempt.stopping {
        Some(why @ StopReason::Timeout { .. }) if code(result) != Some(ErrorCode::Timeout) => {
            result.error = Some(stopped(why));
        }
        Some(why @ (StopReason::Interrupted { .. } | StopReason::Budget { .. }))
            if result.error.is_some() && code(result) != Some(ErrorCode::Aborted) =>
        {
            result.error = Some(stopped(why));
        }
        _ => {}
    }
}

fn code(result: &Settled) -> Option<ErrorCode> {
    result.error.as_ref().map(|error| error.code)
}

/// The remarks on an answer that only the engine can make.
fn remark(draft: &Draft<'_>, step: usize, result: &mut Settled) {
    let state = &draft.state;
    let planned = state.planned(step);
    let mut remarks = Vec::new();
    if state.steps[step].tries > 1 {
        let before = previous_error(draft, step);
        let why = before.map_or_else(String::new, |error| format!(": {error}"));
        let message = format!("answered at attempt {}, after a failure{why}", state.steps[step].tries);
        remarks.push(Warning::new(WarningCode::Retried, message));
    }
    if planned.carry {
        let block = Block::read(&planned.title, &result.text);
        let cut: Vec<_> = block.cut_sections().collect();
        if !cut.is_empty() {
            let message = format!("the hand-off was shortened in {}", cut.join(", "));
            remarks.push(Warning::new(WarningCode::CarryTrimmed, message));
        }
    }
    remarks.extend(budget::remarks(draft, step, result.usage));
    result.warnings.extend(remarks);
}

fn previous_error<'d>(draft: &'d Draft<'_>, step: usize) -> Option<&'d AttemptError> {
    let attempts = &draft.state.steps[step].attempts;
    let before = attempts.len().checked_sub(2)?;
    attempts[before].end.as_ref()?.error.as_ref()
}

/// The first answer of a foreground worker is for the person, not for the run.
fn talks_to_a_person(draft: &Draft<'_>, step: usize, dispatch: &DispatchId) -> bool {
    draft.state.planned(step).execution == ExecutionMode::Foreground && dispatch.turn == 1
}

/// The gate table, and what stands above it.
fn judge(draft: &mut Draft<'_>, step: usize, handed_off: bool) {
    let Some(outcome) = draft.state.steps[step].outcome else { return };
    let left = schedule::left(&draft.state, draft.now);
    if outcome == Outcome::Error {
        return judge_failure(draft, step);
    }
    // The person who asked for a hand-off has seen the step: that stands for the gate after an answer.
    let verdict = match (handed_off, outcome) {
        (true, Outcome::Ok) => Verdict::GoOn,
        _ => gate(draft.state.policy_for(Node::Step(step)), outcome, left),
    };
    let reason = match verdict {
        Verdict::Gate(reason) => reason,
        _ if draft.state.pause_requested && left == WorkLeft::Yes => GateReason::User,
        _ => return,
    };
    open_after_settle(draft, step, reason);
}

fn judge_failure(draft: &mut Draft<'_>, step: usize) {
    let Some(error) = draft.state.steps[step].error().cloned() else { return };
    let same = draft.state.steps[step].failure.as_ref().map_or(0, |(_, times)| *times);
    if let Some(spent) = budget::stopped_for(draft, step) {
        return budget::hold(draft, step, spent);
    }
    if error.code == ErrorCode::Aborted {
        return open_after_settle(draft, step, GateReason::Aborted);
    }
    if same >= SAME_FAILURES {
        return open_after_settle(draft, step, GateReason::RepeatedFailure);
    }
    let latest = draft.state.steps[step].attempts.last().and_then(|attempt| attempt.turns.last());
    let Some(dispatch) = latest.map(|turn| turn.dispatch.clone()) else { return };
    if let Some(until) = next_try(draft, step, &error) {
        if draft.state.pause_requested {
            return open_after_settle(draft, step, GateReason::User);
        }
        return draft.record(RecordBody::BackedOff { dispatch, until, error });
    }
    match gate(draft.state.policy_for(Node::Step(step)), Outcome::Error, WorkLeft::Yes) {
        Verdict::Gate(reason) => open_after_settle(draft, step, reason),
        _ => fail(draft, dispatch.step, error),
    }
}

/// Nobody is to be asked: the run ends as `error`, once what else is in flight has been aborted.
pub(crate) fn fail(draft: &mut Draft<'_>, step: StepId, error: AttemptError) {
    if !draft.state.anything_live() {
        return finish(draft, RunStatus::Error, Some(error));
    }
    draft.record(RecordBody::Failing { step, error });
    requests::abort_everything(draft);
}

/// A pause that somebody asked for is the first reason there is, unless a person has stopped the step already.
fn open_after_settle(draft: &mut Draft<'_>, step: usize, reason: GateReason) {
    let asked = draft.state.pause_requested && reason != GateReason::Aborted;
    let reason = if asked { GateReason::User } else { reason };
    let state = &draft.state;
    let title = &state.planned(step).title;
    let message = match (state.steps[step].error(), state.steps[step].outcome) {
        (Some(error), Some(Outcome::Error)) => {
            format!("{title} failed: {error}; `continue` tries it again")
        }
        (_, Some(Outcome::Warning)) => {
            let attempt = state.steps[step].attempts.last();
            let first = attempt.and_then(|attempt| attempt.warnings.first());
            let first = first.map_or("", |warning| warning.message.as_str());
            format!("{title} is done, with a warning: {first}; `continue` goes on")
        }
        _ => format!("{title} is done; `continue` goes on"),
    };
    gates::open(draft, Node::Step(step), reason, message);
}

/// When the step is tried again by itself, if it is.
fn next_try(draft: &Draft<'_>, step: usize, error: &AttemptError) -> Option<Timestamp> {
    let retry = &draft.state.planned(step).retry;
    let tries = draft.state.steps[step].tries;
    if !retry.on.contains(&error.retry_class()?) {
        return None;
    }
    let backoff = draft.now.plus_ms(retry.wait_ms(tries));
    match error.reset_at {
        // The provider said when: waiting until then is no attempt of ours that failed.
        Some(reset_at) => Some(reset_at.max(backoff)),
        None => (tries < retry.max_attempts).then_some(backoff),
    }
}
