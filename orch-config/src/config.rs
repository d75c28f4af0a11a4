//! The resolved configuration.

use indexmap::IndexMap;

use crate::{
    builtin,
    id::{ProfileId, WorkflowId},
    policy::Policy,
    profile::Profile,
    settings::{
        AgentSettings, CommandSettings, IdleNotification, OpencodeSettings, StoreSettings, UiSettings,
    },
    trust::Trust,
    workflow::{Limits, WorkflowDefinition},
};

/// What all files, defaults and overrides come to.
///
/// Build one with [`crate::load::load`], or in code from [`Config::builtin`] and [`Config::check`] it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The policy of runs, unless workflow, step or run say otherwise.
    pub policy: Policy,
    /// Whether workflows may run at all.
    pub workflows_enabled: bool,
    /// The worker profiles, built-in ones first.
    pub profiles: IndexMap<ProfileId, Profile>,
    /// The workflows, built-in ones first.
    pub workflows: IndexMap<WorkflowId, WorkflowDefinition>,
    /// The caps on every workflow; a workflow can only lower them.
    pub limits: Limits,
    /// Whether `spawn` is started eagerly by programs that stay.
    pub auto_spawn: bool,
    /// The workers to start eagerly.
    pub spawn: Vec<ProfileId>,
    /// What people see.
    pub ui: UiSettings,
    /// The agent that delegates.
    pub agent: AgentSettings,
    /// Commands and keys inside OpenCode.
    pub commands: CommandSettings,
    /// What tells that a session has come to rest.
    pub idle_notification: IdleNotification,
    /// Which OpenCode to use.
    pub opencode: OpencodeSettings,
    /// Where runs are kept.
    pub store: StoreSettings,
    /// The first port tried for a server worker.
    pub base_port: u16,
    /// How long a server may take to start, in milliseconds.
    pub startup_timeout_ms: u64,
    /// How often a server is asked whether it lives, in milliseconds.
    pub health_check_interval_ms: u64,
    /// Whether the project is trusted: servers that are started in it load its own OpenCode configuration, plugins and
    /// tools then. No file says so, and none is shown to.
    pub trust: Trust,
}

impl Config {
    /// The built-in profiles, workflows and defaults, and nothing else.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            policy: Policy::default(),
            workflows_enabled: true,
            profiles: builtin::profiles().map(|profile| (profile.id.clone(), profile)).collect(),
            workflows: builtin::workflows().map(|workflow| (workflow.id.clone(), workflow)).collect(),
            limits: Limits::default(),
            auto_spawn: true,
            spawn: Vec::new(),
            ui: UiSettings::default(),
            agent: AgentSettings::default(),
            commands: CommandSettings::default(),
            idle_notification: IdleNotification::default(),
            opencode: OpencodeSettings::default(),
            store: StoreSettings::default(),
            base_port: 14_096,
            startup_timeout_ms: 30_000,
            health_check_interval_ms: 30_000,
            trust: Trust::Untrusted,
        }
    }

    /// The profile with this id.
    #[must_use]
    pub fn profile(&self, id: &str) -> Option<&Profile> {
        self.profiles.get(id)
    }

    /// The workflow with this id.
    #[must_use]
    pub fn workflow(&self, id: &str) -> Option<&WorkflowDefinition> {
        self.workflows.get(id)
    }

    /// The profile whose id is nearest to one that is not known.
    #[must_use]
    pub fn suggest_profile(&self, id: &str) -> Option<&str> {
        crate::suggest::suggest(id, self.profiles.keys().map(ProfileId::as_str))
    }

    /// The workflow whose id is nearest to one that is not known.
    #[must_use]
    pub fn suggest_workflow(&self, id: &str) -> Option<&str> {
        crate::suggest::suggest(id, self.workflows.keys().map(WorkflowId::as_str))
    }

    /// Adds a profile, or replaces the one with its id.
    pub fn insert_profile(&mut self, profile: Profile) -> Option<Profile> {
        self.profiles.insert(profile.id.clone(), profile)
    }

    /// Adds a workflow, or replaces the one with its id.
    pub fn insert_workflow(&mut self, workflow: WorkflowDefinition) -> Option<WorkflowDefinition> {
        self.workflows.insert(workflow.id.clone(), workflow)
    }
}
