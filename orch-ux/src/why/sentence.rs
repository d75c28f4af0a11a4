//! The same in words.

use orch_workflow::{
    attempt::{Timestamp, WarningCode},
    record::RunStatus,
    view::{OwnerView, RunView, StepStatus, StepView},
};

use super::{Mover, State, Wait, WaitFor, Who, wait::alive_at};
use crate::{
    command,
    text::{counted, duration, pass, plain},
};

const NAME: usize = 64;
const SENTENCE: usize = 400;

pub(super) fn paragraph(run: &RunView, state: State, waits: &[Wait], now: Timestamp) -> String {
    let mut sentences = vec![opening(run, state, now)];
    for wait in waits {
        sentences.push(waiting(run, wait, now));
        sentences.extend(alternatives(wait, now));
    }
    sentences.extend(held_back(run, state, waits));
    sentences.extend(at_liberty(waits));
    sentences.extend(ended(run, state));
    sentences.join(" ")
}

/// Where it stands, and who drives it.
fn opening(run: &RunView, state: State, now: Timestamp) -> String {
    let id = &run.id;
    let stands = match state {
        State::AtWork => format!("{id} is at work"),
        State::Pausing => format!("{id} pauses as soon as what is at work has finished"),
        State::Ending => match &run.ending {
            Some(ending) => format!(
                "{id} is coming to its end as {}, for {}: {}",
                ending.status.as_str(),
                ago(ending.since, now),
                plain(&ending.reason, SENTENCE)
            ),
            None => format!("{id} is coming to its end"),
        },
        State::GateWithWork => format!("{id} stands at a gate, and what is at work finishes meanwhile"),
        State::Paused => format!("{id} is paused"),
        State::Interrupted => format!(
            "{id} is interrupted: the process that drove it is gone, and nothing was written for {}",
            ago(run.last_at, now)
        ),
        State::Finished => {
            let at = run.finished_at.unwrap_or(run.last_at);
            let because = run.error.as_ref().map(|error| format!(": {}", plain(&error.message, SENTENCE)));
            format!(
                "{id} has ended as {}, {} ago, after {} at work{}",
                run.status.as_str(),
                ago(at, now),
                duration(run.active_ms),
                because.unwrap_or_default()
            )
        }
    };
    match &run.owner {
        Some(owner) => format!("{} {}", closed(&stands), driven(owner, now)),
        None => closed(&stands),
    }
}

fn driven(owner: &OwnerView, now: Timestamp) -> String {
    let OwnerView { pid, host, since, expires_at } = owner;
    let drives = format!("Process {pid} on {} drives it, for {}", plain(host, NAME), ago(*since, now));
    match expires_at {
        None => format!("{drives}."),
        Some(expires) => format!(
            "{drives}; whether it still lives cannot be seen from here, and unless it renews its lease {}, anybody \
             can take the run up.",
            within(*expires, now)
        ),
    }
}

