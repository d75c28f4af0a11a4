//! What to run.

use orch_config::{
    budget::Budget,
    policy::{Execution, Intervene, PolicyPatch},
};
use orch_workflow::{attachment::Attachment, port::AskPolicy};
use serde_json::Value;

/// Which session becomes the parent of a run's subagents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Parent {
    /// That of the project's last run of the same workflow, if a person takes part in it: a context that was cultivated
    /// in talks is revisited. Any other workflow gets a new one.
    #[default]
    Automatic,
    /// One that is created when it is first needed.
    New,
    /// This one.
    Given(String),
}

/// One workflow on one task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunRequest {
    /// The workflow's id.
    pub workflow: String,
    /// The task, as the person put it.
    pub task: String,
    /// The policy, over that of the workflow.
    pub policy: PolicyPatch,
    /// The bounds of what it may spend, over those of the workflow.
    pub budget: Budget,
    /// The session whose children the subagents become.
    pub parent: Parent,
    /// What to do with permissions and questions that no rule answers.
    pub asks: AskPolicy,
    /// Files for every step that needs no other step.
    pub attachments: Vec<Attachment>,
    /// Free data, kept with the run and never looked at.
    pub metadata: Value,
}

impl RunRequest {
    /// A run with the workflow's own policy.
    pub fn new(workflow: impl Into<String>, task: impl Into<String>) -> Self {
        Self {
            workflow: workflow.into(),
            task: task.into(),
            policy: PolicyPatch::default(),
            budget: Budget::default(),
            parent: Parent::default(),
            asks: AskPolicy::default(),
            attachments: Vec::new(),
            metadata: Value::Null,
        }
    }

    /// The same run with this change of policy.
    #[must_use]
    pub fn policy(mut self, policy: PolicyPatch) -> Self {
        self.policy = self.policy.then(policy);
        self
    }

    /// The same run with these bounds in the place of the workflow's.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = self.budget.then(budget);
        self
    }

    /// The same run, step by step or by itself.
    #[must_use]
    pub fn execution(mut self, execution: Execution) -> Self {
        self.policy.execution = Some(execution);
        self
    }

    /// The same run, asking at these occasions.
    #[must_use]
    pub fn intervene(mut self, intervene: Intervene) -> Self {
        self.policy.intervene = Some(intervene);
        self
    }

    /// The same run under this session.
    #[must_use]
    pub fn parent(mut self, session: impl Into<String>) -> Self {
        self.parent = Parent::Given(session.into());
        self
    }

    /// The same run under a parent session of its own, whatever there was before.
    #[must_use]
    pub fn new_parent(mut self) -> Self {
        self.parent = Parent::New;
        self
    }

    /// The same run with nobody to ask: permissions and questions that no rule answers are denied.
    #[must_use]
    pub fn unattended(mut self) -> Self {
        self.asks = AskPolicy::Deny;
        self
    }

    /// The same run with this file.
    #[must_use]
    pub fn attach(mut self, file: Attachment) -> Self {
        self.attachments.push(file);
        self
    }

    /// The same run with free data.
    #[must_use]
    pub fn metadata(mut self, metadata: Value) -> Self {
        self.metadata = metadata;
        self
    }
}
