//! A run as text: what `orch show` and `orch output` print.

use orch_config::{id::StepId, settings::SessionPolicy};
use orch_workflow::{
    attempt::Outcome,
    decision::{Gate, Spent},
    port::{Ask, AskKind},
    record::RunStatus,
    view::{AttemptView, GroupView, RunView, StepStatus, StepView},
};

use crate::{
    choice, command,
    step_line::StepLine,
    text::{counted, duration, pass, plain, word},
};

const TASK_CHARS: usize = 200;
const SENTENCE_CHARS: usize = 400;
const ID_CHARS: usize = 64;

/// The whole state of a run as plain text, ending in a line break: steps with state, time and session, the gate
/// with its reason and the exact commands that answer it, open asks, and what the run has cost.
#[must_use]
pub fn summary(run: &RunView) -> String {
    let heading = format!("{}  {}  {}", run.id, plain(run.workflow.as_str(), ID_CHARS), standing(run));
    let mut lines = state_lines(run, heading, Tense::Present);
    lines.extend(way_on(run).map(|way| format!("\n{way}")));
    lines.join("\n") + "\n"
}

/// The same for a moment of the past, of which `last` is the number of the last event since: without commands, as
/// nothing can be decided there any more.
#[must_use]
pub fn summary_then(run: &RunView, last: u64) -> String {
    let heading = format!(
        "{}  {}  {}, as it stood after event {} of {last}",
        run.id,
        plain(run.workflow.as_str(), ID_CHARS),
        run.status.as_str(),
        run.seq
    );
    state_lines(run, heading, Tense::Past).join("\n") + "\n"
}

/// Whether what is shown can still be acted on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tense {
    Present,
    Past,
}

fn state_lines(run: &RunView, heading: String, tense: Tense) -> Vec<String> {
    let mut lines = vec![
        heading,
        format!("task     {}", plain(&run.task, TASK_CHARS)),
        format!("policy   execution={}, intervene={}", run.execution, run.intervene),
    ];
    lines.extend(run.parent_session.as_ref().map(|session| format!("parent   {}", plain(session, ID_CHARS))));
    lines.extend(run.forked_from.as_ref().map(|from| {
        format!(
            "forked   from {} after event {}, at {}",
            from.run,
            from.seq,
            plain(from.step.as_str(), ID_CHARS)
        )
    }));
    lines.extend(sessions(run).map(|what| format!("sessions {what}")));
    lines.push(format!("spent    {}", spent(run)));
    lines.extend(run.budgets.iter().map(budget_line));
    lines.push(String::new());
    lines.extend(step_table(run));
    for gate in run.gate.iter().chain(&run.gates) {
        lines.push(String::new());
        lines.extend(gate_block(run, gate, tense));
    }
    for ask in &run.asks {
        lines.push(String::new());
        lines.extend(ask_block(ask));
    }
    lines.extend(run.notes.iter().map(|note| format!("\nnote     {}", plain(note, SENTENCE_CHARS))));
    lines
}

/// One line for each step, in plan order.
#[must_use]
pub fn step_lines(run: &RunView) -> Vec<StepLine> {
    let line = |(index, step): (usize, &StepView)| StepLine {
        position: index + 1,
        total: run.steps.len(),
        step: step.id.to_string(),
        iteration: step.iteration,
        state: state(step),
        ms: elapsed_ms(step),
        session: step.session.clone(),
        attempts: step.attempts.iter().filter(|attempt| is_of_pass(attempt, step.iteration)).count(),
    };
    run.steps.iter().enumerate().map(line).collect()
}

/// The result of one step, or of the last step that has one, exactly as the worker gave it.
///
/// It may hold anything: pass it through [`printable`](crate::text::printable) before it reaches a terminal.
#[must_use]
pub fn output<'a>(run: &'a RunView, step: Option<&StepId>) -> Option<&'a str> {
    match step {
        Some(id) => run.steps.iter().find(|step| step.id == *id).and_then(answer),
        None => run.steps.iter().rev().find_map(answer),
    }
}

pub(super) fn answer(step: &StepView) -> Option<&str> {
    step.text.as_deref().filter(|text| !text.is_empty())
}

/// Where the run stands, in a few words.
pub(super) fn standing(run: &RunView) -> String {
    match (&run.owner, run.interrupted) {
        (Some(owner), true) => {
            format!(
                "{}, interrupted: process {} on {} is gone",
                run.status.as_str(),
                owner.pid,
                plain(&owner.host, ID_CHARS)
            )
        }
        (None, true) => format!("{}, interrupted: the process that drove it is gone", run.status.as_str()),
        (Some(owner), false) => {
            format!(
                "{}, driven by process {} on {}",
                run.status.as_str(),
                owner.pid,
                plain(&owner.host, ID_CHARS)
            )
        }
        (None, false) => run.status.as_str().to_owned(),
    }
}

/// What becomes of the sessions, where that is not what one expects.
fn sessions(run: &RunView) -> Option<&'static str> {
    match (run.sessions, run.status) {
        (SessionPolicy::Keep, _) => None,
        (SessionPolicy::Delete, RunStatus::Success) => {
            Some("deleted, but those that somebody else used or has written in")
        }
        (SessionPolicy::Delete, RunStatus::Error | RunStatus::Cancelled) => {
            Some("kept, because the run did not succeed")
        }
        (SessionPolicy::Delete, _) => Some("to be deleted once the run has succeeded"),
    }
}

fn spent(run: &RunView) -> String {
    let tokens = run.tokens;
    format!(
        "{} at work, {} tokens read, {} written, {} reasoned, ${:.4}",
        duration(run.active_ms),
        tokens.input,
        tokens.output,
        tokens.reasoning,
        run.cost_usd
    )
}

