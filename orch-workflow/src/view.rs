//! Plain snapshots of a run, for frontends. The serialised form is the stable JSON of `orch show --json`.

mod activity;

use orch_config::{
    id::{ProfileId, StepId, WorkflowId},
    kind::WorkerKind,
    policy::{Execution, Intervene},
    settings::SessionPolicy,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::activity::{ActivityView, Doing};
use crate::{
    attempt::{DispatchId, ErrorCode, Outcome, RunId, Timestamp, Usage, Warning},
    decision::{Gate, Spent},
    port::Ask,
    record::{ForkedFrom, ReusedResult, RunStatus},
    status::Caution,
};

/// A run as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// Where it stands.
    pub status: RunStatus,
    /// What it works on.
    pub task: String,
    /// The session whose children the subagents are, once there is one.
    pub parent_session: Option<String>,
    /// The policy in force.
    pub execution: Execution,
    /// The policy in force.
    pub intervene: Intervene,
    /// The gate that waits for a decision.
    pub gate: Option<Gate>,
    /// Gates behind it, oldest first.
    pub gates: Vec<Gate>,
    /// Open permissions and questions.
    pub asks: Vec<Ask>,
    /// The process that drives the run.
    pub owner: Option<OwnerView>,
    /// The run says `running`, but the process that drove it is gone.
    pub interrupted: bool,
    /// The steps, in plan order.
    pub steps: Vec<StepView>,
    /// The groups of steps that are repeated together, in plan order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupView>,
    /// Tokens spent.
    pub tokens: Tokens,
    /// Money spent, in US dollars.
    pub cost_usd: f64,
    /// Time at work, in milliseconds.
    pub active_ms: u64,
    /// The bounds in force and what of them is used: the run's, then those of its steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Spent>,
    /// The run that this one was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
    /// What was known about its workers when it started, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Caution>,
    /// What becomes of the sessions of its workers once it has succeeded.
    #[serde(default, skip_serializing_if = "SessionPolicy::is_keep")]
    pub sessions: SessionPolicy,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it did not succeed, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorView>,
    /// What people must know about how it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Somebody asked for a pause, and what is at work finishes first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pausing: bool,
    /// The end that was asked for, while what is in flight is being stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<EndingView>,
    /// The number of the last record.
    pub seq: u64,
    /// When it was written.
    #[serde(default)]
    pub last_at: Timestamp,
}

/// An end that is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndingView {
    /// What the run will have ended as.
    pub status: RunStatus,
    /// Why, and by whom.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// The process that holds a run's lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnerView {
    /// Its process id.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// Since when it drives.
    pub since: Timestamp,
    /// When its lease ends unless it is renewed, where nobody here can see whether the process lives: on another
    /// machine, or in another container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// Not yet due.
    Pending,
    /// Due, not yet dispatched.
    Ready,
    /// At work.
    Running,
    /// Settled, waiting at a gate.
    Gated,
    /// Waiting for its next automatic attempt.
    Backoff,
    /// Nobody can know whether its prompt was carried out.
    InDoubt,
    /// It has its result.
    Done,
    /// It failed for good.
    Failed,
    /// It was left out.
    Skipped,
}

impl StepStatus {
    /// Whether nothing of it is left to do.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Skipped)
    }
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct StepView {
    /// Its id.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: StepStatus,
    /// How its latest settled attempt ended.
    pub outcome: Option<Outcome>,
    /// The group that it is repeated with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<StepId>,
    /// The pass of its group, from 1. Status, outcome, text and output are those of this pass.
    pub iteration: u32,
    /// The worker profile.
    pub worker: ProfileId,
    /// What the worker runs as.
    pub kind: WorkerKind,
    /// The worker's latest session.
    pub session: Option<String>,
    /// That its result comes from the run which this one was forked from: it has no attempts here and cost nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<ReusedView>,
    /// Its attempts, oldest first, those of earlier passes included: `dispatch` says which pass each belongs to.
    pub attempts: Vec<AttemptView>,
    /// Its result's text.
    pub text: Option<String>,
    /// Its result's structured output.
    pub output: Option<Value>,
    /// When its next automatic attempt is due, in status `backoff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why its attempt is being stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<StoppingView>,
    /// The permissions and questions that its worker waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<AskView>,
    /// What its prompt in flight is about, as far as it is known where this view was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<ActivityView>,
}

/// An attempt that is being stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoppingView {
    /// Why, in words.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// A permission or a question that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AskView {
    /// What is asked.
    pub ask: Ask,
    /// Since when.
    pub since: Timestamp,
    /// Who has answered it, when the worker has not taken the answer yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
}

/// Where the result of a step comes from that was not at work in this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ReusedView {
    /// The latest attempt there, in the run that made it; `None` for a step that was left out there.
    pub from: Option<DispatchId>,
    /// How many attempts it took there, in its last pass.
    pub attempts: u32,
    /// The remarks on the latest one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl StepView {
    /// Its result, as a run that is forked from this one takes it over.
    pub(crate) fn as_reused(&self) -> ReusedResult {
        let of_this_pass = |attempt: &&AttemptView| attempt.dispatch.iteration == self.iteration;
        let here = ReusedView {
            from: self.attempts.last().map(|attempt| attempt.dispatch.clone()),
            attempts: self.attempts.iter().filter(of_this_pass).count().try_into().unwrap_or(u32::MAX),
            warnings: self.attempts.last().map_or_else(Vec::new, |attempt| attempt.warnings.clone()),
        };
        let ReusedView { from, attempts, warnings } = self.reused.clone().unwrap_or(here);
        ReusedResult {
            from,
            session: self.session.clone(),
            outcome: self.outcome,
            text: self.text.clone().unwrap_or_default(),
            output: self.output.clone(),
            attempts,
            warnings,
        }
    }
}

/// Steps that are repeated together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct GroupView {
    /// Its id.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// Where it stands: `running` during its passes, `gated` when it waits for a decision about them.
    pub status: StepStatus,
    /// The pass under way or the last one, from 1; 0 before the first.
    pub iteration: u32,
    /// The last pass that begins without a decision.
    pub max: u32,
}

/// One attempt of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct AttemptView {
    /// Its latest dispatch.
    pub dispatch: DispatchId,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it settled.
    pub finished_at: Option<Timestamp>,
    /// Its time at work, in milliseconds, without waiting for people or limits; what is at work now is not in it yet.
    #[serde(default)]
    pub active_ms: u64,
    /// Tokens spent, as far as they are known.
    #[serde(default)]
    pub tokens: Tokens,
    /// Money spent, in US dollars, as far as it is known.
    #[serde(default)]
    pub cost_usd: f64,
    /// Its failure.
    pub error: Option<ErrorView>,
    /// Its remarks.
    pub warnings: Vec<Warning>,
}

/// A failure, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorView {
    /// Its class.
    pub code: ErrorCode,
    /// In words.
    pub message: String,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self { input: usage.input, output: usage.output, reasoning: usage.reasoning }
    }
}

/// Tokens spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// Read by the model.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Spent on reasoning.
    pub reasoning: u64,
}
