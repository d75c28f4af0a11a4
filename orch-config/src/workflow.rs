//! A workflow definition, resolved: limits applied, defaults filled in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    budget::Budget,
    expression::Expression,
    id::{ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
    policy::PolicyPatch,
    retry::Retry,
    skill::SkillName,
};

/// A named list of steps and groups of steps.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkflowDefinition {
    /// Its id.
    pub id: WorkflowId,
    /// Its name, for people; the id unless one is given.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// Its policy, over the one of `workflows.ui`.
    pub ui: PolicyPatch,
    /// The caps in force: the lowest of `security.workflows`, `workflows.limits` and its own.
    pub limits: Limits,
    /// After how long an unanswered gate takes `gate_default`, in milliseconds. None: never.
    pub gate_timeout_ms: Option<u64>,
    /// What it takes then.
    pub gate_default: Option<GateDefault>,
    /// What a run may spend: the lowest of `workflows.budget` and its own.
    pub budget: Budget,
    /// The steps and groups, in written order.
    pub nodes: Vec<Node>,
}

impl WorkflowDefinition {
    /// A workflow with default limits and no policy of its own.
    #[must_use]
    pub fn new(id: WorkflowId, nodes: impl IntoIterator<Item = impl Into<Node>>) -> Self {
        Self {
            name: id.to_string(),
            id,
            description: None,
            ui: PolicyPatch::default(),
            limits: Limits::default(),
            gate_timeout_ms: None,
            gate_default: None,
            budget: Budget::default(),
            nodes: nodes.into_iter().map(Into::into).collect(),
        }
    }

    /// Its steps in written order, those of groups included.
    pub fn steps(&self) -> impl Iterator<Item = &StepDefinition> {
        self.nodes.iter().flat_map(Node::steps)
    }

    /// The same, to be changed.
    pub fn steps_mut(&mut self) -> impl Iterator<Item = &mut StepDefinition> {
        self.nodes.iter_mut().flat_map(|node| match node {
            Node::Step(step) => std::slice::from_mut(&mut **step),
            Node::Group(group) => group.steps.as_mut_slice(),
        })
    }

    /// Its groups in written order.
    pub fn groups(&self) -> impl Iterator<Item = &GroupDefinition> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Group(group) => Some(&**group),
            Node::Step(_) => None,
        })
    }

    /// Whether it has more steps than its limits allow; such a workflow must not run.
    #[must_use]
    pub fn exceeds_max_steps(&self) -> bool {
        self.steps().count() > self.limits.max_steps as usize
    }

    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&StepDefinition> {
        self.steps().find(|step| step.id.as_str() == id)
    }
}

/// What stands in a workflow's list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Node {
    /// A step.
    Step(Box<StepDefinition>),
    /// Steps that are repeated together.
    Group(Box<GroupDefinition>),
}

impl Node {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &StepId {
        match self {
            Self::Step(step) => &step.id,
            Self::Group(group) => &group.id,
        }
    }

    /// What must be over before it starts, as written. None: the node before it.
    #[must_use]
    pub fn needs(&self) -> Option<&[StepId]> {
        match self {
            Self::Step(step) => step.needs.as_deref(),
            Self::Group(group) => group.needs.as_deref(),
        }
    }

    /// Under which condition it is done at all.
    #[must_use]
    pub fn when(&self) -> Option<&Expression> {
        match self {
            Self::Step(step) => step.when.as_ref(),
            Self::Group(group) => group.when.as_ref(),
        }
    }

    /// The step itself, or the steps of the group.
    #[must_use]
    pub fn steps(&self) -> &[StepDefinition] {
        match self {
            Self::Step(step) => std::slice::from_ref(step),
            Self::Group(group) => &group.steps,
        }
    }
}

impl From<StepDefinition> for Node {
    fn from(step: StepDefinition) -> Self {
        Self::Step(Box::new(step))
    }
}

impl From<GroupDefinition> for Node {
    fn from(group: GroupDefinition) -> Self {
        Self::Group(Box::new(group))
    }
}

