//! The journal's own format, versioned and apart from the public events.
//!
//! A run is the fold of its records. Fields are only ever added, with a default.

mod text;

use orch_config::{budget::Budget, id::StepId, policy::PolicyPatch, settings::SessionPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{path::PathBuf, sync::Arc};

use crate::{
    attachment::Attachment,
    attempt::{AttemptError, DispatchId, Outcome, RunId, Settled, Timestamp, Usage, Warning},
    decision::{Decision, Gate, GateId, Spent},
    plan::Plan,
    port::{Ask, AskId, AskPolicy, AskReply, Locator, SessionChoice},
    status::Caution,
};

/// The version of this format. A store that holds a newer one is refused.
pub const FORMAT_VERSION: u32 = 1;

/// One line of a run's journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its place in the journal, from 1, without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub body: RecordBody,
}

/// What a record says. Each variant is one fact; the fold of all is the run.
///
/// As text it is a part of its [`Record`], where `record` names the variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordBody {
    /// The run exists. Always the first record.
    RunStarted(Arc<RunStarted>),
    /// An attempt is about to be placed: the durable intent of everything that follows.
    AttemptStarted {
        /// Its name.
        dispatch: DispatchId,
        /// The rendered prompt.
        prompt: Arc<str>,
        /// The session it uses.
        session: SessionChoice,
    },
    /// A further prompt of a running attempt is about to be placed, in the attempt's session.
    TurnStarted {
        /// Its name: the attempt's, with the next turn.
        dispatch: DispatchId,
        /// The rendered prompt.
        prompt: Arc<str>,
        /// What it is for.
        #[serde(default, skip_serializing_if = "TurnPurpose::is_hand_off")]
        purpose: TurnPurpose,
    },
    /// Where the prompt will go. After this record, and never before it, the prompt may be sent.
    Placed {
        /// Which one.
        dispatch: DispatchId,
        /// Where.
        locator: Locator,
        /// The worker's session.
        session: String,
        /// The run's parent session, if the worker used or created one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_session: Option<String>,
    },
    /// What a prompt in flight has used so far. Noted where something follows from it; the result says the rest.
    Used {
        /// Which one.
        dispatch: DispatchId,
        /// How much, from its beginning on.
        usage: Usage,
    },
    /// A remark while the attempt runs.
    Warned {
        /// Which one.
        dispatch: DispatchId,
        /// The remark.
        warning: Warning,
    },
    /// The worker waits for a person.
    AskOpened {
        /// Which one.
        dispatch: DispatchId,
        /// For what.
        ask: Ask,
    },
    /// A person answered an ask. The answer may be handed to the worker from here on.
    AskAnswered {
        /// Which one.
        dispatch: DispatchId,
        /// To what.
        ask: AskId,
        /// The answer.
        reply: AskReply,
        /// Who.
        by: String,
    },
    /// The worker no longer waits.
    AskClosed {
        /// Which one.
        dispatch: DispatchId,
        /// For what.
        ask: AskId,
        /// Who or what answered.
        by: String,
    },
    /// A prompt was answered and the attempt goes on: the answer is kept, but it is not the step's result.
    Answered {
        /// Which one.
        dispatch: DispatchId,
        /// The answer; warnings that were journaled before are not repeated in it.
        result: Box<Settled>,
        /// The attempt's time at work so far, without waiting for people or limits.
        active_ms: u64,
        /// Why it does not match the step's schema; a repair is due when there are any.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        complaints: Vec<String>,
    },
    /// The attempt is being stopped. Its abort may be carried out from here on.
    Stopping {
        /// Which one.
        dispatch: DispatchId,
        /// Why.
        why: StopReason,
    },
    /// The attempt has its one result.
    Settled {
        /// Which one.
        dispatch: DispatchId,
        /// The result; warnings that were journaled before are not repeated in it.
        result: Box<Settled>,
        /// The attempt's time at work, without waiting for people or limits.
        active_ms: u64,
        /// What may still be at work on the host, because its abort was not confirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        still_runs: Option<String>,
    },
    /// A step failed for good, or a condition of a group did, and nobody is to be asked. The run ends as `error`
    /// once what else is in flight has been aborted.
    Failing {
        /// The step or group.
        step: StepId,
        /// Why.
        error: AttemptError,
    },
    /// The condition of a step does not hold: it is left out.
    Skipped {
        /// The step.
        step: StepId,
    },
    /// The result of a step in the run that this one was forked from is its result here. Nothing was sent.
    Reused {
        /// The step.
        step: StepId,
        /// Its result there.
        result: Box<ReusedResult>,
    },
    /// A pass of a group begins. Its steps are as if they had never begun.
    IterationStarted {
        /// The group.
        group: StepId,
        /// Which pass, from 1.
        iteration: u32,
    },
    /// A group is done: there will be no further pass.
    GroupEnded {
        /// The group.
        group: StepId,
        /// Why.
        end: GroupEnd,
    },
    /// The attempt cannot be known to have run. It ends here, without a result.
    InDoubt {
        /// Which one.
        dispatch: DispatchId,
        /// Why.
        reason: String,
    },
    /// The step waits before its next automatic attempt.
    BackedOff {
        /// The attempt that failed.
        dispatch: DispatchId,
        /// Until when.
        until: Timestamp,
        /// Why.
        error: AttemptError,
    },
    /// A gate opened.
    GateOpened {
        /// The gate.
        gate: Gate,
    },
    /// A gate was answered.
    GateResolved {
        /// Which one.
        gate: GateId,
        /// How.
        decision: Decision,
        /// A change of policy for the rest of the run.
        #[serde(default)]
        policy: PolicyPatch,
        /// Bounds that hold for the rest of the run: at a gate over a step's budget those of the step, else the run's.
        #[serde(default, skip_serializing_if = "Budget::is_unbounded")]
        budget: Budget,
        /// By whom; `timeout` for a default that applied by itself.
        by: String,
    },
    /// Somebody asked for a pause.
    PauseRequested {
        /// Who.
        by: String,
    },
    /// Somebody asked for the end of the run.
    CancelRequested {
        /// Who.
        by: String,
    },
    /// The run rests at its gate: nothing is in flight.
    Paused,
    /// The run goes on.
    Resumed,
    /// The run has ended. Always the last record.
    Finished {
        /// How.
        status: RunStatus,
        /// Why, where it did not succeed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<AttemptError>,
        /// What people must know about how it ended, such as a session that may still run.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
}

