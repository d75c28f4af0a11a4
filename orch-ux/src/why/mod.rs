//! Why a run stands where it stands: what it waits for, since when, and who can move it.
//!
//! [`why`] is a pure function of a run's view and the time. It is total: there is no state of a run in which it has
//! nothing to say, and every command in its sentences is in the [registry](crate::command).

mod sentence;
mod wait;

use orch_config::id::StepId;
use orch_workflow::{
    attempt::{RunId, Timestamp},
    view::{OwnerView, RunView},
};
use schemars::JsonSchema;
use serde::Serialize;

/// The explanation of a run, as data and as one paragraph. The serialised form is that of `orch why --json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Why {
    /// The run.
    pub run: RunId,
    /// Where it stands.
    pub state: State,
    /// The process that drives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerView>,
    /// What it waits for, the most pressing first; empty once it has ended.
    pub waits: Vec<Wait>,
    /// Everything in one paragraph, for people. One line, without control characters.
    pub text: String,
}

/// Where a run stands: finer than its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// Work is in flight, or about to be.
    AtWork,
    /// The same, and a pause was asked for: the next settle opens a gate.
    Pausing,
    /// An end was asked for, and what is in flight is being stopped.
    Ending,
    /// A gate is open while other steps are still at work: nothing new begins.
    GateWithWork,
    /// It rests at its gate.
    Paused,
    /// The process that drove it is gone.
    Interrupted,
    /// It has ended.
    Finished,
}

/// One thing that a run waits for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Wait {
    /// For what.
    #[serde(flatten)]
    pub what: WaitFor,
    /// The step that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// Since when.
    pub since: Timestamp,
    /// When it is over by itself, at the latest, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Who can move it, and how. Empty where only time or the worker can.
    pub movers: Vec<Mover>,
}

/// What a run may wait for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "for", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WaitFor {
    /// A decision at a gate.
    Decision {
        /// The gate.
        gate: String,
        /// Why it opened.
        reason: String,
        /// What may be decided.
        allowed: Vec<String>,
        /// What happens by itself at `until`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<String>,
        /// Gates that are answered before it.
        behind: usize,
    },
    /// A person to allow something.
    Permission {
        /// Names it.
        ask: String,
        /// What is to be allowed.
        summary: String,
        /// Who has answered it, when the worker has not taken the answer yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered_by: Option<String>,
    },
    /// A person to answer a question.
    Question {
        /// Names it.
        ask: String,
        /// The question.
        summary: String,
        /// Who has answered it, when the worker has not taken the answer yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered_by: Option<String>,
    },
    /// A worker to get ready.
    Worker,
    /// A worker's answer, of which no more is known here.
    Answer,
    /// The model to reason or write.
    Model,
    /// A tool to end.
    Tool {
        /// Its name.
        tool: String,
    },
    /// The host's next try of a failed model call.
    HostRetry {
        /// Which try.
        attempt: u32,
        /// Why.
        message: String,
    },
    /// The host to say what became of a prompt.
    Probe,
    /// A worker to stop.
    Stop {
        /// Why it is stopped.
        reason: String,
    },
    /// A provider's limit, or whatever else costs no active time.
    Limit {
        /// In words.
        reason: String,
    },
    /// The time of the next automatic attempt.
    Backoff {
        /// Why the latest one failed.
        reason: String,
    },
    /// Its turn, which comes as soon as the process that drives the run has taken it up.
    Turn,
    /// A process to drive the run: the one that did is gone.
    Driver,
}

/// Somebody who can move a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Mover {
    /// Who.
    pub who: Who,
    /// What it does.
    pub effect: String,
    /// The command that does it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Who can move a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Who {
    /// Anybody, from any process on the run's store.
    Anybody,
    /// A person in a session of the host.
    Session(String),
}

/// Explains a run as it stands in `run`, at the time `now`.
#[must_use]
pub fn why(run: &RunView, now: Timestamp) -> Why {
    let state = state(run);
    let waits = wait::all(run, state);
    let text = sentence::paragraph(run, state, &waits, now);
    Why { run: run.id.clone(), state, owner: run.owner.clone(), waits, text }
}

fn state(run: &RunView) -> State {
    let in_flight = run.steps.iter().any(|step| step.activity.is_some());
    if run.status.is_terminal() {
        State::Finished
    } else if run.interrupted {
        State::Interrupted
    } else if run.ending.is_some() {
        State::Ending
    } else if run.gate.is_some() && in_flight {
        State::GateWithWork
    } else if run.gate.is_some() {
        State::Paused
    } else if run.pausing {
        State::Pausing
    } else {
        State::AtWork
    }
}
