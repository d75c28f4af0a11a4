//! What a settled attempt means for the run: the gate table.
//!
//! Pure and total. The machine asks it once for every attempt that settles; the reasons that open a gate under
//! every policy (`aborted`, `in-doubt`, …) and a pause on request are the machine's own business.

use orch_config::policy::{Execution, Intervene, Policy};

use crate::{
    attempt::Outcome,
    decision::{DecisionKind, GateReason},
};

/// Whether anything remains to be dispatched after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkLeft {
    /// Another step, or another pass of a group, is still due.
    Yes,
    /// This was the last.
    No,
}

/// What happens after an attempt has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next step may start.
    GoOn,
    /// The run has succeeded.
    Succeed,
    /// The run has failed.
    Fail,
    /// A person decides.
    Gate(GateReason),
}

/// Decides what happens once an attempt has settled. Total: every cell of the gate table.
#[must_use]
pub fn gate(policy: Policy, outcome: Outcome, left: WorkLeft) -> Verdict {
    use Intervene::{Always, Never, OnWarning};
    let stepwise = policy.execution == Execution::Step;
    match outcome {
        Outcome::Error if stepwise || policy.intervene != Never => Verdict::Gate(reason(policy)),
        Outcome::Error => Verdict::Fail,
        Outcome::Warning if matches!(policy.intervene, OnWarning | Always) => Verdict::Gate(reason(policy)),
        Outcome::Warning | Outcome::Ok if left == WorkLeft::No => Verdict::Succeed,
        Outcome::Warning | Outcome::Ok if stepwise || policy.intervene == Always => {
            Verdict::Gate(reason(policy))
        }
        Outcome::Warning | Outcome::Ok => Verdict::GoOn,
    }
}

/// The part of the policy that a gate names as its reason: the broadest one.
fn reason(policy: Policy) -> GateReason {
    match (policy.execution, policy.intervene) {
        (Execution::Step, _) => GateReason::ExecutionStep,
        (Execution::Auto, Intervene::Always) => GateReason::InterveneAlways,
        (Execution::Auto, Intervene::OnWarning) => GateReason::InterveneOnWarning,
        // `never` has no gate of its own; the table never asks for its reason.
        (Execution::Auto, Intervene::OnError | Intervene::Never) => GateReason::InterveneOnError,
    }
}

/// What a gate stands behind, as far as that decides what may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// An attempt with an answer.
    Answer,
    /// An attempt without a usable answer.
    Failure,
    /// Nothing: the step that the gate names has not begun.
    Nothing,
    /// A whole pass of a group.
    Pass,
    /// The condition of a group that has not begun.
    Condition,
}

/// The decisions that a gate allows, in the order in which people are offered them.
#[must_use]
pub fn allowed(reason: GateReason, behind: Behind) -> Vec<DecisionKind> {
    use DecisionKind::{Abort, Continue, Replace, Retry, Skip};
    match (reason, behind) {
        (GateReason::InDoubt, _) => vec![Retry, Skip, Replace, Abort],
        (GateReason::Budget, _) => vec![Continue, Skip, Replace, Abort],
        (GateReason::DefinitionChanged, _) | (_, Behind::Nothing) => vec![Continue, Abort],
        (GateReason::LoopExhausted, _) | (_, Behind::Pass) => vec![Continue, Retry, Abort],
        (_, Behind::Condition) => vec![Continue, Retry, Skip, Abort],
        (GateReason::Interactive, _) => vec![Continue, Replace, Abort],
        (_, Behind::Failure) => vec![Continue, Retry, Skip, Replace, Abort],
        (_, Behind::Answer) => vec![Continue, Retry, Replace, Abort],
    }
}
