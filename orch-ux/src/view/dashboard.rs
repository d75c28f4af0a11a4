//! All runs and workers of a project: what waits for whom, and what it costs. `orch dashboard` shows it.

use orch_workflow::{
    attempt::{RunId, Timestamp},
    record::RunStatus,
    view::{RunView, Tokens},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    step_lines,
    workers::{Workers, workers},
};
use crate::{
    command,
    page::Page,
    step_line::StepLine,
    text::{counted, duration, plain, word},
    why::{State, Wait, WaitFor, why},
};

const TASK_CHARS: usize = 120;
const WORDS: usize = 160;

/// The runs of a project and their workers, at one moment. The serialised form is that of `orch dashboard --json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Dashboard {
    /// The runs that have not ended, newest first, then as many of the ended ones as were asked for.
    pub runs: Vec<RunRow>,
    /// How many ended runs are not among them.
    pub left_out: usize,
    /// The runs whose journal cannot be read, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// The workers of the runs that have not ended, and the moment.
    #[serde(flatten)]
    pub workers: Workers,
    /// What all runs of the project took, those that are left out included.
    pub tokens: Tokens,
    /// The same in US dollars.
    pub cost_usd: f64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct RunRow {
    /// The run.
    pub run: RunId,
    /// The workflow.
    pub workflow: String,
    /// The task.
    pub task: String,
    /// Its status.
    pub status: RunStatus,
    /// Where it stands, finer than its status.
    pub state: State,
    /// Its steps, each in a line; empty for a run that has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepLine>,
    /// How many of its steps are over.
    pub steps_over: usize,
    /// How many steps it has.
    pub steps_total: usize,
    /// What it waits for, and who can move it; the most pressing first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Wait>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Time at work, in milliseconds.
    pub active_ms: u64,
    /// Tokens spent.
    pub tokens: Tokens,
    /// Money spent, in US dollars.
    pub cost_usd: f64,
}

/// A run that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Damaged {
    /// The run.
    pub run: RunId,
    /// Why.
    pub reason: String,
}

impl Damaged {
    /// This run cannot be read, because of this.
    pub fn new(run: RunId, reason: impl Into<String>) -> Self {
        Self { run, reason: reason.into() }
    }
}

/// The dashboard of these runs, which come newest first, at the moment `now`; of those that have ended, the newest
/// `ended` only.
#[must_use]
pub fn dashboard(runs: &[RunView], damaged: Vec<Damaged>, now: Timestamp, ended: usize) -> Dashboard {
    let (over, open): (Vec<&RunView>, Vec<&RunView>) = runs.iter().partition(|run| run.status.is_terminal());
    let mut tokens = Tokens::default();
    for run in runs {
        tokens.input += run.tokens.input;
        tokens.output += run.tokens.output;
        tokens.reasoning += run.tokens.reasoning;
    }
    Dashboard {
        runs: open.iter().chain(over.iter().take(ended)).map(|run| row(run, now)).collect(),
        left_out: over.len().saturating_sub(ended),
        damaged,
        workers: workers(open.iter().copied(), now),
        tokens,
        // The sum of nothing is -0.
        cost_usd: runs.iter().map(|run| run.cost_usd).sum::<f64>() + 0.0,
    }
}

fn row(run: &RunView, now: Timestamp) -> RunRow {
    let why = why(run, now);
    RunRow {
        run: run.id.clone(),
        workflow: run.workflow.to_string(),
        task: run.task.clone(),
        status: run.status,
        state: why.state,
        steps: if run.status.is_terminal() { Vec::new() } else { step_lines(run) },
        steps_over: run.steps.iter().filter(|step| step.status.is_over()).count(),
        steps_total: run.steps.len(),
        waits: why.waits,
        started_at: run.started_at,
        finished_at: run.finished_at,
        active_ms: run.active_ms,
        tokens: run.tokens,
        cost_usd: run.cost_usd,
    }
}

