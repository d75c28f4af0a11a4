//! Gates and the decisions that answer them, as data.

mod spent;

use std::fmt;

use orch_config::{budget::Budget, id::StepId, policy::PolicyPatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::spent::{Bound, Spent};
use crate::{
    attempt::Timestamp,
    port::{AskId, AskReply, SessionChoice},
};

/// Names one gate of a run: `g` and the journal number of its opening.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct GateId(pub String);

impl fmt::Display for GateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a run stopped to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GateReason {
    /// Somebody asked for a pause.
    User,
    /// The policy goes step by step.
    #[serde(rename = "execution=step")]
    ExecutionStep,
    /// The policy always asks.
    #[serde(rename = "intervene=always")]
    InterveneAlways,
    /// The policy asks on warnings (and errors).
    #[serde(rename = "intervene=on-warning")]
    InterveneOnWarning,
    /// The policy asks on errors.
    #[serde(rename = "intervene=on-error")]
    InterveneOnError,
    /// Nobody can know whether the prompt was carried out.
    InDoubt,
    /// A budget is spent.
    Budget,
    /// The workflow's definition differs from the journaled one.
    DefinitionChanged,
    /// A foreground worker talks to a person.
    Interactive,
    /// A group reached its bound without its condition.
    LoopExhausted,
    /// A person aborted the step's turn.
    Aborted,
    /// The same failure three times running.
    RepeatedFailure,
}

/// The kinds of decision, for `allowed` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DecisionKind {
    /// Go on.
    Continue,
    /// Try the step again.
    Retry,
    /// Leave the step out.
    Skip,
    /// Give the step's result.
    Replace,
    /// End the run.
    Abort,
}

impl GateReason {
    /// The word used everywhere outside.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ExecutionStep => "execution=step",
            Self::InterveneAlways => "intervene=always",
            Self::InterveneOnWarning => "intervene=on-warning",
            Self::InterveneOnError => "intervene=on-error",
            Self::InDoubt => "in-doubt",
            Self::Budget => "budget",
            Self::DefinitionChanged => "definition-changed",
            Self::Interactive => "interactive",
            Self::LoopExhausted => "loop-exhausted",
            Self::Aborted => "aborted",
            Self::RepeatedFailure => "repeated-failure",
        }
    }
}

impl DecisionKind {
    /// The word used everywhere outside.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Replace => "replace",
            Self::Abort => "abort",
        }
    }
}

/// The answer to a gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Decision {
    /// Go on; after an error this retries the failed step.
    Continue,
    /// Go on after a talk: the worker answers this for the parent, in the place of a summary. It counts as
    /// [`DecisionKind::Continue`].
    HandOff {
        /// What the parent wants to know.
        question: String,
    },
    /// Try the step again.
    Retry {
        /// Appended to the prompt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// The session to use; `same` unless the conversation no longer fits the model.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionChoice>,
    },
    /// Leave the step out: its text is empty, its output null.
    Skip,
    /// This counts as the step's result.
    Replace {
        /// The text.
        text: String,
        /// The structured output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
    },
    /// End the run as `error`.
    Abort,
}

impl Decision {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> DecisionKind {
        match self {
            Self::Continue | Self::HandOff { .. } => DecisionKind::Continue,
            Self::Retry { .. } => DecisionKind::Retry,
            Self::Skip => DecisionKind::Skip,
            Self::Replace { .. } => DecisionKind::Replace,
            Self::Abort => DecisionKind::Abort,
        }
    }
}

/// An open gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Gate {
    /// Names it.
    pub id: GateId,
    /// The step whose attempt settled, or that comes next.
    pub step: StepId,
    /// Why it opened.
    pub reason: GateReason,
    /// What may be decided.
    pub allowed: Vec<DecisionKind>,
    /// What happens by itself at `expires_at`, if anything.
    pub default: Option<DecisionKind>,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When the default applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// One sentence for people: what happened and what `continue` would do.
    pub message: String,
    /// The bound that is spent, where the reason is `budget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Spent>,
}

impl Gate {
    /// Whether `kind` may answer it.
    #[must_use]
    pub fn allows(&self, kind: DecisionKind) -> bool {
        self.allowed.contains(&kind)
    }

