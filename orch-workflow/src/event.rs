//! The public event stream: what happened in a run, decoupled from the journal's format.
//!
//! Every journaled event has the `seq` of its record, so the stream can be replayed from any number. Live
//! progress carries the last committed `seq` and `live: true`; it is lossy. What workers do outside of any journal is a
//! [`Status`] in the same stream.

mod projector;
pub mod schema;

use std::sync::Arc;

use orch_config::{
    budget::Budget,
    id::{ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
    policy::PolicyPatch,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::projector::Projector;
use crate::{
    attempt::{DispatchId, Outcome, RunId, Timestamp, Usage, Warning},
    decision::{DecisionKind, Gate, GateId},
    port::{Ask, AskId, Progress},
    record::{ForkedFrom, GroupEnd, RunStatus, TurnPurpose},
    status::{Caution, Status},
    view::{ErrorView, Tokens},
};

/// What the public stream consists of, one JSON object each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Told {
    /// Something happened in a run.
    Event(Event),
    /// A worker, or the host, does something else now.
    Status(Status),
}

/// One event of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The number of its record, or of the last one before it for a live event.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The run.
    pub run: RunId,
    /// Whether it is live progress, which is never replayed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// What.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum EventBody {
    /// A run began.
    #[serde(rename = "run.started")]
    RunStarted {
        /// The workflow.
        workflow: WorkflowId,
        /// The task.
        task: String,
        /// The steps, in plan order.
        steps: Vec<StepId>,
        /// The order of the steps on one line, for people: `plan → code + docs → review`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        order: String,
        /// The groups of steps that are repeated together.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<StepId>,
        /// The parent session given with the run.
        parent_session: Option<String>,
        /// The run that this one was forked from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forked_from: Option<ForkedFrom>,
        /// What people should know about its workers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<Caution>,
    },
    /// Somebody asked for a pause or for the end; it takes effect as soon as it can.
    #[serde(rename = "run.requested")]
    RunRequested {
        /// `pause` or `cancel`.
        request: String,
        /// Who.
        by: String,
    },
    /// A run rests at its gate.
    #[serde(rename = "run.paused")]
    RunPaused,
    /// A run goes on.
    #[serde(rename = "run.resumed")]
    RunResumed,
    /// A run ended.
    #[serde(rename = "run.finished")]
    RunFinished {
        /// How.
        status: RunStatus,
        /// Why, where it did not succeed.
        error: Option<ErrorView>,
        /// What people must know about how it ended.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// An attempt of a step began.
    #[serde(rename = "step.started")]
    StepStarted {
        /// The step.
        step: StepId,
        /// Its title.
        title: String,
        /// The attempt.
        dispatch: DispatchId,
        /// The worker profile.
        worker: ProfileId,
        /// What the worker runs as.
        kind: WorkerKind,
        /// Whether a person takes part.
        #[serde(default, skip_serializing_if = "ExecutionMode::is_background")]
        execution: ExecutionMode,
        /// The prompt as the worker gets it.
        prompt: Arc<str>,
    },
    /// The carry of an attempt was trimmed to its limits.
    #[serde(rename = "carry.trimmed")]
    CarryTrimmed {
        /// The step whose prompt has the carry.
        step: StepId,
        /// The attempt.
        dispatch: DispatchId,
        /// What was trimmed.
        message: String,
    },
    /// A step moved on.
    #[serde(rename = "step.progress")]
    StepProgress {
        /// The step.
        step: StepId,
        /// The attempt.
        dispatch: DispatchId,
        /// How.
        progress: StepProgress,
    },
    /// An attempt of a step ended.
    #[serde(rename = "step.settled")]
    StepSettled {
        /// The step.
        step: StepId,
        /// The attempt.
        dispatch: DispatchId,
        /// How.
        outcome: Outcome,
        /// The answer.
        text: String,
        /// The structured answer, where the step asks for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
        /// The failure.
        error: Option<ErrorView>,
        /// The remarks.
        warnings: Vec<Warning>,
        /// Time at work.
        active_ms: u64,
        /// What the attempt took, child sessions included.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokens: Option<Tokens>,
        /// The same in US dollars, as the host reports them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_usd: Option<f64>,
    },
    /// A step was left out because its condition does not hold.
    #[serde(rename = "step.skipped")]
    StepSkipped {
        /// The step.
        step: StepId,
        /// Its title.
        title: String,
        /// The condition.
        condition: String,
    },
    /// A step has its result from the run that this one was forked from; nothing was sent.
    #[serde(rename = "step.reused")]
    StepReused {
        /// The step.
        step: StepId,
        /// Its title.
        title: String,
        /// The attempt that gave it, in the run that made it.
        from: Option<DispatchId>,
        /// How it ended there; `null` for a step that was left out.
        outcome: Option<Outcome>,
        /// The answer.
        text: String,
        /// The worker's session there.
        session: Option<String>,
    },
    /// A pass of a group began.
    #[serde(rename = "group.iteration")]
    GroupIteration {
        /// The group.
        group: StepId,
        /// Its title.
        title: String,
        /// Which pass, from 1.
        iteration: u32,
        /// Its steps, which are as if they had not begun.
        steps: Vec<StepId>,
    },
    /// A group is done.
    #[serde(rename = "group.finished")]
    GroupFinished {
        /// The group.
        group: StepId,
        /// Its title.
        title: String,
        /// Why.
        end: GroupEnd,
        /// Its steps.
        steps: Vec<StepId>,
    },
    /// A gate opened.
    #[serde(rename = "gate.opened")]
    GateOpened {
        /// The gate.
        gate: Gate,
    },
    /// A gate was answered.
    #[serde(rename = "gate.resolved")]
    GateResolved {
        /// The gate.
        gate: GateId,
        /// How.
        decision: DecisionKind,
        /// The change of policy that came with it.
        policy: PolicyPatch,
        /// The bounds that came with it.
        #[serde(default, skip_serializing_if = "Budget::is_unbounded")]
        budget: Budget,
        /// By whom.
        by: String,
    },
    /// A worker waits for a person.
    #[serde(rename = "ask.opened")]
    AskOpened {
        /// The step.
        step: StepId,
        /// What it asks.
        ask: Ask,
    },
    /// A worker no longer waits.
    #[serde(rename = "ask.resolved")]
    AskResolved {
        /// The step.
        step: StepId,
        /// Which ask.
        ask: AskId,
        /// Who or what answered.
        by: String,
    },
    /// Most of a budget is used up.
    #[serde(rename = "budget.low")]
    BudgetLow {
        /// The step.
        step: StepId,
        /// The attempt.
        dispatch: DispatchId,
        /// Whose budget, and how much of it.
        message: String,
    },
    /// The run fails: what else is at work is being stopped, and it will end as `error`. Told once.
    #[serde(rename = "error")]
    Error {
        /// The step or group that it fails at, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// Why.
        error: ErrorView,
    },
    /// A remark while an attempt runs.
    #[serde(rename = "warning")]
    Warning {
        /// The step.
        step: StepId,
        /// The remark.
        warning: Warning,
    },
}

impl EventBody {
    /// The type of the event, as it stands in its JSON: `step.settled`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run.started",
            Self::RunRequested { .. } => "run.requested",
            Self::RunPaused => "run.paused",
            Self::RunResumed => "run.resumed",
            Self::RunFinished { .. } => "run.finished",
            Self::StepStarted { .. } => "step.started",
            Self::CarryTrimmed { .. } => "carry.trimmed",
            Self::StepProgress { .. } => "step.progress",
            Self::StepSettled { .. } => "step.settled",
            Self::StepSkipped { .. } => "step.skipped",
            Self::StepReused { .. } => "step.reused",
            Self::GroupIteration { .. } => "group.iteration",
            Self::GroupFinished { .. } => "group.finished",
            Self::GateOpened { .. } => "gate.opened",
            Self::GateResolved { .. } => "gate.resolved",
            Self::AskOpened { .. } => "ask.opened",
            Self::AskResolved { .. } => "ask.resolved",
            Self::BudgetLow { .. } => "budget.low",
            Self::Error { .. } => "error",
            Self::Warning { .. } => "warning",
        }
    }
}

