//! Settings that belong to no profile and no workflow, resolved.

use std::path::PathBuf;

/// What people see of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UiSettings {
    /// Toasts in the terminal interface.
    pub toasts: bool,
    /// Text appended to the prompt box at a gate, over plain HTTP too.
    pub prompt_hints: bool,
    /// Notices in the parent session.
    pub wakeup_injection: bool,
    /// Whether a log that is kept says everything that is traced. The library keeps none; the command does.
    pub debug: bool,
}

impl Default for UiSettings {
    fn default() -> Self {
        Self { toasts: true, prompt_hints: false, wakeup_injection: true, debug: false }
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
