//! The texts of notices: what the parent session is told about a run. Few, and each complete.

use orch_config::id::StepId;
use orch_workflow::{decision::Gate, record::RunStatus, view::ErrorView};

use crate::{
    action::{Notice, UxAction},
    choice, command,
    context::RunContext,
    text::{counted, duration, plain, printable, word},
};

const TASK_CHARS: usize = 200;
const SENTENCE_CHARS: usize = 400;
const ID_CHARS: usize = 64;
/// A hand-off is a summary; what is longer would crowd the parent's own conversation out.
const HAND_OFF_CHARS: usize = 20_000;

/// The run has started.
pub(crate) fn started(context: &RunContext) -> Option<UxAction> {
    let run = &context.run;
    let lines = [
        format!("**orch** {} started: {}.", subject(context), context.order()),
        format!("Task: {}", plain(&context.task, TASK_CHARS)),
        format!("See it: {}. Pause it: {}.", code(&command::SHOW.on(run)), code(&command::PAUSE.on(run))),
    ];
    notice(context, &lines)
}

/// A gate has opened.
pub(crate) fn gate(context: &RunContext, gate: &Gate) -> Option<UxAction> {
    let step = context.step(&gate.step);
    let outcome = step.and_then(|step| step.standing.outcome());
    let unsaid = |error: &&ErrorView| !gate.message.contains(&error.message);
    let mut lines = vec![
        format!("**orch** {} waits for a decision at {}.", subject(context), context.subject_of(gate)),
        format!("{} ({})", plain(&gate.message, SENTENCE_CHARS), choice::reason(gate)),
    ];
    if step.is_some() {
        lines.push(format!("Step: {}.", context.step_line(&gate.step).facts().join(", ")));
    }
    lines.extend(error_line(step.and_then(|step| step.error.as_ref()).filter(unsaid)));
    for choice in choice::choices(&context.run, gate, outcome) {
        lines.push(format!("- {}: {}", code(&choice.command), choice.effect));
    }
    lines.extend(choice::unanswered(gate).map(|sentence| format!("- {sentence}")));
    if step.is_some_and(|step| step.answered) {
        let command = command::OUTPUT.on_with(&context.run, gate.step.as_str());
        lines.push(format!("\nRead the answer: {}.", code(&command)));
    }
    notice(context, &lines)
}

/// The run has ended.
pub(crate) fn finished(
    context: &RunContext,
    status: RunStatus,
    error: Option<&ErrorView>,
    notes: &[String],
) -> Option<UxAction> {
    let run = &context.run;
    let mut lines =
        vec![format!("**orch** {} ended as {}: {}.", subject(context), status.as_str(), tally(context))];
    lines.extend(error_line(error));
    lines.extend(notes.iter().map(|note| format!("Note: {}", plain(note, SENTENCE_CHARS))));
    lines.extend(context.step_lines().iter().map(|line| format!("- {line}")));
    let see = format!("See the run: {}.", code(&command::SHOW.on(run)));
    lines.push(match context.steps().iter().any(|step| step.standing.is_done()) {
        true => format!("\nRead the result: {}. {see}", code(&command::OUTPUT.on(run))),
        false => format!("\n{see}"),
    });
    notice(context, &lines)
}

/// A worker that a person talked to has handed off: its answer is for the parent's model, which has seen none of the
/// conversation. None without an answer.
pub(crate) fn hand_off(context: &RunContext, step: &StepId, text: &str) -> Option<UxAction> {
    let text = printable(text);
    if text.trim().is_empty() {
        return None;
    }
    let run = &context.run;
    let name = context.step_line(step).name();
    let mut lines = vec![format!("**orch** step {name} of {} hands off:", subject(context)), String::new()];
    match text.char_indices().nth(HAND_OFF_CHARS) {
        None => lines.push(text),
        Some((end, _)) => {
            let whole = code(&command::OUTPUT.on_with(run, step.as_str()));
            lines.push(format!("{}…\n\nIt is longer than that. Read the whole: {whole}.", &text[..end]));
        }
    }
    notice(context, &lines)
}

/// `4 of 4 steps done, 3 min 12 s at work`.
pub(crate) fn tally(context: &RunContext) -> String {
    let done = context.steps().iter().filter(|step| step.standing.is_done()).count();
    let steps = counted(context.steps().len(), "step");
    format!("{done} of {steps} done, {} at work", duration(context.active_ms()))
}

/// ``run `run_…` of `build` ``, or only the run when the stream was joined too late to know its workflow.
fn subject(context: &RunContext) -> String {
    match &context.workflow {
        Some(workflow) => format!("run `{}` of `{}`", context.run, plain(workflow, ID_CHARS)),
        None => format!("run `{}`", context.run),
    }
}

fn error_line(error: Option<&ErrorView>) -> Option<String> {
    error.map(|error| format!("Error {}: {}", word(&error.code), plain(&error.message, SENTENCE_CHARS)))
}

/// Text as Markdown code; a step's name may hold backticks itself.
fn code(text: &str) -> String {
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

/// A notice for the parent session; none while the run has no such session, because nobody would read it.
fn notice(context: &RunContext, lines: &[String]) -> Option<UxAction> {
    let session = context.parent_session.clone()?;
    Some(UxAction::Notice(Notice { run: context.run.clone(), session, text: lines.join("\n") }))
}
