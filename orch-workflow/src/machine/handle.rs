//! What each input means.

use crate::{
    attempt::{AttemptError, DispatchId, ErrorCode, Settled},
    decision::Rejected,
    machine::{
        budget, deadline,
        dispatch::{advance, begin_or_resume},
        draft::Draft,
        effect::Effect,
        gates::{self, Terms},
        input::Input,
        live::Phase,
        requests,
        settle::{abort_ended, in_doubt, settle},
    },
    port::{Ask, AskId, AskReply, Placement},
    record::RecordBody,
};

/// A prompt that is sent so often and never arrives is not sent again.
const MOST_SENDS: u32 = 3;
/// Work that gets lost so often in one process cannot be followed.
const MOST_PROBES: u32 = 10;

pub(crate) fn handle(draft: &mut Draft<'_>, input: Input) -> Result<(), Rejected> {
    match input {
        Input::TakenUp => taken_up(draft),
        Input::DefinitionChanged { message } => gates::definition_changed(draft, &message),
        Input::Placed { dispatch, result } => placed(draft, &dispatch, result),
        // Signs of life have moved the clocks already.
        Input::Alive { .. } | Input::Waiting { .. } | Input::Attached { .. } | Input::StoodStill { .. } => {}
        // What is used is noted already, too; something may follow from it.
        Input::Used { .. } => budget::watch(draft),
        Input::Warned { dispatch, warning } => {
            let known = draft.state.live(&dispatch).is_none_or(|(_, attempt, _)| attempt.warned(&warning));
            if !known {
                draft.record(RecordBody::Warned { dispatch, warning });
            }
        }
        Input::AskOpened { dispatch, ask } => ask_opened(draft, dispatch, ask),
        Input::AskClosed { dispatch, ask, by } => ask_closed(draft, dispatch, ask, by),
        Input::Settled { dispatch, result } => {
            if let Some((step, ..)) = draft.state.live(&dispatch) {
                settle(draft, step, *result);
            }
        }
        Input::Lost { dispatch, error } => lost(draft, &dispatch, &error),
        Input::NeverArrived { dispatch } => never_arrived(draft, &dispatch),
        Input::Unknown { dispatch, reason } => {
            if let Some((step, ..)) = draft.state.live(&dispatch).filter(|_| !is_stopping(draft, &dispatch)) {
                in_doubt(draft, step, reason);
            }
        }
        Input::AbortEnded { dispatch, result } => {
            if let Some((step, ..)) = draft.state.live(&dispatch).filter(|_| is_stopping(draft, &dispatch)) {
                abort_ended(draft, step, result.err());
            }
        }
        Input::Decide { gate, decision, policy, budget, by } => {
            gates::decide(draft, gate, decision, Terms { policy, budget, by })?;
        }
        Input::Pause { by } => requests::pause(draft, by)?,
        Input::Interrupt { by } => requests::interrupt(draft, by)?,
        Input::Cancel { by } => requests::cancel(draft, by)?,
        Input::Answer { ask, reply, by } => answer(draft, ask, reply, by)?,
        Input::Tick => deadline::tick(draft),
    }
    Ok(())
}

/// What a probe says of work that only has to come to rest does not matter any more.
fn is_stopping(draft: &Draft<'_>, dispatch: &DispatchId) -> bool {
    draft.state.live(dispatch).is_some_and(|(_, attempt, _)| draft.state.is_stopping(attempt))
}

/// Unfinished work first: what nobody follows is placed, probed or aborted; only then is something new begun.
fn taken_up(draft: &mut Draft<'_>) {
    if draft.state.status.is_terminal() {
        return;
    }
    let unfollowed: Vec<_> = draft
        .state
        .live_steps()
        .filter(|(_, _, turn)| draft.follow(&turn.dispatch).is_none())
        .map(|(step, _, turn)| (step, turn.dispatch.clone()))
        .collect();
    for (step, dispatch) in unfollowed {
        close_asks(draft, &dispatch, "restart");
        begin_or_resume(draft, step);
    }
    advance(draft);
}

