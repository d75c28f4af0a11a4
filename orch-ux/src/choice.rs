//! What may be decided at a gate, in words and as commands.

use orch_workflow::{
    attempt::{Outcome, RunId},
    decision::{Bound, DecisionKind, Gate, GateReason},
};
use serde::Serialize;

use crate::{
    command,
    text::{duration, plain, word},
};

/// The longest step id in a line.
const STEP_CHARS: usize = 64;

/// One decision that a gate allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Choice {
    /// The decision.
    pub decision: DecisionKind,
    /// The command that makes it.
    pub command: String,
    /// What it does here.
    pub effect: String,
}

/// The decisions that the gate allows, in its own order; `outcome` is that of the gate's step, if it has one.
#[must_use]
pub fn choices(run: &RunId, gate: &Gate, outcome: Option<Outcome>) -> Vec<Choice> {
    let choice = |&decision: &DecisionKind| Choice {
        decision,
        command: command::deciding(decision).on(run) + terms(decision, gate),
        effect: effect(decision, gate, outcome),
    };
    gate.allowed.iter().map(choice).collect()
}

/// What a decision takes beside its name.
fn terms(decision: DecisionKind, gate: &Gate) -> &'static str {
    match gate.budget.as_ref().filter(|_| decision == DecisionKind::Continue).map(|spent| spent.bound) {
        Some(Bound::Tokens) => " --max-tokens N",
        Some(Bound::CostUsd) => " --max-cost USD",
        Some(Bound::ActiveMs) => " --max-active TIME",
        _ => "",
    }
}

/// The word of a gate's reason: `intervene=on-error`.
#[must_use]
pub fn reason(gate: &Gate) -> String {
    word(&gate.reason)
}

/// What happens to the gate when nobody answers, if anything.
#[must_use]
pub fn unanswered(gate: &Gate) -> Option<String> {
    let wait = gate.expires_at?.ms_since(gate.opened_at);
    Some(format!(
        "unanswered, it takes {} by itself {} after it opened",
        word(&gate.default?),
        duration(wait)
    ))
}

fn effect(decision: DecisionKind, gate: &Gate, outcome: Option<Outcome>) -> String {
    let step = plain(gate.step.as_str(), STEP_CHARS);
    match decision {
        DecisionKind::Continue if is_after_pass(gate) => "accept the result as it is".to_owned(),
        DecisionKind::Continue => continuing(gate.reason, &step, outcome),
        DecisionKind::Retry if is_after_pass(gate) => "allow as many passes again".to_owned(),
        DecisionKind::Retry => format!("try {step} again; --note TEXT adds to its prompt"),
        DecisionKind::Skip => format!("leave {step} out"),
        DecisionKind::Replace => {
            format!("take a file as the result of {step}, or --from-session its session's latest answer")
        }
        DecisionKind::Abort => "end the run as an error".to_owned(),
    }
}

/// Whether the gate is about the passes of a group: what is allowed tells, because they cannot be given a result.
fn is_after_pass(gate: &Gate) -> bool {
    gate.allows(DecisionKind::Retry)
        && !gate.allows(DecisionKind::Replace)
        && !gate.allows(DecisionKind::Skip)
}

fn continuing(reason: GateReason, step: &str, outcome: Option<Outcome>) -> String {
    match (reason, outcome) {
        (GateReason::DefinitionChanged, _) => "finish with the definition the run began with".to_owned(),
        (GateReason::Interactive, _) => format!("ask the worker of {step} for its hand-off"),
        (GateReason::Budget, _) => format!("go on with {step}; the budget must be higher than what is used"),
        (_, Some(Outcome::Error)) => format!("try {step} again"),
        (_, Some(Outcome::Ok | Outcome::Warning)) => "go on with the next step".to_owned(),
        (_, None) => "go on".to_owned(),
    }
}