/// Why a group is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GroupEnd {
    /// Its condition holds.
    Satisfied,
    /// Its condition does not hold, and a person took the result as it is.
    Accepted,
    /// It has not begun, and is left out with all its steps.
    Skipped,
}

/// What a further prompt of an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TurnPurpose {
    /// The person has finished: what is there to hand over?
    #[default]
    HandOff,
    /// The answer does not match its schema: once more, please.
    Repair,
}

impl TurnPurpose {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
    fn is_hand_off(&self) -> bool {
        *self == Self::HandOff
    }
}

/// Why an attempt is stopped before it has its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StopReason {
    /// Its active time ran out.
    Timeout {
        /// The time it had.
        limit_ms: u64,
    },
    /// A person wants the step stopped and the run left at a gate.
    Interrupted {
        /// Who.
        by: String,
    },
    /// A budget is spent.
    Budget {
        /// Which bound.
        spent: Spent,
    },
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Timeout { limit_ms } => write!(f, "not done after {limit_ms} ms of active time"),
            Self::Interrupted { by } => write!(f, "interrupted by {by}"),
            Self::Budget { spent } => write!(f, "stopped, because {spent}"),
        }
    }
}

/// Everything that a run was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The journal's format.
    pub format: u32,
    /// The run.
    pub run: RunId,
    /// The definition, whole, so that the run can always be finished as it began.
    pub plan: Plan,
    /// The digest of `plan`.
    pub digest: String,
    /// The task.
    pub task: String,
    /// The policy given with the run, over the workflow's own.
    #[serde(default)]
    pub policy: PolicyPatch,
    /// The bounds given with the run, over the workflow's own.
    #[serde(default, skip_serializing_if = "Budget::is_unbounded")]
    pub budget: Budget,
    /// The parent session given with the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_session: Option<String>,
    /// The project directory.
    pub directory: PathBuf,
    /// What to do with asks that no rule answers.
    #[serde(default)]
    pub asks: AskPolicy,
    /// Files for every step that needs no other step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Free data of the embedder, never looked at.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
    /// The run that this one goes on from, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
    /// What was known about its workers beforehand, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Caution>,
    /// What becomes of the sessions of its workers once it has succeeded.
    #[serde(default, skip_serializing_if = "SessionPolicy::is_keep")]
    pub sessions: SessionPolicy,
}

/// Where a run was forked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForkedFrom {
    /// The run. It may be forgotten meanwhile.
    pub run: RunId,
    /// The number of its last record at that time.
    pub seq: u64,
    /// The step, or group, that began anew.
    pub step: StepId,
}

/// A result that a run has from the one it was forked from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReusedResult {
    /// The latest attempt, in the run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DispatchId>,
    /// The worker's session there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// `None` for a step that was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The text.
    pub text: String,
    /// The structured output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// How many attempts it took, in its last pass.
    #[serde(default)]
    pub attempts: u32,
    /// The remarks on the latest one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Work is in flight or about to be.
    Running,
    /// A gate waits for a decision.
    Paused,
    /// Every step is done or was left out by decision.
    Success,
    /// A step failed for good, or a decision ended the run.
    Error,
    /// The run was cancelled.
    Cancelled,
}

impl RunStatus {
    /// Whether nothing can happen any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Error | Self::Cancelled)
    }

    /// The word used everywhere outside.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}
