//! One workflow: its steps, the order between them, and what they say about each other.

use std::collections::{HashMap, HashSet};

use super::{foreground_server, order::Order, references::References};
use crate::{
    budget::Budget,
    builtin, code,
    config::Config,
    expression::Expression,
    id::ProfileId,
    issue::Issue,
    kind::{ExecutionMode, WorkerKind},
    output::OutputSchema,
    path::Path,
    place::{Place, places},
    suggest,
    workflow::{GroupDefinition, Node, StepDefinition, WorkflowDefinition},
};

/// Everything that is wrong with a workflow. Places are only spelt out where something is.
pub(super) fn check(config: &Config, workflow: &WorkflowDefinition, issues: &mut Vec<Issue>) {
    let list = || Path::workflow(workflow.id.as_str()).key("steps");
    if workflow.nodes.is_empty() {
        let message = format!("the workflow {:?} has no steps", workflow.id.as_str());
        issues.push(Issue::error(code::EMPTY_WORKFLOW, list(), message));
    } else if workflow.exceeds_max_steps() {
        issues.push(too_many_steps(workflow, list()));
    }
    check_budget(&workflow.budget, || Path::workflow(workflow.id.as_str()), issues);
    unique_ids(workflow, issues);
    // What ships with the library is checked by its tests; reading its schemas and conditions again would take longer
    // than all the rest of a small configuration.
    let built_in = is_built_in(workflow);
    let mut outputs = HashMap::new();
    for (step, place) in workflow.steps().zip(places(workflow)) {
        let place = || place.path(&workflow.id);
        check_step(config, step, place, issues);
        if let Some(schema) = step.output.as_ref().filter(|_| !built_in) {
            match OutputSchema::new(schema) {
                Ok(schema) => drop(outputs.insert(step.id.as_str(), schema)),
                Err(error) => {
                    let message = format!("this is no usable JSON Schema: {error}");
                    issues.push(Issue::error(code::OUTPUT_SCHEMA, place().key("output"), message));
                }
            }
        }
    }
    if built_in {
        return;
    }
    let order = check_order(workflow, issues);
    References { workflow, order: &order, outputs: &outputs }.check(issues);
}

/// Whether a workflow has exactly the steps of the built-in one, whatever its limits are.
fn is_built_in(workflow: &WorkflowDefinition) -> bool {
    let Some(mut built_in) = builtin::workflow(workflow.id.as_str()) else { return false };
    for (step, other) in built_in.steps_mut().zip(workflow.steps()) {
        (step.timeout_ms, step.idle_warning_ms) = (other.timeout_ms, other.idle_warning_ms);
    }
    built_in.nodes == workflow.nodes
}

/// A cap may be lower than a built-in workflow is long: then that one cannot run, and everything else can.
fn too_many_steps(workflow: &WorkflowDefinition, place: Path) -> Issue {
    let (id, most) = (workflow.id.as_str(), workflow.limits.max_steps);
    let message = format!(
        "the workflow {id:?} has {} steps and cannot run: at most {most} are allowed",
        workflow.steps().count()
    );
    let ids =
        |workflow: &WorkflowDefinition| workflow.steps().map(|step| step.id.clone()).collect::<Vec<_>>();
    let untouched = builtin::workflow(id).is_some_and(|builtin| ids(&builtin) == ids(workflow));
    let issue = if untouched {
        Issue::warning(code::TOO_MANY_STEPS, place, message)
    } else {
        Issue::error(code::TOO_MANY_STEPS, place, message)
    };
    issue.help("raise `maxSteps` where it is lowered")
}

/// Steps and groups share one space of ids.
fn unique_ids(workflow: &WorkflowDefinition, issues: &mut Vec<Issue>) {
    let groups = workflow.nodes.iter().enumerate().filter(|(_, node)| matches!(node, Node::Group(_)));
    let groups = groups.map(|(index, node)| (node.id(), Place::node(index)));
    let mut ids: Vec<_> = groups.chain(workflow.steps().map(|step| &step.id).zip(places(workflow))).collect();
    ids.sort_by_key(|(_, place)| (place.node, place.member));
    let mut seen = HashSet::with_capacity(ids.len());
    for (id, place) in ids {
        if !seen.insert(id) {
            let message = format!("a second step or group has the id {:?}", id.as_str());
            issues.push(Issue::error(code::DUPLICATE_ID, place.path(&workflow.id).key("id"), message));
        }
    }
}

fn check_step(config: &Config, step: &StepDefinition, place: impl Fn() -> Path, issues: &mut Vec<Issue>) {
    check_budget(&step.budget, &place, issues);
    let Some(profile) = config.profiles.get(&step.worker) else {
        issues.push(unknown_worker(config, step, place().key("workerId")));
        return;
    };
    let kind = step.kind.unwrap_or(profile.kind);
    let execution = step.execution.unwrap_or(profile.execution);
    let overrides = step.kind.is_some() || step.execution.is_some();
    if overrides && execution == ExecutionMode::Foreground && kind == WorkerKind::Server {
        let key = if step.execution.is_some() { "execution" } else { "kind" };
        issues.push(foreground_server(place().key(key), step.worker.as_str()));
    }
}

fn unknown_worker(config: &Config, step: &StepDefinition, place: Path) -> Issue {
    let known = config.profiles.keys().map(ProfileId::as_str);
    let message = format!(
        "the step {:?} names the worker {:?}, which no profile has",
        step.id.as_str(),
        step.worker.as_str()
    );
    let issue = Issue::error(code::UNKNOWN_WORKER, place, message);
    match crate::suggest(step.worker.as_str(), known.clone()) {
        Some(near) => issue.help(format!("did you mean `{near}`?")),
        None => issue.help(format!("known profiles: {}", suggest::listed(known))),
    }
}

