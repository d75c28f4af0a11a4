//! From where to go on with a run in another way.

use orch_config::{
    budget::Budget,
    id::StepId,
    policy::{Execution, Intervene, PolicyPatch},
};
use orch_workflow::port::AskPolicy;

/// A new run that keeps the results of another one up to a step.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ForkRequest {
    /// The step, or group, that begins anew, with everything that depends on it.
    pub from: StepId,
    /// Which definition the new run follows.
    pub definition: Definition,
    /// The policy, over that which the run was started with.
    pub policy: PolicyPatch,
    /// The bounds, over those that the run was started with. What the other run has spent does not count.
    pub budget: Budget,
    /// The parent session. None: the one that was given with the run, else one is created when it is first needed.
    pub parent_session: Option<String>,
    /// What to do with permissions and questions that no rule answers. None: as in the run.
    pub asks: Option<AskPolicy>,
}

/// The definition that a forked run follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Definition {
    /// The workflow as it is configured now.
    #[default]
    Current,
    /// The one that the run was started with.
    Journaled,
}

impl ForkRequest {
    /// A fork under the current definition, with everything else as the run was started.
    #[must_use]
    pub fn new(from: StepId) -> Self {
        let definition = Definition::default();
        Self {
            from,
            definition,
            policy: PolicyPatch::default(),
            budget: Budget::default(),
            parent_session: None,
            asks: None,
        }
    }

    /// The same under this definition.
    #[must_use]
    pub fn definition(mut self, definition: Definition) -> Self {
        self.definition = definition;
        self
    }

    /// The same with this change of policy.
    #[must_use]
    pub fn policy(mut self, policy: PolicyPatch) -> Self {
        self.policy = self.policy.then(policy);
        self
    }

    /// The same, step by step or by itself.
    #[must_use]
    pub fn execution(mut self, execution: Execution) -> Self {
        self.policy.execution = Some(execution);
        self
    }

    /// The same, asking at these occasions.
    #[must_use]
    pub fn intervene(mut self, intervene: Intervene) -> Self {
        self.policy.intervene = Some(intervene);
        self
    }

    /// The same within these bounds.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = self.budget.then(budget);
        self
    }

    /// The same under this session.
    #[must_use]
    pub fn parent(mut self, session: impl Into<String>) -> Self {
        self.parent_session = Some(session.into());
        self
    }

    /// The same with nobody to ask: permissions and questions that no rule answers are denied.
    #[must_use]
    pub fn unattended(mut self) -> Self {
        self.asks = Some(AskPolicy::Deny);
        self
    }

    /// The same with people to ask: permissions and questions that no rule answers wait for them.
    #[must_use]
    pub fn attended(mut self) -> Self {
        self.asks = Some(AskPolicy::Wait);
        self
    }
}
