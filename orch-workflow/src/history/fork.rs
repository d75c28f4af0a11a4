//! Another run from the past of one: its results up to a step are kept, and the step begins anew.
//!
//! Pure: a journal and a wish in, the beginning of another journal out. The new run is complete by itself: it carries
//! the results that it reuses, and it can be finished when the old one is long forgotten.

use std::collections::HashSet;

use orch_config::{budget::Budget, id::StepId, policy::PolicyPatch};

use crate::{
    attachment::Attachment,
    attempt::RunId,
    machine::{Graph, Machine, Node, ReplayError},
    plan::Plan,
    port::AskPolicy,
    record::{ForkedFrom, GroupEnd, Record, RecordBody, RunStarted},
    status::Caution,
    view::{GroupView, StepStatus, StepView},
};

/// From where a run is forked, and what is different in the new one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fork {
    /// The step, or group, that begins anew, with everything that depends on it. A step of a group means the group,
    /// from its first pass.
    pub from: StepId,
    /// Another definition than the journaled one.
    pub plan: Option<Plan>,
    /// A change of the policy that the run was started with.
    pub policy: PolicyPatch,
    /// A change of the bounds that the run was started with. What the other run has spent does not count.
    pub budget: Budget,
    /// Another parent session than the one that the run was started with.
    pub parent_session: Option<String>,
    /// What to do with asks that no rule answers, if not the same.
    pub asks: Option<AskPolicy>,
}

impl Fork {
    /// A fork under the journaled definition, with everything as the run was started.
    #[must_use]
    pub fn new(from: StepId) -> Self {
        Self {
            from,
            plan: None,
            policy: PolicyPatch::default(),
            budget: Budget::default(),
            parent_session: None,
            asks: None,
        }
    }
}

/// The beginning of a run that was forked.
#[derive(Debug, Clone, PartialEq)]
pub struct ForkedRun {
    pub(crate) started: RunStarted,
    pub(crate) reused: Vec<RecordBody>,
}

impl ForkedRun {
    /// Its definition.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.started.plan
    }

    /// Its name: that of the run which it comes from, until it has one of [its own](Self::named).
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.started.run
    }

    /// The same under its own name.
    #[must_use]
    pub fn named(mut self, run: RunId) -> Self {
        self.started.run = run;
        self
    }

    /// The same with what is known about the workers of the steps that begin anew.
    #[must_use]
    pub fn with_warnings(mut self, warnings: Vec<Caution>) -> Self {
        self.started.warnings = warnings;
        self
    }

    /// Its task.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.started.task
    }

    /// The files that its first steps get.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        &self.started.attachments
    }

    /// Its parent session, where one is given.
    #[must_use]
    pub fn parent_session(&self) -> Option<&str> {
        self.started.parent_session.as_deref()
    }

    /// The run and the step that it comes from.
    #[must_use]
    pub fn forked_from(&self) -> Option<&ForkedFrom> {
        self.started.forked_from.as_ref()
    }

    /// The steps whose results are there already.
    pub fn reused(&self) -> impl Iterator<Item = &StepId> {
        self.reused.iter().filter_map(|record| match record {
            RecordBody::Reused { step, .. } => Some(step),
            _ => None,
        })
    }
}

/// Why a run cannot be forked there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The definition has no such step.
    #[error("workflow {workflow} has no step {step}; its steps are {steps}")]
    UnknownStep {
        /// The workflow.
        workflow: String,
        /// What was asked for.
        step: StepId,
        /// Those there are, for people.
        steps: String,
    },
    /// A step that comes before has no result that could be reused.
    #[error("run {run} has no result of {before}, which {step} needs ({why}): fork from {before}")]
    NoResult {
        /// The run.
        run: RunId,
        /// What was asked for.
        step: StepId,
        /// What has no result.
        before: StepId,
        /// Where it stands, in words.
        why: String,
    },
    /// A result has no place in the other definition.
    #[error("run {run} has a result of {step}, and the other definition has no such step")]
    Lost {
        /// The run.
        run: RunId,
        /// The step whose result would be lost.
        step: StepId,
    },
    /// A result does not answer what the other definition asks for.
    #[error(
        "the other definition wants answers of another form from {step}: fork from {step}, which asks again"
    )]
    OtherForm {
        /// The step.
        step: StepId,
    },
    /// Steps of the run may still be at work.
    #[error("run {run} still has {steps} in flight")]
    InFlight {
        /// The run.
        run: RunId,
        /// The steps, for people.
        steps: String,
    },
    /// The records are not the journal of one run.
    #[error(transparent)]
    Journal(#[from] ReplayError),
}

