//! What a run waits for, as data.

use orch_config::id::StepId;
use orch_workflow::{
    attempt::{ErrorCode, Timestamp},
    decision::{Gate, GateReason},
    port::AskKind,
    view::{ActivityView, AskView, Doing, RunView, StepStatus, StepView},
};

use super::{Mover, State, Wait, WaitFor, Who};
use crate::{
    choice, command,
    text::{plain, word},
};

/// The longest of a worker's own words in a sentence.
const WORDS: usize = 200;
const NAME: usize = 64;

/// Everything that the run waits for in this state, the most pressing first: people, then work, then time.
pub(super) fn all(run: &RunView, state: State) -> Vec<Wait> {
    let mut waits = match state {
        State::Finished => return Vec::new(),
        State::Interrupted => return vec![driver(run)],
        State::GateWithWork | State::Paused => gates(run),
        State::AtWork | State::Pausing | State::Ending => Vec::new(),
    };
    let asking = run.steps.iter().flat_map(|step| step.asks.iter().map(move |ask| (step, ask)));
    waits.extend(asking.map(|(step, ask)| asked(run, step, ask)));
    waits.extend(run.steps.iter().filter(|step| step.asks.is_empty()).filter_map(|step| at_work(run, step)));
    // While a gate is open nothing is tried again by itself.
    if run.gate.is_none() && run.ending.is_none() {
        waits.extend(run.steps.iter().filter_map(|step| backoff(run, step)));
    }
    if waits.is_empty() {
        waits.push(turn(run));
    }
    waits
}

fn gates(run: &RunView) -> Vec<Wait> {
    run.gate.iter().chain(&run.gates).enumerate().map(|(behind, gate)| decision(run, gate, behind)).collect()
}

fn decision(run: &RunView, gate: &Gate, behind: usize) -> Wait {
    let outcome = run.steps.iter().find(|step| step.id == gate.step).and_then(|step| step.outcome);
    let choices = choice::choices(&run.id, gate, outcome).into_iter();
    let what = WaitFor::Decision {
        gate: plain(&gate.id.0, NAME),
        reason: choice::reason(gate),
        allowed: gate.allowed.iter().map(word).collect(),
        default: gate.default.filter(|_| gate.expires_at.is_some()).map(|default| word(&default)),
        behind,
    };
    Wait {
        what,
        step: Some(gate.step.clone()),
        since: gate.opened_at,
        until: gate.expires_at,
        movers: choices
            .map(|choice| anybody(choice.effect, choice.command))
            .chain(forking(run, gate))
            .collect(),
    }
}

/// The one gate whose way out may be another run: it goes on where this one has not come to yet.
fn forking(run: &RunView, gate: &Gate) -> Option<Mover> {
    let next = run.steps.iter().find(|step| !step.status.is_over());
    let next = next.filter(|_| gate.reason == GateReason::DefinitionChanged)?;
    let command = command::forking(&run.id, &next.id);
    Some(anybody("go on in a new run, with the new definition", command))
}

fn asked(run: &RunView, step: &StepView, asked: &AskView) -> Wait {
    let AskView { ask, since, answered_by } = asked;
    let (id, summary) = (plain(&ask.id.0, NAME), plain(&ask.summary, WORDS));
    let answered_by = answered_by.as_ref().map(|by| plain(by, NAME));
    let movers = match answered_by {
        Some(_) => Vec::new(),
        None => vec![
            anybody(answering(ask.kind), command::answering(&run.id, &ask.id)),
            Mover {
                who: Who::Session(plain(&ask.session, NAME)),
                effect: "answer it there".to_owned(),
                command: None,
            },
        ],
    };
    let what = match ask.kind {
        AskKind::Permission => WaitFor::Permission { ask: id, summary, answered_by },
        AskKind::Question => WaitFor::Question { ask: id, summary, answered_by },
    };
    Wait { what, step: Some(step.id.clone()), since: *since, until: None, movers }
}