/// What is waited for, and since when.
fn waiting(run: &RunView, wait: &Wait, now: Timestamp) -> String {
    let step = run.steps.iter().find(|step| Some(&step.id) == wait.step.as_ref());
    let name = step.map_or_else(String::new, named);
    let since = ago(wait.since, now);
    match &wait.what {
        WaitFor::Decision { gate, reason, behind: 0, .. } => {
            let message = run.gate.as_ref().map_or("", |gate| gate.message.as_str());
            format!(
                "It waits for a decision at gate {gate} ({reason}) of {}, for {since}: {}",
                subject(run, wait, &name),
                closed(&plain(message, SENTENCE))
            )
        }
        WaitFor::Decision { gate, reason, .. } => {
            let subject = subject(run, wait, &name);
            format!("Gate {gate} ({reason}) of {subject} is queued behind it, for {since}.")
        }
        WaitFor::Permission { summary, answered_by, .. } => {
            format!(
                "Step {name} waits for a permission, for {since}: {}{}",
                closed(summary),
                taken(answered_by.as_deref())
            )
        }
        WaitFor::Question { summary, answered_by, .. } => format!(
            "Step {name} waits for the answer to a question, for {since}: {}{}",
            closed(summary),
            taken(answered_by.as_deref())
        ),
        WaitFor::Worker => format!("Step {name} waits for its worker to get ready, for {since}."),
        WaitFor::Answer => {
            format!(
                "Step {name} waits for its worker's answer{}, for {since}{}.",
                place(step),
                alive(run, wait, now)
            )
        }
        WaitFor::Model => {
            format!("Step {name} waits for the model{}, for {since}{}.", place(step), alive(run, wait, now))
        }
        WaitFor::Tool { tool } => format!(
            "Step {name} waits for the tool {tool}{}, for {since}{}.",
            place(step),
            alive(run, wait, now)
        ),
        WaitFor::HostRetry { attempt, message } => format!(
            "Step {name} waits for the host, which calls the model again (try {attempt}) after {message}, for {since}."
        ),
        WaitFor::Probe => {
            format!("Step {name} waits for the host to say what became of its prompt, for {since}.")
        }
        WaitFor::Stop { reason } => {
            format!("Step {name} waits for its worker to stop, for {since}: {}", closed(reason))
        }
        WaitFor::Limit { reason } => {
            format!(
                "Step {name} waits for a limit to be over, for {since}{}: {}",
                until(wait, now),
                closed(reason)
            )
        }
        WaitFor::Backoff { reason } => {
            format!(
                "Step {name} waits for its next attempt, for {since}{}, after: {}",
                until(wait, now),
                closed(reason)
            )
        }
        WaitFor::Turn => match step {
            Some(_) => format!("Step {name} is about to begin."),
            None => "It goes on at once.".to_owned(),
        },
        WaitFor::Driver => was_at_work(run),
    }
}

fn was_at_work(run: &RunView) -> String {
    let steps: Vec<_> = run.steps.iter().filter(|step| step.activity.is_some()).map(named).collect();
    match steps.as_slice() {
        [] => "Nothing was in flight.".to_owned(),
        steps => format!(
            "At work {} {}; what became of it is looked up on the host before anything else happens.",
            if steps.len() == 1 { "was step" } else { "were the steps" },
            steps.join(", ")
        ),
    }
}

fn taken(answered_by: Option<&str>) -> String {
    answered_by.map_or_else(String::new, |by| {
        format!(" {by} has answered, and the worker has yet to take the answer.")
    })
}

/// What moves this wait alone.
fn alternatives(wait: &Wait, now: Timestamp) -> Option<String> {
    let mut sentence = match &wait.what {
        WaitFor::Decision { behind: 0, .. } => format!("Anybody can decide: {}.", listed(&wait.movers)),
        WaitFor::Permission { .. } | WaitFor::Question { .. } if !wait.movers.is_empty() => {
            let ways: Vec<_> = wait.movers.iter().map(way).collect();
            format!("Anybody can answer {}.", ways.join(", or "))
        }
        WaitFor::Driver => format!("Anybody can move it: {}.", listed(&wait.movers)),
        _ => return None,
    };
    if let WaitFor::Decision { default: Some(default), .. } = &wait.what {
        sentence.push_str(&match wait.until {
            Some(until) if until <= now => format!(
                " Its time is over, though: whoever takes the run up finds {default} taken, before any decision."
            ),
            Some(until) => format!(" Unanswered, it takes {default} by itself {}.", within(until, now)),
            None => format!(" Unanswered, it takes {default} by itself."),
        });
    }
    Some(sentence)
}

fn way(mover: &Mover) -> String {
    match (&mover.who, &mover.command) {
        (_, Some(command)) => format!("with `{command}` ({})", mover.effect),
        (Who::Session(session), None) => format!("in session {session}"),
        (Who::Anybody, None) => mover.effect.clone(),
    }
}

fn held_back(run: &RunView, state: State, waits: &[Wait]) -> Option<String> {
    let queued = run.gates.len();
    match state {
        State::GateWithWork => Some("Nothing new begins before the gate is answered.".to_owned()),
        State::Paused if queued > 0 => {
            Some(format!("{} behind it must be answered too, one by one.", counted(queued, "gate")))
        }
        State::AtWork | State::Pausing if waits.iter().any(|wait| wait.until.is_some()) => {
            Some("It goes on by itself.".to_owned())
        }
        _ => None,
    }
}

