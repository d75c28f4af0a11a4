//! The texts of toasts and of the prompt hint.

use orch_config::id::StepId;
use orch_workflow::{
    attempt::Outcome,
    decision::{Gate, GateReason},
    port::{Ask, AskKind},
    record::RunStatus,
    view::ErrorView,
};

use crate::{
    action::{Level, Toast},
    choice, command,
    context::RunContext,
    notice,
    text::{plain, word},
};

const TITLE_CHARS: usize = 80;
const MESSAGE_CHARS: usize = 160;
/// Long enough to read; the host's own default.
const PASSING_MS: u64 = 5_000;
/// A person is needed: it stays twice as long.
const LASTING_MS: u64 = 10_000;

/// A step has failed.
pub(crate) fn failed(context: &RunContext, step: &StepId, error: Option<&ErrorView>) -> Toast {
    let line = context.step_line(step);
    let code = error.map_or_else(String::new, |error| word(&error.code));
    Toast {
        about: format!("{}/failed/{step}/{code}", context.run),
        level: Level::Error,
        title: title(context, &format!("step {} failed", line.name())),
        message: error.map_or_else(|| "no reason given".to_owned(), reason),
        duration_ms: PASSING_MS,
    }
}

/// A gate has opened.
pub(crate) fn gate(context: &RunContext, gate: &Gate) -> Toast {
    Toast {
        about: format!("{}/gate/{}", context.run, gate.id),
        level: gate_level(context, gate),
        title: title(context, &format!("a decision is due at {}", context.subject_of(gate))),
        message: with_command(&gate.message, &command::SHOW.on(&context.run)),
        duration_ms: LASTING_MS,
    }
}

/// A worker asks for a permission or puts a question.
pub(crate) fn ask(context: &RunContext, step: &StepId, ask: &Ask) -> Toast {
    let what = match ask.kind {
        AskKind::Permission => "asks for a permission",
        AskKind::Question => "puts a question",
    };
    let place = format!("answer in session {}", plain(&ask.session, TITLE_CHARS));
    Toast {
        about: format!("{}/ask/{}", context.run, ask.id),
        level: Level::Warning,
        title: title(context, &format!("step {} {what}", context.step_line(step).name())),
        message: with_command(&ask.summary, &place),
        duration_ms: LASTING_MS,
    }
}

/// The run has ended.
pub(crate) fn finished(context: &RunContext, status: RunStatus, error: Option<&ErrorView>) -> Toast {
    let (level, command) = match status {
        RunStatus::Success => (Level::Success, &command::OUTPUT),
        RunStatus::Cancelled => (Level::Warning, &command::SHOW),
        _ => (Level::Error, &command::SHOW),
    };
    let text = error.map_or_else(|| notice::tally(context), reason);
    Toast {
        about: format!("{}/finished", context.run),
        level,
        title: title(context, &format!("ended as {}", status.as_str())),
        message: with_command(&text, &command.on(&context.run)),
        duration_ms: PASSING_MS,
    }
}

/// What a person may want to type next, for the prompt box.
pub(crate) fn hint(context: &RunContext, gate: &Gate) -> String {
    let outcome = context.step(&gate.step).and_then(|step| step.standing.outcome());
    let first = choice::choices(&context.run, gate, outcome).into_iter().next();
    let way_out = first.map_or_else(|| command::SHOW.on(&context.run), |choice| choice.command);
    format!("[orch: a decision is due at {}, e.g. {way_out}] ", context.subject_of(gate))
}

fn gate_level(context: &RunContext, gate: &Gate) -> Level {
    let outcome = context.step(&gate.step).and_then(|step| step.standing.outcome());
    match (gate.reason, outcome) {
        (
            GateReason::User | GateReason::ExecutionStep | GateReason::InterveneAlways,
            Some(Outcome::Ok) | None,
        ) => Level::Info,
        (_, Some(Outcome::Error)) => Level::Error,
        _ => Level::Warning,
    }
}

fn title(context: &RunContext, what: &str) -> String {
    let subject = context.workflow.as_deref().unwrap_or(context.run.as_str());
    plain(&format!("{subject}: {what}"), TITLE_CHARS)
}

fn reason(error: &ErrorView) -> String {
    plain(&format!("{}: {}", word(&error.code), error.message), MESSAGE_CHARS)
}

/// The text, shortened first, so that what to do about it is never cut off.
fn with_command(text: &str, command: &str) -> String {
    format!("{} ({command})", plain(text, MESSAGE_CHARS))
}
