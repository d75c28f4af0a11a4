//! A worker profile, resolved: defaults filled in, kind decided, prompt text read.

use std::{collections::BTreeMap, fmt, ops::Deref};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::ProfileId,
    kind::{ExecutionMode, WorkerKind},
    permission::PermissionRule,
    skill::SkillName,
};

/// Everything about a worker that the configuration decides.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// Its id; a step names it as `workerId`.
    pub id: ProfileId,
    /// Its name, for people; the id unless one is given.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// When to choose it.
    pub when_to_use: String,
    /// What it runs as.
    pub kind: WorkerKind,
    /// Whether a person takes part.
    pub execution: ExecutionMode,
    /// `provider/model` or a tag such as `node:fast`, as written. None: the host's default.
    pub model: Option<String>,
    /// The OpenCode agent whose settings the session uses. None: the host's default.
    pub agent: Option<String>,
    /// What the worker is told about its role, as text.
    pub system_prompt: Option<String>,
    /// Rules from `tools`, then those from `permission`. The last match decides.
    pub permission: Vec<PermissionRule>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// Environment of the worker's own server, on top of the inherited one.
    pub env: Environment,
    /// What the worker's session knows at its start.
    pub context: Context,
    /// What becomes the result of a foreground step.
    pub handoff: Handoff,
    /// How many of its sessions may work at once, at least 1.
    pub max_concurrency: u32,
    /// How often its server may be started again.
    pub restart: Restart,
    /// Skills that must be there before it starts.
    pub required_skills: Vec<SkillName>,
    /// Whether it looks at images.
    pub supports_vision: bool,
    /// Whether it reads the web.
    pub supports_web: bool,
    /// Whether it is told what there is in its repository: names of the first two levels.
    pub inject_repo_context: bool,
    /// The port to try first for its own server.
    pub port: Option<u16>,
    /// Free labels.
    pub tags: Vec<String>,
}

impl Profile {
    /// A background worker on a server of its own, on the host's default model.
    #[must_use]
    pub fn new(id: ProfileId) -> Self {
        let name = id.as_str().to_owned();
        Self { name, ..Self::unnamed(id) }
    }

    /// A profile whose name is still to come.
    pub(crate) fn unnamed(id: ProfileId) -> Self {
        Self {
            name: String::new(),
            id,
            purpose: String::new(),
            when_to_use: String::new(),
            kind: WorkerKind::Server,
            execution: ExecutionMode::Background,
            model: None,
            agent: None,
            system_prompt: None,
            permission: Vec::new(),
            temperature: None,
            env: Environment::default(),
            context: Context::default(),
            handoff: Handoff::default(),
            max_concurrency: 1,
            restart: Restart::default(),
            required_skills: Vec::new(),
            supports_vision: false,
            supports_web: false,
            inject_repo_context: false,
            port: None,
            tags: Vec::new(),
        }
    }

    /// The same profile as another kind of worker.
    #[must_use]
    pub fn with_kind(mut self, kind: WorkerKind) -> Self {
        self.kind = kind;
        self
    }
}

/// What a worker's session knows at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// Nothing but its prompt.
    #[default]
    Fresh,
    /// A copy of the parent's transcript.
    Fork,
    /// A summary of the parent's transcript.
    Summary,
}

/// What becomes the result of a foreground step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Handoff {
    /// The session's latest answer.
    Last,
    /// An answer asked for explicitly: a summary for the parent.
    #[default]
    Summarize,
    /// Nothing.
    None,
}

/// How often a worker's own server may be started again after it died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Restart {
    /// Restarts within the window.
    pub max_restarts: u32,
    /// The window, in milliseconds.
    pub window_ms: u64,
}

impl Default for Restart {
    fn default() -> Self {
        Self { max_restarts: 3, window_ms: 600_000 }
    }
}

/// Environment variables. `Debug` shows the names only: values may be secrets.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Environment(pub BTreeMap<String, String>);

impl Environment {
    /// Whether orch alone decides on this variable of the servers that it starts: it keeps workers from driving runs, and
    /// every server apart from all others.
    #[must_use]
    pub fn is_reserved(name: &str) -> bool {
        const APART: [&str; 10] = [
            "OPENCODE",
            "OPENCODE_CLIENT",
            "OPENCODE_CONFIG_DIR",
            "OPENCODE_DB",
            "OPENCODE_PID",
            "OPENCODE_SERVER_PASSWORD",
            "OPENCODE_SERVER_USERNAME",
            "OPENCODE_WORKSPACE_ID",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
        ];
        name.starts_with("ORCH_") || APART.contains(&name)
    }
}

impl Deref for Environment {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