/// `budget   850 of the run's budget of 1000 tokens, 85 %`.
fn budget_line(spent: &Spent) -> String {
    let percent = (100.0 * spent.used / spent.limit).floor();
    let used = spent.bound.amount(spent.used);
    format!("budget   {used} of {}, {percent} %", plain(&spent.budget(), SENTENCE_CHARS))
}

/// The steps in columns, each followed by what its attempts had to remark.
fn step_table(run: &RunView) -> Vec<String> {
    let lines = step_lines(run);
    let width = lines.iter().map(|line| line.name().chars().count()).max().unwrap_or(0);
    let mut table = Vec::new();
    for (step, line) in run.steps.iter().zip(lines) {
        table.push(format!("{:width$}  {}", line.name(), line.facts().join(", ")));
        table.extend(step.attempts.iter().flat_map(|attempt| remarks(step, attempt)));
    }
    table.extend(run.groups.iter().map(group_line));
    table
}

/// `polish: 2nd pass of 3, running`.
fn group_line(group: &GroupView) -> String {
    let id = plain(group.id.as_str(), ID_CHARS);
    match group.iteration {
        0 => format!("{id}: {}", word(&group.status)),
        iteration => format!("{id}: {} of {}, {}", pass(iteration), group.max, word(&group.status)),
    }
}

fn is_of_pass(attempt: &AttemptView, iteration: u32) -> bool {
    attempt.dispatch.iteration == iteration
}

fn remarks(step: &StepView, attempt: &AttemptView) -> Vec<String> {
    let number = attempt.dispatch.attempt;
    let which = match step.group {
        Some(_) => format!("{}, attempt {number}", pass(attempt.dispatch.iteration)),
        None => format!("attempt {number}"),
    };
    let remark = |grade: &str, code: String, message: &str| {
        format!("      {which}: {grade} {code}: {}", plain(message, SENTENCE_CHARS))
    };
    let mut remarks = Vec::new();
    remarks.extend(attempt.error.as_ref().map(|error| remark("error", word(&error.code), &error.message)));
    remarks.extend(
        attempt.warnings.iter().map(|warning| remark("warning", word(&warning.code), &warning.message)),
    );
    remarks
}

/// The outcome where there is one, with what became of it where that is not the same.
pub(super) fn state(step: &StepView) -> String {
    match (step.status, step.outcome) {
        (StepStatus::Done, Some(outcome)) if step.reused.is_some() => format!("{}, reused", word(&outcome)),
        (StepStatus::Done | StepStatus::Failed, Some(outcome)) => word(&outcome),
        (StepStatus::Gated, Some(outcome)) => format!("{}, waits at its gate", word(&outcome)),
        (StepStatus::Pending | StepStatus::Ready, None) => "not run".to_owned(),
        (StepStatus::InDoubt, _) => "in doubt".to_owned(),
        (status, _) => word(&status),
    }
}

/// From start to settle, all settled attempts together.
fn elapsed_ms(step: &StepView) -> Option<u64> {
    let spans: Vec<_> = step
        .attempts
        .iter()
        .filter_map(|attempt| Some(attempt.finished_at?.ms_since(attempt.started_at)))
        .collect();
    (!spans.is_empty()).then(|| spans.iter().sum())
}

fn gate_block(run: &RunView, gate: &Gate, tense: Tense) -> Vec<String> {
    let outcome = run.steps.iter().find(|step| step.id == gate.step).and_then(|step| step.outcome);
    let queued = if run.gate.as_ref().is_some_and(|open| open.id == gate.id) { "" } else { ", queued" };
    let mut lines = vec![
        format!(
            "gate {} at {}: {}{queued}",
            plain(&gate.id.0, ID_CHARS),
            plain(gate.step.as_str(), ID_CHARS),
            choice::reason(gate)
        ),
        format!("  {}", plain(&gate.message, SENTENCE_CHARS)),
    ];
    lines.extend(choice::unanswered(gate).map(|text| format!("  {text}")));
    if queued.is_empty() && tense == Tense::Present {
        lines.extend(choice_table(run, gate, outcome));
    }
    lines
}

fn choice_table(run: &RunView, gate: &Gate, outcome: Option<Outcome>) -> Vec<String> {
    let choices = choice::choices(&run.id, gate, outcome);
    let width = choices.iter().map(|choice| choice.command.len()).max().unwrap_or(0);
    choices.iter().map(|choice| format!("  {:width$}  {}", choice.command, choice.effect)).collect()
}

fn ask_block(ask: &Ask) -> Vec<String> {
    let what = match ask.kind {
        AskKind::Permission => "permission",
        AskKind::Question => "question",
    };
    let mut lines = vec![
        format!("{what} {} in session {}", plain(&ask.id.0, ID_CHARS), plain(&ask.session, ID_CHARS)),
        format!("  {}", plain(&ask.summary, SENTENCE_CHARS)),
    ];
    let choices = |labels: &Vec<String>| {
        let labels: Vec<_> = labels.iter().map(|label| plain(label, ID_CHARS)).collect();
        format!("  choices: {}", labels.join(" | "))
    };
    lines.extend(ask.options.iter().map(choices));
    lines
}

/// What to type next when no gate says it already.
fn way_on(run: &RunView) -> Option<String> {
    if run.interrupted {
        return Some(format!("go on with: {}", command::CONTINUE.on(&run.id)));
    }
    let results = run.steps.iter().filter(|step| answer(step).is_some()).count();
    (run.status.is_terminal() && results > 0)
        .then(|| format!("{} to read: {}", counted(results, "result"), command::OUTPUT.on(&run.id)))
}