fn answering(kind: AskKind) -> String {
    match kind {
        AskKind::Permission => "once, always or reject",
        AskKind::Question => "in your words",
    }
    .to_owned()
}

/// The prompt in flight of a step, if it has one.
fn at_work(run: &RunView, step: &StepView) -> Option<Wait> {
    let ActivityView { doing, since, .. } = step.activity.as_ref()?;
    let (what, until) = match doing {
        Doing::Placing => (WaitFor::Worker, None),
        Doing::Model => (WaitFor::Model, None),
        Doing::Tool { tool, .. } => (WaitFor::Tool { tool: plain(tool, NAME) }, None),
        Doing::Retrying { attempt, message } => {
            (WaitFor::HostRetry { attempt: *attempt, message: plain(message, WORDS) }, None)
        }
        Doing::Probing => (WaitFor::Probe, None),
        Doing::Aborting => (WaitFor::Stop { reason: stop_reason(run, step) }, None),
        Doing::Waiting { reason, until } => (WaitFor::Limit { reason: plain(reason, WORDS) }, *until),
        // The prompt was sent, and no more is known here.
        _ => (WaitFor::Answer, None),
    };
    let movers = if matches!(what, WaitFor::Stop { .. }) { Vec::new() } else { holding(run) };
    Some(Wait { what, step: Some(step.id.clone()), since: *since, until, movers })
}

fn stop_reason(run: &RunView, step: &StepView) -> String {
    let ending = run.ending.as_ref().map(|ending| ending.reason.as_str());
    let stopping = step.stopping.as_ref().map(|stopping| stopping.reason.as_str());
    plain(ending.or(stopping).unwrap_or_default(), WORDS)
}

fn backoff(run: &RunView, step: &StepView) -> Option<Wait> {
    let until = step.until.filter(|_| step.status == StepStatus::Backoff)?;
    let latest = step.attempts.last();
    let error = latest.and_then(|attempt| attempt.error.as_ref());
    let reason = error.map_or_else(String::new, |error| plain(&error.message, WORDS));
    let what = match error.map(|error| error.code) {
        Some(ErrorCode::RateLimited) => WaitFor::Limit { reason },
        _ => WaitFor::Backoff { reason },
    };
    let since = latest.and_then(|attempt| attempt.finished_at).unwrap_or(run.last_at);
    Some(Wait { what, step: Some(step.id.clone()), since, until: Some(until), movers: holding(run) })
}

/// What anybody may ask of a run that goes on by itself.
fn holding(run: &RunView) -> Vec<Mover> {
    let mut movers = Vec::new();
    if !run.pausing && run.gate.is_none() && run.ending.is_none() {
        movers.push(anybody("pause before the next step", command::PAUSE.on(&run.id)));
    }
    if run.ending.is_none() {
        movers.push(anybody("end the run", command::ABORT.on(&run.id)));
    }
    movers
}

fn turn(run: &RunView) -> Wait {
    let next = run.steps.iter().find(|step| step.status == StepStatus::Ready);
    let step = next.map(|step| step.id.clone());
    Wait { what: WaitFor::Turn, step, since: run.last_at, until: None, movers: holding(run) }
}

/// Nothing moves before somebody takes the run up.
fn driver(run: &RunView) -> Wait {
    let at_work = run.steps.iter().find(|step| step.activity.is_some());
    let movers = vec![anybody("take it up where it is", command::CONTINUE.on(&run.id))];
    let step = at_work.map(|step| step.id.clone());
    Wait { what: WaitFor::Driver, step, since: run.last_at, until: None, movers }
}

fn anybody(effect: impl Into<String>, command: String) -> Mover {
    Mover { who: Who::Anybody, effect: effect.into(), command: Some(command) }
}

/// When the worker of a step last showed that it lives, where that is known.
pub(super) fn alive_at(run: &RunView, step: Option<&StepId>) -> Option<Timestamp> {
    let step = run.steps.iter().find(|candidate| Some(&candidate.id) == step)?;
    step.activity.as_ref()?.alive_at
}
