//! A validated, immutable definition: what a run was started with, whole, and its digest.

use orch_config::{
    id::{ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
    policy::{Policy, PolicyPatch},
    retry::Retry,
};
use serde::{Deserialize, Serialize};

use crate::decision::DecisionKind;

/// A workflow, resolved against its profiles: nothing in it has to be looked up again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its name, for people.
    pub name: String,
    /// The policy of the configuration and the workflow; a run may override it.
    pub policy: Policy,
    /// The caps on the run's texts.
    pub limits: PlanLimits,
    /// After how long an unanswered gate takes `gate_default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_timeout_ms: Option<u64>,
    /// What it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_default: Option<DecisionKind>,
    /// The steps, in the order they were written.
    pub steps: Vec<PlanStep>,
}

/// The caps on a run's texts, in Unicode scalar values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanLimits {
    /// Longest task.
    pub max_task_chars: u32,
    /// Longest carry.
    pub max_carry_chars: u32,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanStep {
    /// Its id.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// The worker profile.
    pub worker: ProfileId,
    /// What the worker runs as, overrides applied.
    pub kind: WorkerKind,
    /// Whether a person takes part, overrides applied.
    pub execution: ExecutionMode,
    /// The prompt's template.
    pub prompt: String,
    /// Whether its hand-off is carried to later steps.
    pub carry: bool,
    /// The steps that must be over before it starts.
    pub needs: Vec<StepId>,
    /// Its active time, at most.
    pub timeout_ms: u64,
    /// The silence after which it is remarked as idle.
    pub idle_warning_ms: u64,
    /// Automatic repetition.
    pub retry: Retry,
    /// Its own policy, over the workflow's.
    #[serde(default)]
    pub ui: PolicyPatch,
}
