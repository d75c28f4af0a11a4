//! What the person at the gates of an exploration says, and what is nobody's business but the explorer's.

use orch_config::budget::Budget;

use crate::{
    attempt::{Warning, WarningCode},
    decision::{Bound, Decision, Gate, GateReason},
    view::{AttemptView, RunView},
};

/// Unless told otherwise, what failed is tried once more, then left out, and everything else goes on.
pub(crate) fn once_more_then_skip(view: &RunView, gate: &Gate) -> Decision {
    let step = view.steps.iter().find(|step| step.id == gate.step);
    let attempts = step.map_or(0, |step| step.attempts.len());
    match gate.reason {
        GateReason::InDoubt if attempts < 2 => Decision::Retry { note: None, session: None },
        _ if gate.allows(Decision::Skip.kind()) && attempts >= 2 => Decision::Skip,
        _ => Decision::Continue,
    }
}

/// Whether there is nothing to remark on but that the result was found after a restart.
pub(crate) fn was_only_adopted(attempt: &AttemptView) -> bool {
    let only_adopted = |warning: &Warning| warning.code == WarningCode::Reconciled;
    attempt.error.is_none() && attempt.warnings.iter().all(only_adopted)
}

pub(crate) fn latest_attempt<'v>(view: &'v RunView, gate: &Gate) -> Option<&'v AttemptView> {
    view.steps.iter().find(|step| step.id == gate.step)?.attempts.last()
}

/// At a gate over a budget: twice what is used, so that the run can go on.
pub(crate) fn enough(gate: &Gate) -> Budget {
    let mut budget = Budget::default();
    if let Some(spent) = &gate.budget {
        let more = 2.0 * spent.used + 1.0;
        match spent.bound {
            Bound::Tokens => budget.max_tokens = Some(more as u64),
            Bound::CostUsd => budget.max_cost_usd = Some(more),
            Bound::ActiveMs => budget.max_active_ms = Some(more as u64),
        }
    }
    budget
}
