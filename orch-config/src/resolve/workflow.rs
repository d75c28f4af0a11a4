//! Workflows: the built-in ones, the ones of the files, and the caps on both.

use indexmap::map::Entry;

use super::{set, word};
use crate::{
    budget::Budget,
    builtin::ROOCODE_BOOMERANG,
    code,
    config::Config,
    expression::Expression,
    id::ProfileId,
    issue::Issue,
    model::{
        node::{Condition, Node as Written},
        number::{Count, Dollars, Millis, Tokens},
        workflow::{
            Boomerang, BoomerangStep, BudgetPart, Definition, Group, LimitsPart, PolicyPart, RetryPart, Step,
            Workflows,
        },
    },
    path::Path,
    place::{Place, places},
    policy::PolicyPatch,
    retry::Retry,
    workflow::{GateDefault, GroupDefinition, Limits, Node, StepDefinition, WorkflowDefinition},
};

/// Applies `workflows` to the built-in workflows.
pub(super) fn resolve(config: &mut Config, workflows: Workflows, issues: &mut Vec<Issue>) {
    let caps = lowered(config.limits, workflows.limits.as_ref());
    remark_capped(config.limits, workflows.limits.as_ref(), &Path::keys("workflows.limits"), issues);
    let gate = Gate {
        timeout_ms: workflows.gate_timeout_ms.map(Millis::get),
        default: word(&workflows.gate_default),
    };
    remark_gate(gate, Path::keys("workflows"), issues);

    for workflow in config.workflows.values_mut() {
        workflow.limits = caps;
        for step in workflow.steps_mut() {
            (step.timeout_ms, step.idle_warning_ms) = (UNSAID, UNSAID);
        }
    }
    if let Some(boomerang) = workflows.roocode_boomerang.0 {
        apply_boomerang(config, boomerang, issues);
    }
    for workflow in config.workflows.values_mut() {
        (workflow.gate_timeout_ms, workflow.gate_default) = (gate.timeout_ms, gate.default);
    }
    let definitions = workflows.definitions.0.unwrap_or_default().0;
    config.workflows.reserve(definitions.len());
    for definition in definitions {
        // One that was there keeps its place in the list.
        match config.workflows.entry(definition.id.clone()) {
            Entry::Occupied(mut base) => {
                let workflow = defined(Some(base.get().clone()), definition, caps, gate, issues);
                base.insert(workflow);
            }
            Entry::Vacant(free) => {
                free.insert(defined(None, definition, caps, gate, issues));
            }
        }
    }
    let spent = budget(workflows.budget.as_ref());
    for workflow in config.workflows.values_mut() {
        settle_steps(workflow, issues);
        workflow.budget = workflow.budget.capped(spent);
    }
}

/// Stands for a time that was not written, until the limits are known.
const UNSAID: u64 = u64::MAX;

#[derive(Clone, Copy)]
struct Gate {
    timeout_ms: Option<u64>,
    default: Option<GateDefault>,
}

fn remark_gate(gate: Gate, place: Path, issues: &mut Vec<Issue>) {
    match (gate.timeout_ms, gate.default) {
        (Some(_), None) => issues.push(
            Issue::error(
                code::MISSING_KEY,
                place.key("gateTimeoutMs"),
                "`gateTimeoutMs` needs a `gateDefault`",
            )
            .help("say what an unanswered gate takes: continue, retry, skip or abort"),
        ),
        (None, Some(_)) => issues.push(Issue::warning(
            code::NO_EFFECT,
            place.key("gateDefault"),
            "`gateDefault` has no effect without `gateTimeoutMs`",
        )),
        _ => {}
    }
}

fn defined(
    base: Option<WorkflowDefinition>,
    definition: Definition,
    caps: Limits,
    gate: Gate,
    issues: &mut Vec<Issue>,
) -> WorkflowDefinition {
    let place = Path::workflow(definition.id.as_str());
    if base.is_none() && definition.steps.is_none() {
        let message = format!("the workflow {:?} has no steps", definition.id.as_str());
        issues.push(Issue::error(code::MISSING_KEY, place.clone(), message).help("add `steps`"));
    }
    let mut workflow = base.unwrap_or_else(|| {
        let mut workflow = WorkflowDefinition::new(definition.id, Vec::<Node>::new());
        workflow.limits = caps;
        workflow
    });
    remark_capped(workflow.limits, definition.limits.as_ref(), &place.clone().key("limits"), issues);
    workflow.limits = lowered(workflow.limits, definition.limits.as_ref());
    let own = Gate {
        timeout_ms: definition.gate_timeout_ms.map(Millis::get).or(gate.timeout_ms),
        default: word(&definition.gate_default).or(gate.default),
    };
    if definition.gate_timeout_ms.is_some() || definition.gate_default.is_some() {
        remark_gate(own, place, issues);
    }
    (workflow.gate_timeout_ms, workflow.gate_default) = (own.timeout_ms, own.default);
    set(&mut workflow.name, definition.name.0);
    set(&mut workflow.description, definition.description.0.map(Some));
    workflow.ui = workflow.ui.then(policy(definition.ui.as_ref()));
    workflow.budget = budget(definition.budget.as_ref()).capped(workflow.budget);
    let nodes = definition.steps.0.map(|nodes| {
        let id = &workflow.id;
        let nodes = nodes.into_iter().enumerate();
        nodes.map(|(index, written)| node(written, || Place::node(index).path(id), issues)).collect()
    });
    set(&mut workflow.nodes, nodes);
    workflow
}

