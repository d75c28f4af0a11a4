//! Gates: how they open, and how they are answered.

use orch_config::{budget::Budget, policy::PolicyPatch};

use crate::{
    attempt::Outcome,
    decision::{Decision, DecisionKind, Gate, GateId, GateReason, Rejected, Spent},
    gate::{Behind, allowed},
    machine::{
        budget,
        dispatch::advance,
        draft::Draft,
        graph::Node,
        output::{self, DEEPEST},
        requests,
        settle::deeper_than,
        state::{Resolved, State},
    },
    record::{GroupEnd, RecordBody},
    view::StepStatus,
};

/// Opens a gate behind those that are open already.
pub(crate) fn open(draft: &mut Draft<'_>, node: Node, reason: GateReason, message: String) {
    open_over(draft, node, reason, message, None);
}

/// The same over a budget that is spent.
pub(crate) fn over_budget(draft: &mut Draft<'_>, step: usize, spent: Spent, message: String) {
    open_over(draft, Node::Step(step), GateReason::Budget, message, Some(spent));
}

fn open_over(draft: &mut Draft<'_>, node: Node, reason: GateReason, message: String, budget: Option<Spent>) {
    let state = &draft.state;
    let allowed = allowed(reason, behind(state, node));
    let default = state.plan().gate_default.filter(|default| allowed.contains(default));
    // A person in the middle of a talk is never cut short.
    let default = default.filter(|_| reason != GateReason::Interactive);
    // More can be spent only by somebody who says how much.
    let default = default.filter(|default| budget.is_none() || *default != DecisionKind::Continue);
    let timeout = state.plan().gate_timeout_ms.filter(|_| default.is_some());
    let gate = Gate {
        id: GateId(format!("g{}", state.seq + 1)),
        step: state.id_of(node).clone(),
        reason,
        allowed,
        default: default.filter(|_| timeout.is_some()),
        opened_at: draft.now,
        expires_at: timeout.map(|timeout| draft.now.plus_ms(timeout)),
        message,
        budget,
    };
    draft.record(RecordBody::GateOpened { gate });
}

fn behind(state: &State, node: Node) -> Behind {
    let step = match node {
        Node::Step(step) => step,
        Node::Group(group) if state.groups[group].iteration == 0 => return Behind::Condition,
        Node::Group(_) => return Behind::Pass,
    };
    match (state.steps[step].status, state.steps[step].outcome) {
        (StepStatus::Pending | StepStatus::Ready, _) => Behind::Nothing,
        (_, Some(Outcome::Error)) => Behind::Failure,
        _ => Behind::Answer,
    }
}

/// The journaled definition is no longer the one in the files: a person has to know before anything new begins.
pub(crate) fn definition_changed(draft: &mut Draft<'_>, changes: &str) {
    if draft.state.status.is_terminal() {
        return;
    }
    let message = format!(
        "the workflow's definition has changed: {changes}; `continue` finishes with the journaled one, a fork of the \
         run goes on with the new one"
    );
    let same = |gate: &Gate| gate.reason == GateReason::DefinitionChanged && gate.message == message;
    let known = draft.state.gates.iter().any(|gate| same(gate))
        || draft.state.resolved.iter().any(|resolved| same(&resolved.gate));
    let Some(node) = draft.state.first_open().filter(|_| !known) else { return };
    open(draft, node, GateReason::DefinitionChanged, message);
    advance(draft);
}

/// A person answers a gate, with everything that follows from it in the same batch.
pub(crate) fn decide(
    draft: &mut Draft<'_>,
    gate: Option<GateId>,
    decision: Decision,
    terms: Terms,
) -> Result<(), Rejected> {
    let gate = addressed(&draft.state, gate)?;
    let decision = checked(&draft.state, &gate, decision)?;
    budget::check(terms.budget)?;
    if decision == Decision::Continue {
        budget::check_raised(draft, &gate, terms.budget)?;
    }
    resolve(draft, &gate, decision, terms);
    Ok(())
}

/// What comes with a decision.
pub(crate) struct Terms {
    pub(crate) policy: PolicyPatch,
    pub(crate) budget: Budget,
    pub(crate) by: String,
}

/// A gate's time is over.
pub(crate) fn expire(draft: &mut Draft<'_>, gate: &GateId) {
    let Some(gate) = draft.state.gate(gate).cloned() else { return };
    let decision = match gate.default {
        Some(DecisionKind::Continue) => Decision::Continue,
        Some(DecisionKind::Retry) => Decision::Retry { note: None, session: None },
        Some(DecisionKind::Skip) => Decision::Skip,
        Some(DecisionKind::Abort) => Decision::Abort,
        // A result cannot be made up.
        Some(DecisionKind::Replace) | None => return,
    };
    let (policy, budget) = (PolicyPatch::default(), Budget::default());
    resolve(draft, &gate, decision, Terms { policy, budget, by: "timeout".to_owned() });
}

