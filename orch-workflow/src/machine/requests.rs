//! What people ask of a run at any time: pause, interrupt, cancel.

use crate::{
    attempt::Settled,
    decision::Rejected,
    machine::{
        dispatch::{advance, never_sent},
        draft::Draft,
        effect::Effect,
        live::Phase,
        settle::settle,
    },
    record::{RecordBody, RunStatus, StopReason},
};

/// Nothing new is dispatched from here on; what is in flight settles first.
pub(crate) fn pause(draft: &mut Draft<'_>, by: String) -> Result<(), Rejected> {
    refuse_if_ended(draft)?;
    let state = &draft.state;
    if state.pause_requested || !state.gates.is_empty() {
        return Ok(());
    }
    draft.record(RecordBody::PauseRequested { by });
    advance(draft);
    Ok(())
}

/// The step at work is aborted, and the run rests at a gate.
pub(crate) fn interrupt(draft: &mut Draft<'_>, by: String) -> Result<(), Rejected> {
    refuse_if_ended(draft)?;
    let live: Vec<_> = draft
        .state
        .live_steps()
        .filter(|(_, attempt, _)| attempt.stopping.is_none())
        .map(|(step, ..)| step)
        .collect();
    if live.is_empty() {
        return pause(draft, by);
    }
    for step in live {
        stop(draft, step, StopReason::Interrupted { by: by.clone() });
    }
    Ok(())
}

/// The run ends as soon as what is in flight is at rest.
pub(crate) fn cancel(draft: &mut Draft<'_>, by: String) -> Result<(), Rejected> {
    if !draft.state.status.is_terminal() && draft.state.bound_for() == Some(RunStatus::Cancelled) {
        return Ok(());
    }
    refuse_if_ended(draft)?;
    draft.record(RecordBody::CancelRequested { by });
    abort_everything(draft);
    advance(draft);
    Ok(())
}

/// Aborts whatever is in flight, for an end that is in the journal from now on.
pub(crate) fn abort_everything(draft: &mut Draft<'_>) {
    let live: Vec<_> = draft.state.live_steps().map(|(step, ..)| step).collect();
    for step in live {
        abort(draft, step);
    }
}

/// Aborts a live dispatch for a reason that is in the journal from now on.
pub(crate) fn stop(draft: &mut Draft<'_>, step: usize, why: StopReason) {
    let Some((_, turn)) = draft.state.steps[step].live() else { return };
    let dispatch = turn.dispatch.clone();
    draft.record(RecordBody::Stopping { dispatch, why });
    abort(draft, step);
}

fn abort(draft: &mut Draft<'_>, step: usize) {
    let Some((_, turn)) = draft.state.steps[step].live() else { return };
    let aborting =
        draft.follow(&turn.dispatch).is_some_and(|follow| matches!(follow.phase, Phase::Aborting { .. }));
    match &turn.placed {
        Some(_) if aborting => {}
        Some(place) => {
            let effect = Effect::Abort(turn.dispatch.clone(), place.locator.clone());
            draft.want(effect);
        }
        // Nothing was sent, so nothing has to be stopped.
        None => settle(draft, step, Settled::failed(never_sent())),
    }
}

fn refuse_if_ended(draft: &Draft<'_>) -> Result<(), Rejected> {
    match draft.state.bound_for() {
        Some(end) => Err(Rejected::Ended { status: end.as_str().to_owned() }),
        None => Ok(()),
    }
}