/// Here and below, places are only spelt out where something is wrong.
fn node(written: Written, place: impl Fn() -> Path, issues: &mut Vec<Issue>) -> Node {
    match written {
        Written::Step(written) => step(*written, place, issues).into(),
        Written::Group(written) => group(*written, place, issues).into(),
    }
}

fn group(written: Group, place: impl Fn() -> Path, issues: &mut Vec<Issue>) -> GroupDefinition {
    let until = condition(written.repeat.until, || place().key("repeat").key("until"), issues);
    let steps = written.steps.into_iter().enumerate();
    let steps =
        steps.map(|(index, written)| step(written, || place().key("steps").index(index), issues)).collect();
    // What was refused is never evaluated: a configuration with an error is refused whole.
    let until = until.unwrap_or_else(Expression::never);
    let mut group = GroupDefinition::new(written.id, written.repeat.max.small(), until, steps);
    set(&mut group.title, written.title.0);
    group.needs = written.needs.0;
    group.when = written.when.0.and_then(|when| condition(when, || place().key("when"), issues));
    group
}

fn condition(written: Condition, place: impl Fn() -> Path, issues: &mut Vec<Issue>) -> Option<Expression> {
    match Expression::parse(written.0) {
        Ok(expression) => Some(expression),
        Err(error) => {
            issues.push(Issue::of_expression(error, place()));
            None
        }
    }
}

/// The bounds that an object says.
pub(crate) fn budget(part: Option<&BudgetPart>) -> Budget {
    let Some(part) = part else { return Budget::default() };
    Budget {
        max_tokens: part.max_tokens.map(Tokens::get),
        max_cost_usd: part.max_cost_usd.map(Dollars::get),
        max_active_ms: part.max_active_ms.map(Millis::get),
    }
}

fn step(written: Step, place: impl Fn() -> Path, issues: &mut Vec<Issue>) -> StepDefinition {
    let mut step = StepDefinition::new(written.id, written.worker_id, written.prompt);
    (step.timeout_ms, step.idle_warning_ms) = (UNSAID, UNSAID);
    set(&mut step.title, written.title.0);
    set(&mut step.carry, written.carry.0);
    set(&mut step.timeout_ms, written.timeout_ms.map(Millis::get));
    set(&mut step.idle_warning_ms, written.idle_warning_ms.map(Millis::get));
    set(&mut step.required_skills, written.required_skills.0);
    step.ui = policy(written.ui.as_ref());
    step.kind = word(&written.kind);
    step.execution = word(&written.execution);
    set(&mut step.retry, written.retry.0.map(retry));
    step.needs = written.needs.0;
    step.when = written.when.0.and_then(|when| condition(when, || place().key("when"), issues));
    step.output = written.output.0.map(|schema| schema.0.into());
    step.budget = budget(written.budget.as_ref());
    step
}

fn retry(part: RetryPart) -> Retry {
    let default = Retry::default();
    Retry {
        max_attempts: part.max_attempts.map_or(default.max_attempts, Count::small),
        backoff_ms: part.backoff_ms.map_or(default.backoff_ms, Millis::get),
        factor: part.factor.map_or(default.factor, |factor| factor.get()),
        max_backoff_ms: part.max_backoff_ms.map_or(default.max_backoff_ms, Millis::get),
        on: part.on.0.map_or(default.on, |on| on.into_iter().map(|class| class.0).collect()),
    }
}

fn apply_boomerang(config: &mut Config, boomerang: Boomerang, issues: &mut Vec<Issue>) {
    if boomerang.enabled.is_some_and(|enabled| !enabled) {
        config.workflows.shift_remove(ROOCODE_BOOMERANG);
        return;
    }
    let Some(workflow) = config.workflows.get_mut(ROOCODE_BOOMERANG) else { return };
    let limits = LimitsPart {
        max_steps: boomerang.max_steps,
        max_task_chars: boomerang.max_task_chars,
        max_carry_chars: boomerang.max_carry_chars,
        per_step_timeout_ms: boomerang.per_step_timeout_ms,
        ..LimitsPart::default()
    };
    remark_capped(workflow.limits, Some(&limits), &Path::keys("workflows.roocodeBoomerang"), issues);
    workflow.limits = lowered(workflow.limits, Some(&limits));
    let Some(steps) = boomerang.steps.0 else { return };
    if steps.is_empty() {
        let place = Path::keys("workflows.roocodeBoomerang.steps");
        issues.push(Issue::error(
            code::EMPTY_WORKFLOW,
            place,
            "the workflow \"roocode-boomerang\" has no steps",
        ));
        return;
    }
    workflow.nodes = steps.into_iter().map(|written| boomerang_step(workflow, written).into()).collect();
}