/// Steps that are repeated together until a condition holds. Groups do not nest.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GroupDefinition {
    /// Its id; groups and steps share one space of ids.
    pub id: StepId,
    /// Its title, for people; the id unless one is given.
    pub title: String,
    /// What must be over before it starts. None: the node before it.
    pub needs: Option<Vec<StepId>>,
    /// It is skipped unless this holds.
    pub when: Option<Expression>,
    /// How often the steps run, at most.
    pub max: u32,
    /// Looked at after each pass: the group is done once this holds.
    pub until: Expression,
    /// The steps, in written order.
    pub steps: Vec<StepDefinition>,
}

impl GroupDefinition {
    /// A group that waits for the node before it.
    #[must_use]
    pub fn new(id: StepId, max: u32, until: Expression, steps: Vec<StepDefinition>) -> Self {
        Self { title: id.to_string(), id, needs: None, when: None, max, until, steps }
    }
}

/// One step: a prompt for one worker.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepDefinition {
    /// Its id, unique within the workflow.
    pub id: StepId,
    /// Its title, for people; the id unless one is given.
    pub title: String,
    /// The profile of the worker.
    pub worker: ProfileId,
    /// The prompt's template: `{task}`, `{carry}`, `{steps.<id>.text}`, `{steps.<id>.output.<path>}`.
    pub prompt: String,
    /// What must be over before it starts; within a group, steps of the group. None: the node before it.
    pub needs: Option<Vec<StepId>>,
    /// It is skipped unless this holds.
    pub when: Option<Expression>,
    /// A JSON Schema of its answer.
    pub output: Option<Value>,
    /// What it may spend.
    pub budget: Budget,
    /// Whether its hand-off is carried to later steps.
    pub carry: bool,
    /// Active time it may take, in milliseconds; never above `Limits::per_step_timeout_ms`.
    pub timeout_ms: u64,
    /// The silence after which it is remarked as idle, in milliseconds.
    pub idle_warning_ms: u64,
    /// Skills that must be there before it starts, beside those of the profile.
    pub required_skills: Vec<SkillName>,
    /// Its policy, over the workflow's.
    pub ui: PolicyPatch,
    /// Replaces the profile's kind.
    pub kind: Option<WorkerKind>,
    /// Replaces the profile's execution mode.
    pub execution: Option<ExecutionMode>,
    /// Automatic repetition.
    pub retry: Retry,
}

impl StepDefinition {
    /// A step without carry, with the default limits.
    #[must_use]
    pub fn new(id: StepId, worker: ProfileId, prompt: impl Into<String>) -> Self {
        let limits = Limits::default();
        Self {
            title: id.to_string(),
            id,
            worker,
            prompt: prompt.into(),
            needs: None,
            when: None,
            output: None,
            budget: Budget::default(),
            carry: false,
            timeout_ms: limits.per_step_timeout_ms,
            idle_warning_ms: limits.idle_warning_ms,
            required_skills: Vec::new(),
            ui: PolicyPatch::default(),
            kind: None,
            execution: None,
            retry: Retry::default(),
        }
    }
}

/// Caps on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// Steps of a workflow.
    pub max_steps: u32,
    /// The task, in Unicode scalar values.
    pub max_task_chars: u32,
    /// The carry, in Unicode scalar values.
    pub max_carry_chars: u32,
    /// Active time of a step, in milliseconds.
    pub per_step_timeout_ms: u64,
    /// The silence after which a step is remarked as idle, in milliseconds.
    pub idle_warning_ms: u64,
    /// Steps at work at once.
    pub max_parallel: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_steps: 1_000,
            max_task_chars: 12_000,
            max_carry_chars: 24_000,
            per_step_timeout_ms: 30 * 60_000,
            idle_warning_ms: 5 * 60_000,
            max_parallel: 4,
        }
    }
}

/// What an unanswered gate takes once its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateDefault {
    /// Go on; after an error: try again.
    Continue,
    /// Do the step again.
    Retry,
    /// Leave the step out.
    Skip,
    /// End the run.
    Abort,
}