impl ForkError {
    /// A stable machine code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownStep { .. } => "orch::run::unknown-step",
            Self::NoResult { .. } => "orch::run::fork-too-late",
            Self::Lost { .. } => "orch::run::fork-loses-result",
            Self::OtherForm { .. } => "orch::run::fork-other-form",
            Self::InFlight { .. } => "orch::run::in-flight",
            Self::Journal(ReplayError::TooNew { .. }) => "orch::store::too-new",
            Self::Journal(_) => "orch::store::corrupt",
        }
    }
}

/// The beginning of a run that goes on from this journal at another point, and maybe in another way.
///
/// Reused is whatever has its result and does not depend, directly or not, on the step that begins anew: steps that
/// are done and steps that were left out, with their texts, structured answers and hand-offs. The old run is not
/// changed.
///
/// # Errors
/// The run cannot be forked there; the error says what can be done.
pub fn fork(records: &[Record], fork: Fork) -> Result<ForkedRun, ForkError> {
    let old = Past::read(records)?;
    let Fork { from, plan, policy, budget, parent_session, asks } = fork;
    let plan = plan.unwrap_or_else(|| old.started.plan.clone());
    let graph = Graph::of(&plan);
    let Some(node) = graph.top(from.as_str()) else { return Err(unknown(&plan, from)) };
    let begun_anew = graph.depending_on(node);
    let reused = old.reusable(&plan, &graph, &begun_anew);

    let needed = graph.needed_wholes(node);
    for before in graph.nodes.iter().filter(|before| needed.contains(before)) {
        if !reused.contains(before) {
            let before = id_of(&plan, *before).clone();
            let why = old.standing(&before);
            let step = id_of(&plan, node).clone();
            return Err(ForkError::NoResult { run: old.started.run.clone(), step, before, why });
        }
    }
    old.check_nothing_is_lost(&plan, &graph, &begun_anew)?;

    let mut records = Vec::new();
    for node in graph.nodes.iter().filter(|node| reused.contains(node)) {
        old.reuse(&plan, &graph, *node, &mut records)?;
    }
    let forked_from =
        ForkedFrom { run: old.started.run.clone(), seq: old.seq, step: id_of(&plan, node).clone() };
    let started = RunStarted {
        digest: plan.digest(),
        plan,
        policy: old.started.policy.then(policy),
        budget: old.started.budget.then(budget),
        parent_session: parent_session.or_else(|| old.started.parent_session.clone()),
        asks: asks.unwrap_or(old.started.asks),
        forked_from: Some(forked_from),
        warnings: Vec::new(),
        sessions: old.started.sessions,
        ..old.started.clone()
    };
    Ok(ForkedRun { started, reused: records })
}

/// What the old journal says.
struct Past<'r> {
    records: &'r [Record],
    started: &'r RunStarted,
    seq: u64,
    graph: Graph,
    steps: Vec<StepView>,
    groups: Vec<GroupView>,
}

impl<'r> Past<'r> {
    fn read(records: &'r [Record]) -> Result<Self, ForkError> {
        let view = Machine::replay(records)?.view();
        let started = match records.first().map(|record| &record.body) {
            Some(RecordBody::RunStarted(started)) => started.as_ref(),
            _ => return Err(ReplayError::NoStart.into()),
        };
        let in_flight: Vec<_> =
            view.steps.iter().filter(|step| step.activity.is_some()).map(|step| step.id.as_str()).collect();
        if !in_flight.is_empty() {
            return Err(ForkError::InFlight { run: view.id, steps: in_flight.join(", ") });
        }
        let graph = Graph::of(&started.plan);
        Ok(Self { records, started, seq: view.seq, graph, steps: view.steps, groups: view.groups })
    }

    /// The nodes of a definition whose results are there and stay valid: they depend on nothing that begins anew.
    fn reusable(&self, plan: &Plan, graph: &Graph, begun_anew: &HashSet<Node>) -> HashSet<Node> {
        let has_result = |node: &&Node| !begun_anew.contains(node) && self.has_result(plan, graph, **node);
        let mut reusable: HashSet<Node> = graph.nodes.iter().filter(has_result).copied().collect();
        loop {
            let all: Vec<Node> = reusable.iter().copied().collect();
            let before = reusable.len();
            for node in all {
                if !graph.needed_wholes(node).iter().all(|need| reusable.contains(need)) {
                    reusable.remove(&node);
                }
            }
            if reusable.len() == before {
                return reusable;
            }
        }
    }

    /// Whether the node was over in the old run, as the same kind of thing.
    fn has_result(&self, plan: &Plan, graph: &Graph, node: Node) -> bool {
        match (node, self.graph.node(id_of(plan, node).as_str())) {
            (Node::Step(_), Some(Node::Step(step))) => {
                self.graph.group_of(step).is_none() && is_over(self.steps[step].status)
            }
            (Node::Group(group), Some(Node::Group(old))) => {
                is_over(self.groups[old].status) && self.members(old) == member_ids(plan, graph, group)
            }
            _ => false,
        }
    }