/// What a step leaves out comes from the built-in step with its id.
fn boomerang_step(builtin: &WorkflowDefinition, written: BoomerangStep) -> StepDefinition {
    let base = builtin.step(written.id.as_str()).cloned();
    let mut step = base.unwrap_or_else(|| StepDefinition {
        carry: true,
        timeout_ms: UNSAID,
        idle_warning_ms: UNSAID,
        ..StepDefinition::new(written.id, ProfileId::literal("coder"), "Task:\n{task}")
    });
    set(&mut step.title, written.title.0);
    set(&mut step.worker, written.worker_id.0);
    set(&mut step.prompt, written.prompt.0);
    set(&mut step.carry, written.carry.0);
    set(&mut step.timeout_ms, written.timeout_ms.map(Millis::get));
    set(&mut step.required_skills, written.required_skills.0);
    step
}

/// No step may take longer than the limit, and one that says nothing takes the limit.
fn settle_steps(workflow: &mut WorkflowDefinition, issues: &mut Vec<Issue>) {
    let cap = workflow.limits.per_step_timeout_ms;
    let idle_warning_ms = workflow.limits.idle_warning_ms;
    for (step, place) in workflow.steps().zip(places(workflow)) {
        if step.timeout_ms > cap && step.timeout_ms != UNSAID {
            issues.push(capped(place.path(&workflow.id), step.timeout_ms, cap));
        }
    }
    for step in workflow.steps_mut() {
        step.timeout_ms = step.timeout_ms.min(cap);
        if step.idle_warning_ms == UNSAID {
            step.idle_warning_ms = idle_warning_ms;
        }
    }
}

fn capped(step: Path, timeout_ms: u64, cap: u64) -> Issue {
    let message = format!("`timeoutMs` {timeout_ms} is above the limit of {cap} and is lowered to it");
    Issue::warning(code::CAPPED, step.key("timeoutMs"), message)
        .help("raise `security.workflows.perStepTimeoutMs`, or lower `timeoutMs`")
}

/// The policy that an object says.
pub(super) fn policy(part: Option<&PolicyPart>) -> PolicyPatch {
    part.map(PolicyPatch::from).unwrap_or_default()
}

/// `security.workflows` sets the caps, upwards too.
pub(crate) fn lifted(mut limits: Limits, part: Option<&LimitsPart>) -> Limits {
    let Some(part) = part else { return limits };
    set(&mut limits.max_steps, part.max_steps.map(Count::small));
    set(&mut limits.max_task_chars, part.max_task_chars.map(Count::small));
    set(&mut limits.max_carry_chars, part.max_carry_chars.map(Count::small));
    set(&mut limits.per_step_timeout_ms, part.per_step_timeout_ms.map(Millis::get));
    set(&mut limits.idle_warning_ms, part.idle_warning_ms.map(Millis::get));
    set(&mut limits.max_parallel, part.max_parallel.map(Count::small));
    limits
}

/// Any other place can only lower them. The silence that is remarked is no cap: there the nearest value counts.
pub(super) fn lowered(limits: Limits, part: Option<&LimitsPart>) -> Limits {
    let written = lifted(limits, part);
    Limits { idle_warning_ms: written.idle_warning_ms, ..lowest(limits, written) }
}

/// What is written above the cap in force is lowered to it, and not silently.
fn remark_capped(caps: Limits, part: Option<&LimitsPart>, place: &Path, issues: &mut Vec<Issue>) {
    for (key, written, cap) in raised(lifted(caps, part), caps) {
        let message = format!("`{key}` {written} is above the cap of {cap} and is lowered to it");
        let help = format!("raise `security.workflows.{key}`, or lower `{key}`");
        issues.push(Issue::warning(code::CAPPED, place.clone().key(key), message).help(help));
    }
}

/// The caps that are wanted above what is allowed: the key, what is wanted, what is allowed.
pub(crate) fn raised(wanted: Limits, allowed: Limits) -> impl Iterator<Item = (&'static str, u64, u64)> {
    let keys = [
        ("maxSteps", u64::from(wanted.max_steps), u64::from(allowed.max_steps)),
        ("maxTaskChars", u64::from(wanted.max_task_chars), u64::from(allowed.max_task_chars)),
        ("maxCarryChars", u64::from(wanted.max_carry_chars), u64::from(allowed.max_carry_chars)),
        ("maxParallel", u64::from(wanted.max_parallel), u64::from(allowed.max_parallel)),
        ("perStepTimeoutMs", wanted.per_step_timeout_ms, allowed.per_step_timeout_ms),
    ];
    keys.into_iter().filter(|(_, wanted, allowed)| wanted > allowed)
}

fn lowest(one: Limits, other: Limits) -> Limits {
    Limits {
        max_steps: one.max_steps.min(other.max_steps),
        max_task_chars: one.max_task_chars.min(other.max_task_chars),
        max_carry_chars: one.max_carry_chars.min(other.max_carry_chars),
        per_step_timeout_ms: one.per_step_timeout_ms.min(other.per_step_timeout_ms),
        idle_warning_ms: other.idle_warning_ms,
        max_parallel: one.max_parallel.min(other.max_parallel),
    }
}