/// What the file's own types refuse can still be built in code.
fn check_budget(budget: &Budget, place: impl Fn() -> Path, issues: &mut Vec<Issue>) {
    let bounds = [
        ("maxTokens", budget.max_tokens == Some(0)),
        ("maxCostUsd", budget.max_cost_usd.is_some_and(|dollars| dollars.is_nan() || dollars <= 0.0)),
        ("maxActiveMs", budget.max_active_ms == Some(0)),
    ];
    for (key, _) in bounds.into_iter().filter(|(_, wrong)| *wrong) {
        let place = place().key("budget").key(key);
        let message = format!("`{key}` must be above 0: nothing could be done with less");
        issues.push(Issue::error(code::OUT_OF_RANGE, place, message).help("leave it out for no bound"));
    }
}

/// The order of a workflow's list, and of each of its groups by the group's index.
pub(super) struct Orders<'a> {
    pub(super) nodes: Order<'a>,
    pub(super) groups: HashMap<usize, Order<'a>>,
}

fn check_order<'a>(workflow: &'a WorkflowDefinition, issues: &mut Vec<Issue>) -> Orders<'a> {
    let place = |place: Place| place.path(&workflow.id);
    let (nodes, unknown) = Order::of(workflow.nodes.iter().map(|node| (node.id(), node.needs())));
    for need in unknown {
        let path = place(Place::node(need.node)).key("needs").index(need.index);
        let issue = unknown_need(nodes.id(need.node), need.id, path);
        let inside =
            workflow.groups().find(|group| group.steps.iter().any(|step| step.id.as_str() == need.id));
        issues.push(match inside {
            Some(group) => issue.help(format!("it is a step of the group `{0}`: need `{0}`", group.id)),
            None => {
                issue.suggest(need.id, nodes.ids().iter().copied().filter(|id| *id != nodes.id(need.node)))
            }
        });
    }
    report_stuck(&nodes, |node| place(Place::node(node)), issues);
    let mut groups = HashMap::new();
    for (index, node) in workflow.nodes.iter().enumerate() {
        check_when(node.when(), || place(Place::node(index)), issues);
        if let Node::Group(group) = node {
            groups.insert(index, check_group(workflow, index, group, issues));
        }
    }
    Orders { nodes, groups }
}

fn check_group<'a>(
    workflow: &'a WorkflowDefinition,
    index: usize,
    group: &'a GroupDefinition,
    issues: &mut Vec<Issue>,
) -> Order<'a> {
    let at = |member: usize| Place { node: index, member: Some(member) }.path(&workflow.id);
    if group.steps.is_empty() {
        let message = format!("the group {:?} has no steps", group.id.as_str());
        let path = Place::node(index).path(&workflow.id).key("steps");
        issues.push(Issue::error(code::EMPTY_GROUP, path, message));
    }
    if group.max == 0 {
        let path = Place::node(index).path(&workflow.id).key("repeat").key("max");
        issues.push(Issue::error(code::OUT_OF_RANGE, path, "a group runs at least once"));
    }
    let (steps, unknown) = Order::of(group.steps.iter().map(|step| (&step.id, step.needs.as_deref())));
    for need in unknown {
        let issue = unknown_need(steps.id(need.node), need.id, at(need.node).key("needs").index(need.index));
        let outside = workflow.nodes.iter().any(|node| node.id().as_str() == need.id);
        issues.push(if need.id == group.id.as_str() {
            issue.help("a step cannot wait for the group that it is in")
        } else if outside {
            issue.help(format!("it is outside of the group: let `{}` need `{}`", group.id, need.id))
        } else {
            issue.suggest(need.id, steps.ids().iter().copied().filter(|id| *id != steps.id(need.node)))
        });
    }
    report_stuck(&steps, at, issues);
    for (member, step) in group.steps.iter().enumerate() {
        check_when(step.when.as_ref(), || at(member), issues);
    }
    steps
}

fn unknown_need(node: &str, need: &str, place: Path) -> Issue {
    Issue::error(
        code::UNKNOWN_NEED,
        place,
        format!("{node:?} needs {need:?}: there is no such step or group in this list"),
    )
}

/// Says which nodes wait for each other, and which wait for those.
fn report_stuck(order: &Order<'_>, place: impl Fn(usize) -> Path, issues: &mut Vec<Issue>) {
    let stuck = order.stuck();
    if !stuck.contains(&true) {
        return;
    }
    let mut named: HashSet<usize> = HashSet::new();
    for cycle in order.cycles() {
        let way = cycle.iter().chain(&cycle[..1]).map(|node| format!("{:?}", order.id(*node)));
        let message = format!("these wait for each other: {}", way.collect::<Vec<_>>().join(" needs "));
        let issue = Issue::error(code::CYCLE, place(cycle[0]).key("needs"), message);
        issues.push(issue.help("leave one of the needs out"));
        named.extend(cycle);
    }
    for node in (0..stuck.len()).filter(|node| stuck[*node] && !named.contains(node)) {
        let blocked = order.needs(node).iter().find(|need| stuck[**need]).map_or("", |need| order.id(*need));
        let message = format!("{:?} can never start: it waits for {blocked:?}", order.id(node));
        issues.push(Issue::error(code::UNREACHABLE, place(node), message));
    }
}

fn check_when(when: Option<&Expression>, place: impl Fn() -> Path, issues: &mut Vec<Issue>) {
    if when.is_some_and(Expression::is_never) {
        let message = "this condition never holds: nothing behind it would ever be done";
        issues.push(Issue::error(code::UNREACHABLE, place().key("when"), message));
    }
}
