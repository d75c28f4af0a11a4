//! The state machine of one run. Pure: time, results and decisions come in; records and effects go out.
//!
//! The caller makes the records of a [`Batch`] durable *before* it commits the batch and carries out what
//! [`Machine::commit`] releases. Nothing else changes the state, and [`Machine::replay`] goes the same way, so
//! replaying a journal can never cause an effect.

use crate::{
    attempt::{AttemptError, DispatchId, Settled, Warning},
    decision::{Decision, GateId},
    port::{Ask, AskId, AskReply, Dispatch, Locator, Placement},
};
use orch_config::policy::PolicyPatch;

/// Something that happened and that the machine must take into account.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// A process takes the run up, the first time or after another: unfinished work is probed before anything
    /// else, and what is due is dispatched.
    TakenUp,
    /// `place` answered.
    Placed {
        /// Which dispatch.
        dispatch: DispatchId,
        /// Where it goes, or why it cannot.
        result: Result<Placement, AttemptError>,
    },
    /// The worker showed a sign of life.
    Alive {
        /// Which dispatch.
        dispatch: DispatchId,
    },
    /// The worker waits for something that costs no active time, or the wait is over.
    Waiting {
        /// Which dispatch.
        dispatch: DispatchId,
        /// Whether it waits now.
        waiting: bool,
    },
    /// A remark of the worker while it is at work.
    Warned {
        /// Which dispatch.
        dispatch: DispatchId,
        /// The remark.
        warning: Warning,
    },
    /// The worker waits for a person.
    AskOpened {
        /// Which dispatch.
        dispatch: DispatchId,
        /// For what.
        ask: Ask,
    },
    /// The worker no longer waits.
    AskClosed {
        /// Which dispatch.
        dispatch: DispatchId,
        /// For what.
        ask: AskId,
        /// Who or what answered.
        by: String,
    },
    /// The attempt has its result.
    Settled {
        /// Which dispatch.
        dispatch: DispatchId,
        /// The result.
        result: Box<Settled>,
    },
    /// A probe found that the prompt never arrived.
    NeverArrived {
        /// Which dispatch.
        dispatch: DispatchId,
    },
    /// A probe found the work still going on; it is followed again.
    Attached {
        /// Which dispatch.
        dispatch: DispatchId,
    },
    /// It cannot be known what became of the dispatch.
    Unknown {
        /// Which dispatch.
        dispatch: DispatchId,
        /// Why.
        reason: String,
    },
    /// An abort ended: confirmed, or not.
    AbortEnded {
        /// Which dispatch.
        dispatch: DispatchId,
        /// Whether the host confirmed that it is at rest.
        result: Result<(), AttemptError>,
    },
    /// A person answers a gate.
    Decide {
        /// Which gate; `None` means the open one.
        gate: Option<GateId>,
        /// The answer.
        decision: Decision,
        /// A change of policy for the rest of the run.
        policy: PolicyPatch,
        /// Who.
        by: String,
    },
    /// A person wants the run to stop before its next dispatch.
    Pause {
        /// Who.
        by: String,
    },
    /// A person wants the run to end.
    Cancel {
        /// Who.
        by: String,
    },
    /// A person answers an ask.
    Answer {
        /// Which.
        ask: AskId,
        /// How.
        reply: AskReply,
        /// Who.
        by: String,
    },
    /// The time that [`next_deadline`](self) named has come.
    Tick,
}

/// What the machine wants and what must be durable first.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "append the records, then commit the batch"]
pub struct Batch {
    /// To be appended in one atomic write; may be empty.
    pub records: Vec<crate::record::Record>,
    /// Released by `commit`.
    pub(crate) effects: Vec<Effect>,
}

/// Something to be done now that its intent is durable.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Call `place`.
    Place(Box<Dispatch>),
    /// Call `send` and follow the task.
    Send(Box<Dispatch>, Locator),
    /// Call `probe`, then follow, settle or report what it found.
    Probe(Box<Dispatch>, Locator),
    /// Call `abort`.
    Abort(DispatchId, Locator),
    /// Call `answer`.
    Answer(DispatchId, Locator, AskId, AskReply),
}