/// The group that a gate is about, if it is about one.
pub(crate) fn group_asking(state: &State, gate: &Gate) -> Option<usize> {
    match state.node(&gate.step)? {
        Node::Group(group) if gate.reason != GateReason::DefinitionChanged => Some(group),
        _ => None,
    }
}

fn addressed(state: &State, gate: Option<GateId>) -> Result<Gate, Rejected> {
    let resolved = |id: &GateId| state.resolved.iter().find(|resolved| resolved.gate.id == *id);
    if let Some(Resolved { gate, by, decision }) = gate.as_ref().and_then(resolved) {
        let (gate, by) = (gate.id.clone(), by.clone());
        return Err(Rejected::GateAlreadyResolved { gate, by, decision: *decision });
    }
    // A run that only waits for what is in flight has its end already: no decision changes it.
    if let Some(end) = state.bound_for() {
        return Err(Rejected::Ended { status: end.as_str().to_owned() });
    }
    match gate {
        Some(id) => state.gate(&id).map(|gate| Gate::clone(gate)).ok_or(Rejected::StaleGate { gate: id }),
        None => match state.gates.first() {
            Some(gate) => Ok(Gate::clone(gate)),
            None => Err(Rejected::NoGate { status: state.status.as_str().to_owned() }),
        },
    }
}

/// Whether a gate would take a decision of this kind.
pub(crate) fn would_take(state: &State, gate: Option<GateId>, kind: DecisionKind) -> Result<(), Rejected> {
    check_kind(&addressed(state, gate)?, kind)
}

fn check_kind(gate: &Gate, kind: DecisionKind) -> Result<(), Rejected> {
    if gate.allows(kind) {
        return Ok(());
    }
    let allowed: Vec<_> = gate.allowed.iter().map(|kind| kind.as_str()).collect();
    Err(Rejected::NotAllowed {
        gate: gate.id.clone(),
        reason: gate.reason.as_str().to_owned(),
        allowed: allowed.join(", "),
    })
}

fn checked(state: &State, gate: &Gate, decision: Decision) -> Result<Decision, Rejected> {
    check_kind(gate, decision.kind())?;
    let invalid = |message| Rejected::Invalid { message };
    if let Decision::HandOff { question } = &decision {
        if gate.reason != GateReason::Interactive {
            let message = format!(
                "gate {} ({}) is no talk with a worker: a question is put at the gate of a step in the foreground",
                gate.id,
                gate.reason.as_str()
            );
            return Err(invalid(message));
        }
        if question.trim().is_empty() {
            return Err(invalid("the question for the hand-off is empty".to_owned()));
        }
    }
    let Decision::Replace { text, output } = decision else { return Ok(decision) };
    let output = output.filter(|output| !output.is_null());
    if output.as_ref().is_some_and(|output| deeper_than(output, DEEPEST)) {
        return Err(invalid(format!("the output is nested deeper than {DEEPEST} levels")));
    }
    let schema = state.index_of(&gate.step).and_then(|step| state.planned(step).output.as_ref());
    let output = match schema {
        Some(schema) => Some(output::replacement(schema, &text, output).map_err(invalid)?),
        None => output,
    };
    Ok(Decision::Replace { text, output: output.filter(|output| !output.is_null()) })
}

fn resolve(draft: &mut Draft<'_>, gate: &Gate, decision: Decision, terms: Terms) {
    let kind = decision.kind();
    let Terms { policy, budget, by } = terms;
    draft.record(RecordBody::GateResolved { gate: gate.id.clone(), decision, policy, budget, by });
    let end = match (kind, group_asking(&draft.state, gate)) {
        (DecisionKind::Continue, Some(group)) if draft.state.groups[group].iteration > 0 => {
            Some(GroupEnd::Accepted)
        }
        (DecisionKind::Skip, Some(_)) => Some(GroupEnd::Skipped),
        _ => None,
    };
    if let Some(end) = end {
        draft.record(RecordBody::GroupEnded { group: gate.step.clone(), end });
    }
    if kind == DecisionKind::Abort {
        // What is still in flight behind the gate is aborted first, as for any other end.
        requests::abort_everything(draft);
    }
    advance(draft);
}
