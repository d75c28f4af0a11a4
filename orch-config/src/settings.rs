//! Settings that belong to no profile and no workflow, resolved.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{builtin, id::AgentName, permission::PermissionRule};

/// What people see of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UiSettings {
    /// Toasts in the terminal interface.
    pub toasts: bool,
    /// Text in the prompt box at a gate, over plain HTTP too.
    pub prompt_hints: bool,
    /// Calls by sound or by the desktop, as far as OpenCode's own settings let them through.
    pub attention: bool,
    /// Notices in the parent session.
    pub wakeup_injection: bool,
    /// Whether the prompt of the agent that delegates lists the workers and workflows.
    pub inject_system_context: bool,
    /// How many workers that list has at most.
    pub system_context_max_workers: u32,
    /// Whether a log that is kept says everything that is traced. The library keeps none; the command does.
    pub debug: bool,
}

impl Default for UiSettings {
    fn default() -> Self {
        Self {
            toasts: true,
            prompt_hints: false,
            attention: true,
            wakeup_injection: true,
            inject_system_context: true,
            system_context_max_workers: 12,
            debug: false,
        }
    }
}

/// The agent that delegates, which OpenCode offers where the plugin is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentSettings {
    /// Whether it is offered.
    pub enabled: bool,
    /// Its name.
    pub name: AgentName,
    /// Its model, `provider/model`. None: the one that is chosen in OpenCode.
    pub model: Option<String>,
    /// Its prompt.
    pub prompt: String,
    /// How the host offers it.
    pub mode: AgentMode,
    /// Its colour: `#rrggbb`, or a name that the theme knows.
    pub color: Option<String>,
    /// Whether the host's own agent `build` becomes it, too.
    pub apply_to_build: bool,
    /// Its permission rules; of those that match, the last one decides.
    pub permission: Vec<PermissionRule>,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            name: AgentName::literal("orchestrator"),
            model: None,
            prompt: builtin::ORCHESTRATOR.to_owned(),
            mode: AgentMode::Primary,
            color: None,
            apply_to_build: false,
            permission: Vec::new(),
        }
    }
}

/// How the host offers an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AgentMode {
    /// To people.
    Primary,
    /// To other agents.
    Subagent,
}

/// Commands and keys inside OpenCode.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandSettings {
    /// Whether they are there.
    pub enabled: bool,
    /// What their second names start with.
    pub prefix: String,
}

impl Default for CommandSettings {
    fn default() -> Self {
        Self { enabled: true, prefix: "orchestrator.".to_owned() }
    }
}

/// A toast when a session of a person comes to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdleNotification {
    /// Whether it is shown.
    pub enabled: bool,
    /// Its title.
    pub title: String,
    /// Its text.
    pub message: String,
    /// How long the session must be at rest, in milliseconds.
    pub delay_ms: u64,
}

impl Default for IdleNotification {
    fn default() -> Self {
        Self {
            enabled: false,
            title: "OpenCode".to_owned(),
            message: "Session is idle".to_owned(),
            delay_ms: 1_500,
        }
    }
}

/// Which OpenCode to use, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpencodeSettings {
    /// The program and its first arguments. None: `opencode` on the search path.
    pub command: Option<Vec<String>>,
    /// A server that runs already.
    pub url: Option<String>,
    /// The variable that holds the user name of that server.
    pub username_env: String,
    /// The variable that holds its password.
    pub password_env: String,
}

impl Default for OpencodeSettings {
    fn default() -> Self {
        Self {
            command: None,
            url: None,
            username_env: "OPENCODE_SERVER_USERNAME".to_owned(),
            password_env: "OPENCODE_SERVER_PASSWORD".to_owned(),
        }
    }
}

/// Where runs are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StoreSettings {
    /// The store's directory. None: below the state directory, one per project.
    pub path: Option<PathBuf>,
    /// What is pruned.
    pub retention: Retention,
    /// What becomes of the sessions of runs.
    pub sessions: SessionPolicy,
}

/// What becomes of the sessions that were made for workers of a run, once the run has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionPolicy {
    /// They stay, and what a worker did can be read later.
    #[default]
    Keep,
    /// They are deleted, but those that somebody else uses or has written in.
    Delete,
}

impl SessionPolicy {
    /// Whether they stay.
    #[must_use]
    pub fn is_keep(&self) -> bool {
        *self == Self::Keep
    }
}

/// Which finished runs are pruned. Paused and running ones never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Retention {
    /// Finished longer ago than this. None: age does not matter.
    pub max_age_days: Option<u32>,
    /// All but the newest so many. None: number does not matter.
    pub max_runs: Option<u32>,
}
