//! One line for each thing worth remembering.

use std::collections::{HashMap, HashSet};

use orch::{
    Event, EventBody, Outcome, RunStatus, RunView,
    config::id::StepId,
    ux::text::{duration, pass, plain},
    workflow::{
        attempt::DispatchId,
        event::StepProgress,
        record::GroupEnd,
        status::{CautionCode, StatusBody, WorkerStatus},
    },
};

use super::Paint;

/// Turns events into lines of text.
pub(crate) struct Lines {
    paint: Paint,
    steps: HashMap<StepId, Heard>,
    /// What people were told of workers and servers.
    cautions: HashSet<String>,
}

/// The longest title in a line.
const TITLE_CHARS: usize = 60;

/// `Review`, and from the second pass on `Review (2nd pass)`.
pub(super) fn titled(title: &str, dispatch: &DispatchId) -> String {
    let title = plain(title, TITLE_CHARS);
    if dispatch.iteration > 1 { format!("{title} ({})", pass(dispatch.iteration)) } else { title }
}

/// Whose server it is about.
pub(super) fn server_of(status: &StatusBody) -> String {
    match status {
        StatusBody::Worker(event) => plain(event.worker.as_str(), TITLE_CHARS),
        _ => "opencode".to_owned(),
    }
}

/// What earlier events said of a step.
#[derive(Default)]
struct Heard {
    title: String,
    session: String,
    /// Remarks on the attempt at work that have a line already.
    said: Vec<String>,
}

impl Lines {
    pub(crate) fn new(paint: Paint) -> Self {
        Self { paint, steps: HashMap::new(), cautions: HashSet::new() }
    }

    /// The line of an event, if it is worth one.
    pub(crate) fn event(&mut self, event: &Event) -> Option<String> {
        let paint = self.paint;
        Some(match &event.body {
            EventBody::RunStarted { workflow, task, forked_from, warnings, .. } => {
                let title = format!("{}  {}", paint.strong(workflow.as_str()), event.run);
                let from = forked_from.as_ref().map_or_else(String::new, |from| {
                    paint.faint(&format!(
                        "\n  goes on from {} at {}",
                        from.run,
                        plain(from.step.as_str(), 60)
                    ))
                });
                let mut line = format!("{title}\n{}{from}", paint.faint(&format!("  {}", plain(task, 100))));
                for warning in warnings {
                    if self.cautions.insert(warning.message.clone()) {
                        line.push_str(&format!("\n{}", self.remark(&warning.message)));
                    }
                }
                line
            }
            EventBody::StepReused { title, outcome, session, .. } => {
                let mark = if outcome.is_some() { paint.good("↺") } else { paint.faint("↺") };
                let session = session.as_deref().unwrap_or_default();
                format!("  {mark} {}  {}", plain(title, 60), paint.faint(&format!("reused  {session}")))
            }
            EventBody::RunRequested { request, by } => {
                paint.remark(&format!("  {request} requested by {by}"))
            }
            EventBody::StepStarted { step, title, worker, kind, dispatch, .. } => {
                let title = titled(title, dispatch);
                self.steps.entry(step.clone()).or_default().title.clone_from(&title);
                let again = match dispatch.attempt {
                    1 => String::new(),
                    attempt => format!(", attempt {attempt}"),
                };
                format!(
                    "  {} {title}  {}",
                    paint.faint("▸"),
                    paint.faint(&format!("{worker}, {kind}{again}"))
                )
            }
            EventBody::StepProgress { step, progress, .. } => return self.progress(step, progress),
            EventBody::StepSettled { step, outcome, error, warnings, active_ms, .. } => {
                let mark = match outcome {
                    Outcome::Ok => paint.good("✓"),
                    Outcome::Warning => paint.remark("!"),
                    Outcome::Error => paint.bad("✗"),
                };
                let Heard { title, session, said } = self.steps.entry(step.clone()).or_default();
                let facts = paint.faint(&format!("{}  {session}", duration(*active_ms)));
                let mut line = format!("  {mark} {title}  {facts}");
                let said = std::mem::take(said);
                for warning in warnings.iter().filter(|warning| !said.contains(&warning.message)) {
                    line.push_str(&format!("\n      {}", paint.remark(&plain(&warning.message, 200))));
                }
                if let Some(error) = error {
                    line.push_str(&format!("\n      {}", paint.bad(&plain(&error.message, 400))));
                }
                line
            }
            EventBody::StepSkipped { title, condition, .. } => {
                let why = format!("left out, because it does not hold: {}", plain(condition, 200));
                format!("  {} {}  {}", paint.faint("–"), plain(title, TITLE_CHARS), paint.faint(&why))
            }
            // The first pass is no news.
            EventBody::GroupIteration { iteration: 1, .. } => return None,
            EventBody::GroupIteration { title, iteration, .. } => {
                format!(
                    "  {} {}  {}",
                    paint.faint("↻"),
                    plain(title, TITLE_CHARS),
                    paint.faint(&pass(*iteration))
                )
            }
            EventBody::GroupFinished { title, end: GroupEnd::Skipped, .. } => {
                format!("  {} {}  {}", paint.faint("–"), plain(title, TITLE_CHARS), paint.faint("left out"))
            }
            EventBody::BudgetLow { step, message, .. } => {
                self.steps.entry(step.clone()).or_default().said.push(message.clone());
                format!("  {} {step}  {}", paint.remark("!"), plain(message, 200))
            }
            EventBody::Warning { step, warning } => {
                self.steps.entry(step.clone()).or_default().said.push(warning.message.clone());
                format!("  {} {step}  {}", paint.remark("!"), plain(&warning.message, 200))
            }
            EventBody::GateOpened { gate } => {
                let reason = serde_json::to_value(gate.reason).ok()?;
                let head = format!("gate {} after {} ({})", gate.id, gate.step, reason.as_str()?);
                format!(
                    "\n  {} {}\n    {}",
                    paint.remark("●"),
                    paint.strong(&head),
                    plain(&gate.message, 400)
                )
            }
            EventBody::GateResolved { gate, decision, by, .. } => {
                let decision = serde_json::to_value(decision).ok()?;
                format!("  {} gate {gate}: {} by {}", paint.good("●"), decision.as_str()?, plain(by, 80))
            }
            EventBody::AskOpened { step, ask } => {
                format!("  {} {step} asks: {}", paint.remark("?"), plain(&ask.summary, 300))
            }
            EventBody::AskResolved { ask, by, .. } => format!("    {ask} answered by {}", plain(by, 80)),
            _ => return None,
        })
    }

