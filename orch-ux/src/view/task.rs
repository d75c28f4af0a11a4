//! A run as the model sees it that delegated it: a task with an answer, or the reason why there is none yet.

use orch_config::id::{MAX_CHARS, ProfileId, WorkflowId};
use orch_workflow::{
    attempt::{RunId, Timestamp},
    decision::Gate,
    record::RunStatus,
    view::{ErrorView, RunView},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::output;
use crate::{page::Page, text::plain, why::why};

/// The longest answer that goes into a model's context, in Unicode scalar values; the whole is in the run.
pub const ANSWER_CHARS: usize = 24_000;

const TASK_CHARS: usize = 200;
const SINGLE: &str = "task:";

/// The workflow of a task for one worker, in the length that an id may have. It stands in no configuration.
#[must_use]
pub fn single(worker: &ProfileId) -> String {
    format!("{SINGLE}{worker}").chars().take(MAX_CHARS).collect()
}

/// Whether a workflow is that of a task for one worker.
#[must_use]
pub fn is_single(workflow: &WorkflowId) -> bool {
    workflow.as_str().starts_with(SINGLE)
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Task {
    /// Names it; the id of its run.
    pub task_id: RunId,
    /// Who works on it.
    pub kind: TaskKind,
    /// The worker of a task for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// The workflow of any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// What is to be done, shortened.
    pub task: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// What the caller can do about it.
    pub next: Next,
    /// Where it stands and what it waits for, in words, with the commands that move it on.
    pub standing: String,
    /// The gate at which it waits for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// The answer, once there is one. That of a task which did not succeed may be incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Whether the answer is longer than this, and where the whole of it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorView>,
    /// What a reader of the answer should know.
    pub warnings: Vec<String>,
    /// The sessions of its workers.
    pub sessions: Vec<String>,
    /// Time at work, in milliseconds.
    pub active_ms: u64,
    /// Money spent, in US dollars.
    pub cost_usd: f64,
}

/// Who works on a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// One worker.
    Worker,
    /// The workers of a workflow.
    Workflow,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TaskStatus {
    /// It is worked on.
    Running,
    /// It waits at a gate for a person.
    Paused,
    /// The process that drove it is gone, and nobody works on it.
    Interrupted,
    /// It is done.
    Succeeded,
    /// It ended without success.
    Failed,
    /// It was called off.
    Cancelled,
}

/// What the caller can do about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Next {
    /// Wait for it.
    TaskAwait,
    /// Tell a person, who alone can move it on.
    TellThePerson,
    /// Nothing more.
    Nothing,
}

impl TaskStatus {
    /// Whether nothing changes as long as nobody does something.
    #[must_use]
    pub fn is_at_rest(self) -> bool {
        self != Self::Running
    }

    fn next(self) -> Next {
        match self {
            Self::Running => Next::TaskAwait,
            Self::Paused | Self::Interrupted => Next::TellThePerson,
            Self::Succeeded | Self::Failed | Self::Cancelled => Next::Nothing,
        }
    }
}

/// The task that this run is.
#[must_use]
pub fn task(run: &RunView, now: Timestamp) -> Task {
    let worker = run.steps.first().filter(|_| is_single(&run.workflow)).map(|step| step.worker.to_string());
    let status = status(run);
    let (answer, cut) = answer(run, status);
    let warnings = run.steps.iter().filter_map(|step| step.attempts.last()).flat_map(|last| &last.warnings);
    Task {
        task_id: run.id.clone(),
        kind: if worker.is_some() { TaskKind::Worker } else { TaskKind::Workflow },
        workflow_id: worker.is_none().then(|| run.workflow.to_string()),
        worker_id: worker,
        task: plain(&run.task, TASK_CHARS),
        status,
        next: status.next(),
        standing: why(run, now).text,
        gate: run.gate.clone(),
        answer,
        cut,
        error: run.error.clone(),
        warnings: warnings
            .map(|warning| plain(&warning.message, TASK_CHARS))
            .chain(run.notes.clone())
            .collect(),
        sessions: run.steps.iter().filter_map(|step| step.session.clone()).collect(),
        active_ms: run.active_ms,
        cost_usd: run.cost_usd,
    }
}

fn status(run: &RunView) -> TaskStatus {
    match run.status {
        RunStatus::Running if run.interrupted => TaskStatus::Interrupted,
        RunStatus::Running => TaskStatus::Running,
        RunStatus::Paused => TaskStatus::Paused,
        RunStatus::Success => TaskStatus::Succeeded,
        RunStatus::Error => TaskStatus::Failed,
        RunStatus::Cancelled => TaskStatus::Cancelled,
    }
}

/// What is said while it is worked on is not the answer yet.
fn answer(run: &RunView, status: TaskStatus) -> (Option<String>, Option<String>) {
    let text = if status == TaskStatus::Running { None } else { output(run, None) };
    let Some(text) = text else { return (None, None) };
    match text.char_indices().nth(ANSWER_CHARS) {
        None => (Some(text.to_owned()), None),
        Some((end, _)) => {
            let whole = crate::command::OUTPUT.on(&run.id);
            let cut = format!("these are the first {ANSWER_CHARS} characters; the whole is in `{whole}`");
            (text.get(..end).map(str::to_owned), Some(cut))
        }
    }
}

impl Task {
    /// The same for people.
    #[must_use]
    pub fn page(&self) -> Page {
        let mut page = Page::new();
        page.body(&self.standing);
        if let Some(answer) = &self.answer {
            page.body(answer);
        }
        page
    }
}
