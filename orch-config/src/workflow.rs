//! A workflow definition, resolved: limits applied, defaults filled in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
    policy::PolicyPatch,
    retry::Retry,
    skill::SkillName,
};

/// A named list of steps.
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
    /// The steps, in written order.
    pub steps: Vec<StepDefinition>,
}

impl WorkflowDefinition {
    /// A workflow with default limits and no policy of its own.
    #[must_use]
    pub fn new(id: WorkflowId, steps: Vec<StepDefinition>) -> Self {
        Self {
            name: id.to_string(),
            id,
            description: None,
            ui: PolicyPatch::default(),
            limits: Limits::default(),
            gate_timeout_ms: None,
            gate_default: None,
            steps,
        }
    }

    /// Whether it has more steps than its limits allow; such a workflow must not run.
    #[must_use]
    pub fn exceeds_max_steps(&self) -> bool {
        self.steps.len() > self.limits.max_steps as usize
    }

    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&StepDefinition> {
        self.steps.iter().find(|step| step.id.as_str() == id)
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
    /// The prompt's template: `{task}`, `{carry}`, `{steps.<id>.text}`.
    pub prompt: String,
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
