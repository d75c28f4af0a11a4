//! What answers: gates, permissions, questions.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{BudgetArgs, DriveArgs, PolicyArgs};

#[derive(Debug, Args)]
pub(crate) struct ContinueArgs {
    #[command(flatten)]
    pub(crate) decide: DecideArgs,
    /// After a talk with a worker in the foreground: what it is to answer for the parent, in the place of a summary.
    #[arg(long, value_name = "TEXT")]
    pub(crate) question: Option<String>,
    #[command(flatten)]
    pub(crate) budget: BudgetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// Appended to the step's prompt.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// The session to try in; by default the same, or a fresh one after a context overflow.
    #[arg(long, value_enum)]
    pub(crate) session: Option<SessionArg>,
    #[command(flatten)]
    pub(crate) decide: DecideArgs,
}

#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct ReplaceArgs {
    /// The text that counts as the step's result; `-` reads standard input.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "from_session",
        conflicts_with = "from_session"
    )]
    pub(crate) output: Option<PathBuf>,
    /// Take the latest answer in the worker's session, after you repaired it there.
    #[arg(long)]
    pub(crate) from_session: bool,
    #[command(flatten)]
    pub(crate) decide: DecideArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    pub(crate) decide: DecideArgs,
}

/// What every decision takes.
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// The run; `orch runs` lists them.
    pub(crate) run: String,
    /// The gate this answers; the open one by default.
    #[arg(long, value_name = "ID")]
    pub(crate) gate: Option<String>,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) drive: DriveArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SessionArg {
    /// The same session: the worker remembers.
    Same,
    /// A new session.
    Fresh,
}

#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The run; `orch runs` lists them.
    pub(crate) run: String,
    /// To a permission `once`, `always`, or `reject` and a reason for the worker; to a question the answer, one
    /// word each for questions of several parts.
    #[arg(required = true)]
    pub(crate) answer: Vec<String>,
    /// The permission or question, where several are open; `orch why` names them.
    #[arg(long, value_name = "ID")]
    pub(crate) ask: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DecideItemArgs {
    /// The run; `orch inbox` names it.
    pub(crate) run: String,
    /// To a gate `continue`, `retry` and a note, `skip` or `abort`; to a permission or a question as with `orch answer`.
    #[arg(required = true)]
    pub(crate) answer: Vec<String>,
    /// What is answered, where several things are open; `orch inbox` names them.
    #[arg(long, value_name = "ID")]
    pub(crate) item: Option<String>,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) drive: DriveArgs,
}