    /// The line of a change that people should know of.
    pub(crate) fn status(&mut self, status: &StatusBody) -> Option<String> {
        let text = match (status.warning(), status.status()) {
            (Some(_), _) => self.caution_of(status)?,
            (None, WorkerStatus::Failed) => format!("{}: {}", server_of(status), status.note()?),
            _ => return None,
        };
        Some(self.remark(&text))
    }

    /// What people should know of a change, each once, whoever says it first: a run that starts, or the worker.
    pub(crate) fn caution_of(&mut self, status: &StatusBody) -> Option<String> {
        let warning = status.warning()?;
        let text = match warning.code {
            CautionCode::WithoutEffect => warning.message.clone(),
            _ => format!("{}: {}", server_of(status), warning.message),
        };
        self.cautions.insert(text.clone()).then_some(text)
    }

    fn remark(&self, text: &str) -> String {
        format!("  {} {}", self.paint.remark("!"), plain(text, 400))
    }

    /// How a run stands when nothing moves any more.
    pub(crate) fn rest(&self, view: &RunView) -> String {
        let status = match view.status {
            RunStatus::Success => self.paint.good("success"),
            RunStatus::Paused => self.paint.remark("paused"),
            RunStatus::Running => self.paint.remark("interrupted"),
            RunStatus::Error => self.paint.bad("error"),
            RunStatus::Cancelled => self.paint.bad("cancelled"),
        };
        let tokens = view.tokens.input + view.tokens.output + view.tokens.reasoning;
        let mut cost = format!("{} at work, {tokens} tokens", duration(view.active_ms));
        if view.cost_usd > 0.0 {
            cost.push_str(&format!(", ${:.4}", view.cost_usd));
        }
        let mut text = format!("\n{status}  {}  {}", view.id, self.paint.faint(&cost));
        for note in &view.notes {
            text.push_str(&format!("\n  {}", self.paint.remark(&plain(note, 400))));
        }
        text
    }

    fn progress(&mut self, step: &StepId, progress: &StepProgress) -> Option<String> {
        match progress {
            StepProgress::Placed { session, .. } => {
                self.steps.entry(step.clone()).or_default().session.clone_from(session);
                None
            }
            StepProgress::InDoubt { reason } => {
                Some(format!("  {} {step} in doubt: {}", self.paint.remark("?"), plain(reason, 300)))
            }
            StepProgress::Backoff { error, .. } => Some(format!(
                "  {} {step} waits to try again: {}",
                self.paint.remark("…"),
                plain(&error.message, 300)
            )),
            _ => None,
        }
    }
}