    /// Whether its time is over by then, so that its default counts, whoever was there to apply it.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A decision on its way to a gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRequest {
    /// The gate it answers; `None` answers the one that is open, as a person at a terminal means it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateId>,
    /// The answer.
    pub answer: Answer,
    /// A change of policy for the rest of the run.
    #[serde(default)]
    pub policy: PolicyPatch,
    /// Bounds for the rest of the run, in the place of those there were: at a gate over a step's budget those of the
    /// step, else the run's. `continue` at a gate over a budget needs more than is used.
    #[serde(default, skip_serializing_if = "Budget::is_unbounded")]
    pub budget: Budget,
    /// Who decided, for the journal.
    pub by: String,
}

impl DecisionRequest {
    /// This decision for the gate that is open.
    pub fn new(decision: Decision, by: impl Into<String>) -> Self {
        let answer = Answer::Decision(decision);
        let (policy, budget) = (PolicyPatch::default(), Budget::default());
        Self { gate: None, answer, policy, budget, by: by.into() }
    }

    /// The same for this gate and no other.
    #[must_use]
    pub fn at(mut self, gate: GateId) -> Self {
        self.gate = Some(gate);
        self
    }

    /// The same with a change of policy for the rest of the run.
    #[must_use]
    pub fn with_policy(mut self, policy: PolicyPatch) -> Self {
        self.policy = policy;
        self
    }

    /// The same with these bounds for the rest of the run.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }
}

/// What a decision request asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// This decision.
    Decision(Decision),
    /// `replace` with the latest answer in the worker's session; the driver reads it first.
    ReplaceFromSession,
}

impl Answer {
    /// What is decided.
    #[must_use]
    pub fn kind(&self) -> DecisionKind {
        match self {
            Self::Decision(decision) => decision.kind(),
            Self::ReplaceFromSession => DecisionKind::Replace,
        }
    }
}

/// Something that any process may ask of a run; its owner takes it up within a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Request {
    /// Open a gate before the next dispatch.
    Pause {
        /// Who asks.
        by: String,
    },
    /// End the run as `cancelled` once the work in flight is aborted.
    Cancel {
        /// Who asks.
        by: String,
    },
    /// Stop the step at work and leave the run at a gate.
    Interrupt {
        /// Who asks.
        by: String,
    },
    /// Answer a gate.
    Decide(DecisionRequest),
    /// Answer a permission or a question.
    Answer {
        /// Which one.
        ask: AskId,
        /// The answer.
        reply: AskReply,
        /// Who answers.
        by: String,
    },
}

/// What became of a [`Request`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reply {
    /// It took effect.
    Accepted,
    /// The run ended before it could take effect.
    FinishedFirst,
    /// It was refused.
    Refused(Rejected),
}

/// Why an input to a run was refused. Nothing was journaled and nothing changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rejected {
    /// The gate has been answered already.
    #[error("gate {gate} was already answered with {} by {by}", .decision.as_str())]
    GateAlreadyResolved {
        /// The gate.
        gate: GateId,
        /// By whom.
        by: String,
        /// How.
        decision: DecisionKind,
    },
    /// No such gate is open.
    #[error("gate {gate} is not open in this run")]
    StaleGate {
        /// The gate that was named.
        gate: GateId,
    },
    /// Nothing waits for a decision.
    #[error("no gate is open: the run is {status}")]
    NoGate {
        /// The run's status.
        status: String,
    },
    /// The gate does not allow this decision.
    #[error("gate {gate} ({reason}) does not allow this decision; allowed: {allowed}")]
    NotAllowed {
        /// The gate.
        gate: GateId,
        /// Its reason.
        reason: String,
        /// The allowed kinds, for people.
        allowed: String,
    },
    /// The run has ended, or only waits for what is in flight before it does.
    #[error("the run has ended as {status}")]
    Ended {
        /// How.
        status: String,
    },
    /// No such permission or question is open.
    #[error("no ask {ask} is open in this run")]
    UnknownAsk {
        /// The ask that was named.
        ask: AskId,
    },
    /// The decision itself is invalid, for the reason given.
    #[error("{message}")]
    Invalid {
        /// The reason.
        message: String,
    },
}

impl Rejected {
    /// A stable machine code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::GateAlreadyResolved { .. } => "orch::run::gate-already-resolved",
            Self::StaleGate { .. } => "orch::run::stale-gate",
            Self::NoGate { .. } => "orch::run::no-gate",
            Self::NotAllowed { .. } => "orch::run::decision-not-allowed",
            Self::Ended { .. } => "orch::run::ended",
            Self::UnknownAsk { .. } => "orch::run::unknown-ask",
            Self::Invalid { .. } => "orch::run::invalid-decision",
        }
    }
}