/// What anybody may ask of it although it goes on by itself; said once, however many steps are at work.
fn at_liberty(waits: &[Wait]) -> Option<String> {
    if waits.iter().any(|wait| matches!(wait.what, WaitFor::Decision { .. })) {
        return None;
    }
    let goes_on = |wait: &&Wait| {
        !matches!(wait.what, WaitFor::Permission { .. } | WaitFor::Question { .. } | WaitFor::Driver)
    };
    let movers = waits.iter().filter(goes_on).map(|wait| &wait.movers).find(|movers| !movers.is_empty())?;
    Some(format!("Anybody can stop it: {}.", listed(movers)))
}

fn ended(run: &RunView, state: State) -> Option<String> {
    if state != State::Finished {
        return None;
    }
    let notes = run.notes.iter().map(|note| closed(&plain(note, SENTENCE)));
    let results = run.steps.iter().any(|step| step.text.as_deref().is_some_and(|text| !text.is_empty()));
    let read = results.then(|| format!("Its result is read with `{}`.", command::OUTPUT.on(&run.id)));
    let nothing = "Nothing is waited for any more.".to_owned();
    Some(notes.chain([nothing]).chain(read).chain(again(run)).collect::<Vec<_>>().join(" "))
}

/// How a run that did not succeed can be gone on with.
fn again(run: &RunView) -> Option<String> {
    if run.status == RunStatus::Success {
        return None;
    }
    let failed = run.steps.iter().find(|step| step.status == StepStatus::Failed);
    let first = failed.or_else(|| run.steps.iter().find(|step| !step.status.is_over()))?;
    let command = command::forking(&run.id, &first.id);
    Some(format!("A new run that keeps its results up to step {} begins with `{command}`.", named(first)))
}

fn listed(movers: &[Mover]) -> String {
    let each = movers.iter().map(|mover| match &mover.command {
        Some(command) => format!("`{command}` ({})", mover.effect),
        None => mover.effect.clone(),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// With a stop at its end, where it has none of its own.
fn closed(sentence: &str) -> String {
    let stop = if sentence.ends_with(['.', '?', '!', '…']) { "" } else { "." };
    format!("{sentence}{stop}")
}

fn named(step: &StepView) -> String {
    let name = plain(step.id.as_str(), NAME);
    let tries = step.attempts.iter().filter(|attempt| attempt.dispatch.iteration == step.iteration).count();
    match (step.iteration, tries) {
        (0 | 1, 0 | 1) => name,
        (0 | 1, tries) => format!("{name} (attempt {tries})"),
        (iteration, 0 | 1) => format!("{name} ({})", pass(iteration)),
        (iteration, tries) => format!("{name} ({}, attempt {tries})", pass(iteration)),
    }
}

/// What a gate is about: a step, or the passes of a group.
fn subject(run: &RunView, wait: &Wait, name: &str) -> String {
    match run.groups.iter().find(|group| Some(&group.id) == wait.step.as_ref()) {
        Some(group) => format!("group {}", plain(group.id.as_str(), NAME)),
        None => format!("step {name}"),
    }
}

fn place(step: Option<&StepView>) -> String {
    let session = step.and_then(|step| step.session.as_ref());
    session.map_or_else(String::new, |session| format!(" in session {}", plain(session, NAME)))
}

fn alive(run: &RunView, wait: &Wait, now: Timestamp) -> String {
    match alive_at(run, wait.step.as_ref()) {
        Some(at) => format!("; its latest sign of life is {} old", ago(at, now)),
        None => match silence(run, wait) {
            Some(remark) => format!("; {remark}"),
            None => "; what it does just now is known to the process that drives the run alone".to_owned(),
        },
    }
}

/// What the journal says of a worker that showed no sign of life for long.
fn silence(run: &RunView, wait: &Wait) -> Option<String> {
    let step = run.steps.iter().find(|step| Some(&step.id) == wait.step.as_ref())?;
    let warnings = &step.attempts.last()?.warnings;
    let idle = warnings.iter().rev().find(|warning| warning.code == WarningCode::Idle)?;
    Some(plain(&idle.message, SENTENCE))
}

fn until(wait: &Wait, now: Timestamp) -> String {
    wait.until
        .map_or_else(String::new, |until| format!(" and {} more at most", duration(until.ms_since(now))))
}

fn ago(since: Timestamp, now: Timestamp) -> String {
    duration(now.ms_since(since))
}

fn within(at: Timestamp, now: Timestamp) -> String {
    format!("within {}", duration(at.ms_since(now)))
}