    fn members(&self, group: usize) -> Vec<&StepId> {
        member_ids(&self.started.plan, &self.graph, group)
    }

    /// Every result that does not depend on what begins anew has to have a place in the definition.
    fn check_nothing_is_lost(
        &self,
        plan: &Plan,
        graph: &Graph,
        begun_anew: &HashSet<Node>,
    ) -> Result<(), ForkError> {
        let here = |node: &Node| self.graph.top(id_of(plan, *node).as_str());
        let anew: HashSet<Node> =
            begun_anew.iter().filter_map(here).flat_map(|node| self.graph.depending_on(node)).collect();
        for node in self.graph.nodes.iter().filter(|node| !anew.contains(node)) {
            let over = match *node {
                Node::Step(step) => is_over(self.steps[step].status),
                Node::Group(group) => is_over(self.groups[group].status),
            };
            let id = id_of(&self.started.plan, *node);
            if over && graph.node(id.as_str()).is_none() {
                return Err(ForkError::Lost { run: self.started.run.clone(), step: id.clone() });
            }
        }
        Ok(())
    }

    /// What the new journal says of a node that is reused.
    fn reuse(
        &self,
        plan: &Plan,
        graph: &Graph,
        node: Node,
        records: &mut Vec<RecordBody>,
    ) -> Result<(), ForkError> {
        let group = match node {
            Node::Step(step) => return self.reuse_step(plan, step, records),
            Node::Group(group) => group,
        };
        let id = plan.groups[group].id.clone();
        let Some(old) = self.groups.iter().find(|old| old.id == id) else { return Ok(()) };
        if old.status == StepStatus::Skipped {
            records.push(RecordBody::GroupEnded { group: id, end: GroupEnd::Skipped });
            return Ok(());
        }
        records.push(RecordBody::IterationStarted { group: id.clone(), iteration: old.iteration });
        for step in graph.members(group) {
            self.reuse_step(plan, *step, records)?;
        }
        let end = self.end_of(&id);
        records.push(RecordBody::GroupEnded { group: id, end });
        Ok(())
    }

    fn reuse_step(&self, plan: &Plan, step: usize, records: &mut Vec<RecordBody>) -> Result<(), ForkError> {
        let planned = &plan.steps[step];
        let Some(old) = self.steps.iter().find(|old| old.id == planned.id) else { return Ok(()) };
        let before = self.started.plan.step(&planned.id);
        if old.outcome.is_some() && before.is_some_and(|before| before.output != planned.output) {
            return Err(ForkError::OtherForm { step: planned.id.clone() });
        }
        let result = Box::new(old.as_reused());
        records.push(RecordBody::Reused { step: planned.id.clone(), result });
        Ok(())
    }

    fn end_of(&self, id: &StepId) -> GroupEnd {
        let ended = self.records.iter().rev().find_map(|record| match &record.body {
            RecordBody::GroupEnded { group, end } if group == id => Some(*end),
            _ => None,
        });
        ended.unwrap_or(GroupEnd::Satisfied)
    }

    fn standing(&self, id: &StepId) -> String {
        let step = self.steps.iter().find(|step| step.id == *id).map(|step| step.status);
        let group = self.groups.iter().find(|group| group.id == *id).map(|group| group.status);
        match step.or(group) {
            None => "it is new".to_owned(),
            Some(StepStatus::Gated | StepStatus::InDoubt) => "it waits for a decision".to_owned(),
            Some(StepStatus::Failed) => "it failed".to_owned(),
            Some(StepStatus::Done | StepStatus::Skipped) => "it depends on other steps now".to_owned(),
            Some(_) => "it has not run".to_owned(),
        }
    }
}

fn is_over(status: StepStatus) -> bool {
    matches!(status, StepStatus::Done | StepStatus::Skipped)
}

fn id_of(plan: &Plan, node: Node) -> &StepId {
    match node {
        Node::Step(step) => &plan.steps[step].id,
        Node::Group(group) => &plan.groups[group].id,
    }
}

fn member_ids<'p>(plan: &'p Plan, graph: &Graph, group: usize) -> Vec<&'p StepId> {
    graph.members(group).iter().map(|step| &plan.steps[*step].id).collect()
}

fn unknown(plan: &Plan, step: StepId) -> ForkError {
    let steps: Vec<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    ForkError::UnknownStep { workflow: plan.workflow.to_string(), step, steps: steps.join(", ") }
}
