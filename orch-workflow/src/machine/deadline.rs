//! Everything that time alone brings about.

use std::sync::Arc;

use crate::{
    attempt::{AttemptError, ErrorCode, Timestamp, Warning, WarningCode},
    decision::Gate,
    machine::{
        budget,
        dispatch::advance,
        draft::Draft,
        gates,
        live::{Follow, Phase},
        requests::stop,
        schedule,
        settle::abort_ended,
        state::State,
    },
    record::{RecordBody, StopReason},
};

/// An abort that nobody confirms within this time is taken as unconfirmed.
const ABORT_LIMIT_MS: u64 = 10_000;

/// When something is due, if nothing else happens before.
pub(crate) fn next(state: &State, follows: &[Follow]) -> Option<Timestamp> {
    if state.status.is_terminal() {
        return None;
    }
    let work = follows.iter().flat_map(|follow| {
        [abort_due(follow), timeout_due(state, follow), idle_due(state, follow)].into_iter().flatten()
    });
    let backoff = schedule::next_retry(state).map(|(_, until)| until);
    let gates = answerable(state).iter().filter_map(|gate| gate.expires_at);
    work.chain(backoff).chain(gates).chain(budget::due(state, follows)).min()
}

/// Does what is due.
pub(crate) fn tick(draft: &mut Draft<'_>) {
    let now = draft.now;
    let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    for follow in draft.follows() {
        if draft.state.live(&follow.dispatch).is_none() {
            continue;
        }
        if due(abort_due(follow)) {
            let message = format!("the abort was not confirmed within {} s", ABORT_LIMIT_MS / 1000);
            let error = AttemptError::new(ErrorCode::Unreachable, message);
            abort_ended(draft, follow.step, Some(error));
        } else if due(timeout_due(&draft.state, follow)) {
            let limit_ms = draft.state.planned(follow.step).timeout_ms;
            stop(draft, follow.step, StopReason::Timeout { limit_ms });
        } else if due(idle_due(&draft.state, follow)) {
            let silence = draft.state.planned(follow.step).idle_warning_ms;
            let message = format!("no sign of life for {silence} ms");
            let warning = Warning::new(WarningCode::Idle, message);
            draft.record(RecordBody::Warned { dispatch: follow.dispatch.clone(), warning });
        }
    }
    budget::watch(draft);
    let expired = |state: &State| {
        let gate = answerable(state).iter().find(|gate| gate.is_over(now))?;
        Some(gate.id.clone())
    };
    while let Some(gate) = expired(&draft.state) {
        gates::expire(draft, &gate);
    }
    if schedule::next_retry(&draft.state).is_some_and(|(_, until)| until <= now) {
        advance(draft);
    }
}

/// The gates whose default may still apply: none in a run that has its end already.
fn answerable(state: &State) -> &[Arc<Gate>] {
    if state.bound_for().is_some() { &[] } else { &state.gates }
}

fn abort_due(follow: &Follow) -> Option<Timestamp> {
    match follow.phase {
        Phase::Aborting { since } => Some(since.plus_ms(ABORT_LIMIT_MS)),
        Phase::Placing | Phase::Working | Phase::Probing => None,
    }
}

fn timeout_due(state: &State, follow: &Follow) -> Option<Timestamp> {
    follow.timeout_at(state.planned(follow.step).timeout_ms)
}

/// Silence is remarked once an attempt; 0 switches the remark off.
fn idle_due(state: &State, follow: &Follow) -> Option<Timestamp> {
    let idle_ms = state.planned(follow.step).idle_warning_ms;
    let (_, attempt, _) = state.live(&follow.dispatch)?;
    let remarked = attempt.warnings.iter().any(|warning| warning.code == WarningCode::Idle);
    if remarked || idle_ms == 0 {
        return None;
    }
    follow.idle_at(idle_ms)
}