fn placed(draft: &mut Draft<'_>, dispatch: &DispatchId, result: Result<Placement, AttemptError>) {
    let Some((step, _, turn)) = draft.state.live(dispatch) else { return };
    if turn.placed.is_some() {
        return;
    }
    match result {
        Ok(Placement { locator, session, parent_session }) => {
            draft.record(RecordBody::Placed {
                dispatch: dispatch.clone(),
                locator: locator.clone(),
                session,
                parent_session,
            });
            if let Some(dispatch) = draft.dispatch(step) {
                draft.want(Effect::Send(dispatch, locator));
            }
        }
        Err(error) => settle(draft, step, Settled::failed(error)),
    }
}

/// What became of work that nobody follows any more is found out before anything else happens.
fn lost(draft: &mut Draft<'_>, dispatch: &DispatchId, error: &AttemptError) {
    let Some((step, ..)) = draft.state.live(dispatch) else { return };
    let Some(follow) = draft.follow(dispatch) else { return };
    if follow.phase != Phase::Working {
        return;
    }
    if follow.probes >= MOST_PROBES {
        in_doubt(draft, step, format!("the work was lost {MOST_PROBES} times: {error}"));
        return;
    }
    close_asks(draft, dispatch, "lost");
    begin_or_resume(draft, step);
}

fn never_arrived(draft: &mut Draft<'_>, dispatch: &DispatchId) {
    let Some((step, _, turn)) = draft.state.live(dispatch).filter(|_| !is_stopping(draft, dispatch)) else {
        return;
    };
    let Some(place) = turn.placed.clone() else { return };
    let sends = draft.follow(dispatch).map_or(0, |follow| follow.sends);
    if sends >= MOST_SENDS {
        let message =
            format!("the prompt was sent {sends} times and never arrived in session {}", place.session);
        settle(draft, step, Settled::failed(AttemptError::new(ErrorCode::Unreachable, message)));
    } else if let Some(dispatch) = draft.dispatch(step) {
        draft.want(Effect::Send(dispatch, place.locator.clone()));
    }
}

fn ask_opened(draft: &mut Draft<'_>, dispatch: DispatchId, ask: Ask) {
    let Some((_, _, turn)) = draft.state.live(&dispatch) else { return };
    if turn.asks.iter().all(|open| open.ask.id != ask.id) {
        draft.record(RecordBody::AskOpened { dispatch, ask });
    }
}

fn ask_closed(draft: &mut Draft<'_>, dispatch: DispatchId, ask: AskId, by: String) {
    let Some((_, _, turn)) = draft.state.live(&dispatch) else { return };
    let Some(open) = turn.asks.iter().find(|open| open.ask.id == ask) else { return };
    // The worker sees only that it was answered; the journal knows by whom.
    let by = open.answer.as_ref().map_or(by, |(_, answered_by)| answered_by.clone());
    draft.record(RecordBody::AskClosed { dispatch, ask, by });
}

fn close_asks(draft: &mut Draft<'_>, dispatch: &DispatchId, by: &str) {
    let Some((_, _, turn)) = draft.state.live(dispatch) else { return };
    let asks: Vec<_> = turn.asks.iter().map(|open| open.ask.id.clone()).collect();
    for ask in asks {
        draft.record(RecordBody::AskClosed { dispatch: dispatch.clone(), ask, by: by.to_owned() });
    }
}

fn answer(draft: &mut Draft<'_>, ask: AskId, reply: AskReply, by: String) -> Result<(), Rejected> {
    let found = draft.state.live_steps().find_map(|(_, _, turn)| {
        let asked = turn.asks.iter().any(|open| open.ask.id == ask);
        asked.then(|| Some((turn.dispatch.clone(), turn.placed.as_ref()?.locator.clone()))).flatten()
    });
    let Some((dispatch, locator)) = found else { return Err(Rejected::UnknownAsk { ask }) };
    draft.record(RecordBody::AskAnswered {
        dispatch: dispatch.clone(),
        ask: ask.clone(),
        reply: reply.clone(),
        by,
    });
    draft.want(Effect::Answer(dispatch, locator, ask, reply));
    Ok(())
}
