//! What has changed between two plans, in words.

use super::{Plan, PlanStep};

/// One sentence, or `None` when both mean the same.
pub(super) fn between(old: &Plan, new: &Plan) -> Option<String> {
    let mut changes = Vec::new();
    note(&mut changes, "its name", old.name == new.name);
    note(&mut changes, "its policy", old.policy == new.policy);
    note(&mut changes, "its limits", old.limits == new.limits);
    let gates = (old.gate_timeout_ms, old.gate_default) == (new.gate_timeout_ms, new.gate_default);
    note(&mut changes, "what an unanswered gate takes", gates);
    for step in &old.steps {
        match new.step(&step.id) {
            None => changes.push(format!("step {} is gone", step.id)),
            Some(now) => step_changes(&mut changes, step, now),
        }
    }
    for step in new.steps.iter().filter(|step| old.step(&step.id).is_none()) {
        changes.push(format!("step {} is new", step.id));
    }
    let kept = |plan: &Plan, other: &Plan| {
        let ids = plan.steps.iter().filter(|step| other.step(&step.id).is_some()).map(|step| step.id.clone());
        ids.collect::<Vec<_>>()
    };
    note(&mut changes, "the order of its steps", kept(old, new) == kept(new, old));
    (!changes.is_empty()).then(|| changes.join(", "))
}

fn step_changes(changes: &mut Vec<String>, old: &PlanStep, new: &PlanStep) {
    let parts = [
        ("title", old.title == new.title),
        ("worker", old.worker == new.worker),
        ("kind", old.kind == new.kind),
        ("execution", old.execution == new.execution),
        ("handoff", old.handoff == new.handoff),
        ("prompt", old.prompt == new.prompt),
        ("list of required skills", old.required_skills == new.required_skills),
        ("carry", old.carry == new.carry),
        ("timeout", old.timeout_ms == new.timeout_ms),
        ("idle warning", old.idle_warning_ms == new.idle_warning_ms),
        ("retry", old.retry == new.retry),
        ("policy", old.ui == new.ui),
    ];
    let changed: Vec<_> = parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect();
    if !changed.is_empty() {
        changes.push(format!("step {} has another {}", old.id, changed.join(" and ")));
    }
}

fn note(changes: &mut Vec<String>, what: &str, same: bool) {
    if !same {
        changes.push(what.to_owned());
    }
}
