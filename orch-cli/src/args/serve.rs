//! What stays and serves others.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{HostArgs, milliseconds};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Start it in the background, unless it runs already, and return when it can be spoken to.
    #[arg(long)]
    pub(crate) detach: bool,
    /// How long it stays when no client and no run is left, such as 90s, 30m or 2h.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span)]
    pub(crate) linger: Duration,
    /// What `--detach` starts: a process that belongs to no terminal.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) leads_session: bool,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TuiArgs {
    /// The opencode binary; `opencode` on PATH by default.
    #[arg(long, env = "ORCH_OPENCODE", hide_env_values = true, value_name = "PATH")]
    pub(crate) opencode: Option<PathBuf>,
    /// What OpenCode is told beside it, after `--`: such as `--continue`.
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

fn span(text: &str) -> Result<Duration, String> {
    milliseconds(text).map(Duration::from_millis)
}
