//! What looks at runs, at workers and at what could be run.

use clap::Args;

use super::HostArgs;

#[derive(Debug, Args)]
pub(crate) struct RunIdArgs {
    /// The run; `orch runs` lists them.
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// At most this many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The run; `orch runs` lists them.
    pub(crate) run: String,
    /// As it stood after this event; `orch events` numbers them.
    #[arg(long, value_name = "N")]
    pub(crate) at: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// The run; `orch runs` lists them.
    pub(crate) run: String,
    /// The step; by default the last one that has a result.
    pub(crate) step: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// The run; `orch runs` lists them.
    pub(crate) run: String,
    /// Start with this event number.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) from: u64,
    /// Go on until the run ends.
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// A run, or a session: `ses_…`, as `orch show` and the trace of a run name them.
    pub(crate) target: String,
    /// Of a run, only this step.
    pub(crate) step: Option<String>,
    /// Show messages whole, and what tools were given and gave.
    #[arg(long)]
    pub(crate) full: bool,
    /// Start what the transcripts are read from, for as long as that takes: an OpenCode where no server is named, and the
    /// servers that workers have of their own.
    #[arg(long)]
    pub(crate) start: bool,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DashboardArgs {
    /// Keep it up to date until Ctrl-C; in a pipe, write it again whenever something has changed.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Show at most this many runs that have ended.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) ended: usize,
}

#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// A worker, by its profile, or its session: `ses_…`, as `orch workers` lists them.
    pub(crate) worker: String,
    /// The question.
    #[arg(required = true)]
    pub(crate) question: Vec<String>,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// A worker, by its profile, or its session: `ses_…`, as `orch workers` lists them.
    pub(crate) worker: String,
    /// Go back: show the session above it.
    #[arg(long)]
    pub(crate) back: bool,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The workflow; `orch workflows` lists them.
    pub(crate) workflow: String,
    /// Draw it as a Mermaid flowchart, for a page.
    #[arg(long)]
    pub(crate) mermaid: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProfilesArgs {
    /// Only those with this label among their `tags`.
    #[arg(long, value_name = "LABEL")]
    pub(crate) tag: Option<String>,
    /// Start an OpenCode to look models, agents and skills up, where no server is named.
    #[arg(long)]
    pub(crate) start: bool,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}
