//! What starts a run: a workflow and a task, another run, a demonstration.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{BudgetArgs, DriveArgs, PolicyArgs};

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Run on a real OpenCode with a scripted model instead of the simulator.
    ///
    /// Takes the binary from the value, else from ORCH_OPENCODE, else from PATH.
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true)]
    pub(crate) opencode: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workflow; `orch workflows` lists them.
    pub(crate) workflow: String,
    /// The task; `-` reads it from standard input.
    pub(crate) task: Option<String>,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) budget: BudgetArgs,
    /// The session whose children the subagents become, or `new`. By default one is created, and a workflow that a
    /// person takes part in, such as docs, goes on under the one of its last run in this project.
    #[arg(long, value_name = "SESSION", help_heading = None::<&str>)]
    pub(crate) parent: Option<String>,
    /// A file for every step that needs no other step: text or an image, as it is now. May be given more than once.
    #[arg(long, value_name = "FILE", help_heading = None::<&str>)]
    pub(crate) attach: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) drive: DriveArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ForkArgs {
    /// The run; `orch runs` lists them.
    pub(crate) run: String,
    /// The step that begins anew, with everything that depends on it; of a repeated group, the group.
    #[arg(long, value_name = "STEP")]
    pub(crate) from: String,
    /// The definition that the new run follows.
    #[arg(long, value_enum, default_value_t = DefinitionArg::Current)]
    pub(crate) definition: DefinitionArg,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) budget: BudgetArgs,
    /// The session whose children the subagents become; by default the one given with the run, else a new one.
    #[arg(long, value_name = "SESSION", help_heading = None::<&str>)]
    pub(crate) parent: Option<String>,
    #[command(flatten)]
    pub(crate) drive: DriveArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DefinitionArg {
    /// The workflow as it is configured now.
    Current,
    /// The one that the run began with.
    Journaled,
}
