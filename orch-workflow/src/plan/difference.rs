//! What has changed between two plans, in words.

use orch_config::id::{ProfileId, StepId};

use super::{Plan, PlanGroup, PlanStep};

/// One sentence, or `None` when both mean the same.
pub(super) fn between(old: &Plan, new: &Plan) -> Option<String> {
    let mut changes = Vec::new();
    // When nodes come, go or move, others wait for other nodes than before without having been edited.
    let moved = nodes(old) != nodes(new);
    note(&mut changes, "its name", old.name == new.name);
    note(&mut changes, "its policy", old.policy == new.policy);
    note(&mut changes, "its limits", old.limits == new.limits);
    let gates = (old.gate_timeout_ms, old.gate_default) == (new.gate_timeout_ms, new.gate_default);
    note(&mut changes, "what an unanswered gate takes", gates);
    note(&mut changes, "its budget", old.budget == new.budget);
    for group in &old.groups {
        match new.group(&group.id) {
            None => changes.push(format!("group {} is gone", group.id)),
            Some(now) => group_changes(&mut changes, group, now, moved),
        }
    }
    for group in new.groups.iter().filter(|group| old.group(&group.id).is_none()) {
        changes.push(format!("group {} is new", group.id));
    }
    for step in &old.steps {
        match new.step(&step.id) {
            None => changes.push(format!("step {} is gone", step.id)),
            Some(now) => step_changes(&mut changes, step, now, moved),
        }
    }
    for step in new.steps.iter().filter(|step| old.step(&step.id).is_none()) {
        changes.push(format!("step {} is new", step.id));
    }
    let workers = workers_set_up_anew(old, new);
    changes.extend(workers.iter().map(|worker| {
        format!("worker {worker} has another profile, and works by the present one whatever is decided")
    }));
    let kept = |plan: &Plan, other: &Plan| {
        let ids = plan.steps.iter().filter(|step| other.step(&step.id).is_some()).map(|step| step.id.clone());
        ids.collect::<Vec<_>>()
    };
    note(&mut changes, "the order of its steps", kept(old, new) == kept(new, old));
    (!changes.is_empty()).then(|| changes.join(", "))
}

/// The workers of steps that keep their worker, but not its profile. What a journal does not say is taken for the same.
fn workers_set_up_anew<'a>(old: &'a Plan, new: &Plan) -> Vec<&'a ProfileId> {
    let mut workers = Vec::new();
    for step in &old.steps {
        let Some(now) = new.step(&step.id).filter(|now| now.worker == step.worker) else { continue };
        let differs = step.profile.as_ref().zip(now.profile.as_ref()).is_some_and(|(was, is)| was != is);
        if differs && !workers.contains(&&step.worker) {
            workers.push(&step.worker);
        }
    }
    workers
}

fn nodes(plan: &Plan) -> Vec<(&StepId, Option<&StepId>)> {
    let groups = plan.groups.iter().map(|group| (&group.id, None));
    groups.chain(plan.steps.iter().map(|step| (&step.id, step.group.as_ref()))).collect()
}

fn group_changes(changes: &mut Vec<String>, old: &PlanGroup, new: &PlanGroup, moved: bool) {
    let parts = [
        ("title", old.title == new.title),
        ("list of needs", moved || old.needs == new.needs),
        ("condition", old.when == new.when),
        ("number of passes", old.max == new.max),
        ("end", old.until == new.until),
    ];
    push_changed(changes, &format!("group {}", old.id), &parts);
}

fn step_changes(changes: &mut Vec<String>, old: &PlanStep, new: &PlanStep, moved: bool) {
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
        ("list of needs", moved || old.needs == new.needs),
        ("group", old.group == new.group),
        ("condition", old.when == new.when),
        ("output schema", old.output == new.output),
        ("budget", old.budget == new.budget),
    ];
    push_changed(changes, &format!("step {}", old.id), &parts);
}

fn push_changed(changes: &mut Vec<String>, what: &str, parts: &[(&str, bool)]) {
    let changed: Vec<_> = parts.iter().filter(|(_, same)| !same).map(|(part, _)| *part).collect();
    if !changed.is_empty() {
        changes.push(format!("{what} has another {}", changed.join(" and ")));
    }
}

fn note(changes: &mut Vec<String>, what: &str, same: bool) {
    if !same {
        changes.push(what.to_owned());
    }
}