impl Dashboard {
    /// The same for people.
    #[must_use]
    pub fn page(&self) -> Page {
        let mut page = Page::new();
        let (over, open): (Vec<_>, Vec<_>) = self.runs.iter().partition(|row| row.status.is_terminal());
        if self.runs.is_empty() && self.damaged.is_empty() {
            page.line(&format!("no runs yet; start one with `{}`", command::RUN.form));
            return page;
        }
        page.heading(
            1,
            &format!("{} open, ${:.4} spent in this project", counted(open.len(), "run"), self.cost_usd),
        );
        for row in open {
            row.write(&mut page, self.workers.at);
        }
        if !self.workers.workers.is_empty() {
            page.heading(2, "Workers");
            self.workers.write(&mut page);
        }
        if !over.is_empty() {
            page.heading(2, "Ended");
            page.table(
                &["run", "workflow", "status", "ago", "at work", "cost", "task"],
                over.iter().map(|row| row.ended(self.workers.at)),
            );
        }
        if self.left_out > 0 {
            page.line(&format!("{} more: {}", counted(self.left_out, "ended run"), command::RUNS.form));
        }
        page.items(
            self.damaged.iter().map(|damaged| format!("{} cannot be read: {}", damaged.run, damaged.reason)),
        );
        page
    }
}

impl RunRow {
    fn write(&self, page: &mut Page, now: Timestamp) {
        let Tokens { input, output, .. } = self.tokens;
        let stands = format!(
            "{} of {}, {}, {}/{} steps",
            self.run,
            self.workflow,
            word(&self.state),
            self.steps_over,
            self.steps_total
        );
        page.heading(2, &stands);
        page.line(&plain(&self.task, TASK_CHARS));
        page.line(&format!(
            "{} at work, {input} tokens read, {output} written, ${:.4}",
            duration(self.active_ms),
            self.cost_usd
        ));
        page.items(self.steps.iter().map(ToString::to_string));
        let cells = |wait: &Wait| {
            let step = wait.step.as_ref().map(ToString::to_string).unwrap_or_default();
            vec![step, whom(&wait.what), what(&wait.what), duration(now.ms_since(wait.since))]
        };
        page.table(&["step", "waits for", "because of", "since"], self.waits.iter().map(cells));
        // A gate behind another one is answered in its turn.
        let first = |wait: &&Wait| !matches!(wait.what, WaitFor::Decision { behind: 1.., .. });
        let moves = self.waits.iter().filter(first).flat_map(|wait| &wait.movers);
        page.commands(moves.filter_map(|mover| Some((mover.command.clone()?, mover.effect.clone()))));
    }

    fn ended(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.run.to_string(),
            self.workflow.clone(),
            self.status.as_str().to_owned(),
            self.finished_at.map(|at| duration(now.ms_since(at))).unwrap_or_default(),
            duration(self.active_ms),
            format!("${:.4}", self.cost_usd),
            plain(&self.task, TASK_CHARS),
        ]
    }
}

/// Whom a step waits for.
fn whom(what: &WaitFor) -> String {
    match what {
        WaitFor::Decision { .. } => "your decision",
        WaitFor::Permission { answered_by: None, .. } => "your permission",
        WaitFor::Question { answered_by: None, .. } => "your answer",
        WaitFor::HostRetry { .. } | WaitFor::Limit { .. } => "the provider",
        WaitFor::Probe => "the host",
        WaitFor::Backoff { .. } => "its next attempt",
        WaitFor::Turn => "its turn",
        WaitFor::Driver => "a process to drive it",
        _ => "its worker",
    }
    .to_owned()
}

/// Because of what, in a few words.
fn what(what: &WaitFor) -> String {
    let text = match what {
        WaitFor::Decision { reason, gate, behind: 0, .. } => format!("gate {gate}, {reason}"),
        WaitFor::Decision { reason, gate, behind, .. } => format!("gate {gate}, {reason}, behind {behind}"),
        WaitFor::Permission { summary, .. } | WaitFor::Question { summary, .. } => summary.clone(),
        WaitFor::Worker => "it gets ready".to_owned(),
        WaitFor::Answer => "it is at work".to_owned(),
        WaitFor::Model => "the model writes".to_owned(),
        WaitFor::Tool { tool } => format!("{tool} runs"),
        WaitFor::HostRetry { attempt, message } => format!("try {attempt}: {message}"),
        WaitFor::Probe => "what became of its prompt".to_owned(),
        WaitFor::Stop { reason } | WaitFor::Limit { reason } | WaitFor::Backoff { reason } => reason.clone(),
        WaitFor::Turn => "it is due".to_owned(),
        WaitFor::Driver => "the one that did is gone".to_owned(),
    };
    plain(&text, WORDS)
}
