//! What the machine is told.

use orch_config::{budget::Budget, policy::PolicyPatch};

use crate::{
    attempt::{AttemptError, DispatchId, Settled, Usage, Warning},
    decision::{Decision, GateId},
    port::{Ask, AskId, AskReply, Placement},
};

/// Something that happened and that the machine must take into account.
///
/// Inputs about a dispatch that is not live any more, late or repeated, are answered with an empty batch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// A process takes the run up, the first time or after another: unfinished work is probed before anything
    /// else, and what is due is dispatched.
    TakenUp,
    /// The workflow's definition is no longer the journaled one. Told before [`TakenUp`](Self::TakenUp).
    DefinitionChanged {
        /// What changed, in words.
        message: String,
    },
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
    /// What the worker has used for this prompt so far.
    Used {
        /// Which dispatch.
        dispatch: DispatchId,
        /// How much, from its beginning on.
        usage: Usage,
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
    /// The attempt has its result: from its task, from a probe, or because it was refused.
    Settled {
        /// Which dispatch.
        dispatch: DispatchId,
        /// The result.
        result: Box<Settled>,
    },
    /// Nobody follows the work any more: `send` ended in doubt, or its task ended without a result. It is probed.
    Lost {
        /// Which dispatch.
        dispatch: DispatchId,
        /// What happened.
        error: AttemptError,
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
        /// Bounds for the rest of the run.
        budget: Budget,
        /// Who.
        by: String,
    },
    /// A person wants the run to stop before its next dispatch.
    Pause {
        /// Who.
        by: String,
    },
    /// A person wants the step at work stopped, and the run left at a gate.
    Interrupt {
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
    /// The process that drives the run did not run meanwhile, and with it none of its clocks: it was stopped, or its
    /// machine slept. Told before anything that is due by now.
    StoodStill {
        /// For how long, up to now.
        ms: u64,
    },
    /// The time that [`next_deadline`](super::Machine::next_deadline) named has come.
    Tick,
}