/// How a step moved on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "phase", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StepProgress {
    /// Its prompt has a place to go: people can open the session from now on.
    Placed {
        /// The worker's session.
        session: String,
        /// The run's parent session.
        parent_session: Option<String>,
    },
    /// A further prompt, such as the request for a hand-off, goes to the same session.
    Turn {
        /// The prompt as the worker gets it.
        prompt: Arc<str>,
        /// What it is for.
        #[serde(default)]
        purpose: TurnPurpose,
    },
    /// A prompt was answered; the attempt goes on.
    Answered {
        /// The answer.
        text: String,
    },
    /// Its prompt has used this much so far.
    Used {
        /// Tokens.
        tokens: Tokens,
        /// Money, in US dollars.
        cost_usd: f64,
    },
    /// It is being stopped.
    Stopping {
        /// Why, in words.
        reason: String,
    },
    /// Nobody can know whether its prompt was carried out.
    InDoubt {
        /// Why.
        reason: String,
    },
    /// It waits before its next automatic attempt.
    Backoff {
        /// Until when.
        until: Timestamp,
        /// Why.
        error: ErrorView,
    },
    /// It waits for something that costs no active time.
    Waiting {
        /// For what.
        reason: String,
        /// Until when, if known.
        until: Option<Timestamp>,
    },
    /// A sign of life of the worker.
    Worker {
        /// Which.
        #[serde(flatten)]
        progress: Progress,
    },
}

impl StepProgress {
    pub(crate) fn used(usage: Usage) -> Self {
        Self::Used { tokens: usage.into(), cost_usd: usage.cost_usd }
    }
}
