//! The command line, as data. Every flag and variable here is part of the stable contract.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use orch::config::{
    budget::Budget,
    policy::{Execution, Intervene, PolicyPatch},
};

/// Deterministic, gated, multi-worker workflows on OpenCode.
///
/// Try `orch demo` first: it needs no key, no network and no set-up.
#[derive(Debug, Parser)]
#[command(name = "orch", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Exit codes:
  0    success
  1    the run, or the command, failed
  2    the call or the configuration is wrong
  3    the run is paused at a gate
  4    another process drives the run
  130  interrupted; the run is left paused and can be continued

Environment:
  ORCH_SERVER, OPENCODE_SERVER_USERNAME, OPENCODE_SERVER_PASSWORD
       a running OpenCode server, and how to log in there
  ORCH_OPENCODE   the opencode binary to start
  ORCH_STATE_DIR  where runs are kept
  NO_COLOR        no colours")]
pub(crate) struct Cli {
    /// The project directory; the current one by default.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// Write machine-readable JSON to stdout and nothing else.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the build workflow on a simulated host: plan, implement, review, a gate, fix.
    Demo(DemoArgs),
    /// Run a workflow on a task.
    Run(RunArgs),
    /// Answer a gate: go on. After an error this retries the failed step.
    Continue(ContinueArgs),
    /// Answer a gate: try the step again.
    Retry(RetryArgs),
    /// Answer a gate: leave the step out.
    Skip(DecideArgs),
    /// Answer a gate: give the step's result yourself.
    Replace(ReplaceArgs),
    /// End a run: the decision `abort` at a gate, a cancel while it works.
    Abort(AbortArgs),
    /// Pause a run after the step at work; any process may ask.
    Pause(RunIdArgs),
    /// Start a new run that keeps the results of another one up to a step.
    Fork(ForkArgs),
    /// Answer a permission or a question of a worker; any process may.
    Answer(AnswerArgs),
    /// List what waits for you, in all runs: gates, permissions, questions.
    Inbox,
    /// Answer what the inbox shows: a gate, a permission or a question.
    Decide(DecideItemArgs),
    /// List the runs of this project, newest first.
    Runs(RunsArgs),
    /// Show all runs and workers of this project, what waits for whom, and the cost.
    Dashboard(DashboardArgs),
    /// List the workers that runs of this project have used, with their sessions.
    Workers,
    /// Put a question to a worker in its session, and print the answer.
    ///
    /// At any time: a worker that is at work answers when it has finished. The answer counts for no step.
    Ask(AskArgs),
    /// Show a worker's session in the terminal interfaces of the host, or go back to the parent's.
    Open(OpenArgs),
    /// Show a run: its steps, its gate, and the commands that go on.
    Show(ShowArgs),
    /// Say what a run waits for, since when, and who can move it.
    Why(RunIdArgs),
    /// Print the result of a run, or of one of its steps.
    Output(OutputArgs),
    /// Show the results of all steps of a run, with what each took.
    Results(RunIdArgs),
    /// Show what happened in a run and when, or the transcript of a worker's session.
    Trace(TraceArgs),
    /// Print the events of a run, one JSON object a line.
    Events(EventsArgs),
    /// Show what a workflow would do, without spending a token.
    Plan(PlanArgs),
    /// List the workflows.
    Workflows,
    /// Show the worker profiles: what each comes to, and why.
    Profiles(ProfilesArgs),
    /// List the models of the host, and the tags that get them.
    Models(HostArgs),
    /// Check, show, start or migrate the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Let this project have what reaches beyond agents, models, prompts and workflows.
    ///
    /// Shows what it asks for, then asks. Trust is bound to the directory and to the very texts of its orchestrator.json
    /// and its prompt files: after any change it is asked for again, with the difference.
    Trust(TrustArgs),
    /// Print the JSON Schema of orchestrator.json, or of the events.
    Schema(SchemaArgs),
    /// Serve this project's runs over HTTP on the loopback, for front ends that are not Rust.
    ///
    /// One service for each project and state directory: a second one finds the first and says where it is. The address
    /// and the token are in `serve.json`, which only you can read. It ends by itself when no client and no run is left.
    Serve(ServeArgs),
    /// Start OpenCode's terminal interface so that runs from other terminals show in it.
    ///
    /// Where the plugin of `orch install` is loaded, plain `opencode` does for what is run inside it. This is for runs that
    /// are started in another terminal, and for those who want no plugin: as long as it runs, the commands of orch in this
    /// project work in it, unless told otherwise with --server.
    Tui(TuiArgs),
    /// Offer the tools task_* over the Model Context Protocol, on standard input and output.
    ///
    /// For clients without our plugin: they start it themselves. It drives what is started through it; when its client
    /// leaves, that stays where it is and can be continued.
    Mcp(McpArgs),
    /// Install the plugin for OpenCode: commands, keys, gates and a sidebar in its terminal interface.
    ///
    /// Writes it beside the settings of OpenCode and names it there; comments and everything else stay. Doing it again
    /// brings it up to date.
    Install(InstallArgs),
    /// Take the plugin for OpenCode out again; settings that nobody has changed since are as before, to the byte.
    Uninstall(UninstallArgs),
    /// Check this machine: OpenCode, the server, the configuration, the store.
    Doctor(HostArgs),
    /// Print completions for a shell.
    Completions(CompletionsArgs),
    /// Print the manual: a man page, or Markdown.
    Man(ManArgs),
}

impl Command {
    /// Whether it starts a run, decides about one, or about what a project may have: nothing for a worker.
    pub(crate) fn drives(&self) -> bool {
        if let Self::Trust(args) = self {
            // A worker must not be able to widen what it may do.
            return !args.show;
        }
        matches!(
            self,
            Self::Run(_)
                | Self::Continue(_)
                | Self::Retry(_)
                | Self::Skip(_)
                | Self::Replace(_)
                | Self::Abort(_)
                | Self::Pause(_)
                | Self::Answer(_)
                | Self::Decide(_)
                | Self::Fork(_)
                | Self::Ask(_)
                | Self::Open(_)
                | Self::Serve(_)
                | Self::Tui(_)
                | Self::Mcp(_)
                | Self::Install(_)
                | Self::Uninstall(_)
        )
    }
}

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

#[derive(Debug, Args)]
pub(crate) struct RunIdArgs {
    /// The run; `orch runs` lists them.
    pub(crate) run: String,
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

#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// At most this many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// The run; `orch runs` lists them.
    pub(crate) run: String,
    /// The step; by default the last one that has a result.
    pub(crate) step: Option<String>,
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

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check configuration files; those that apply to this project by default.
    Check {
        /// Files to check by themselves.
        files: Vec<PathBuf>,
        /// Treat warnings as errors.
        #[arg(long)]
        strict: bool,
    },
    /// Show the resolved configuration.
    Show {
        /// Say of every value where it comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Write a commented file to start from. An existing file is never touched.
    Init {
        /// Write your own file, for all projects, in place of the project's.
        #[arg(long)]
        global: bool,
    },
    /// Bring a predecessor's file into today's form; shows what would change.
    ///
    /// Comments, order and layout stay as they are.
    Migrate {
        /// The file; the project's by default.
        file: Option<PathBuf>,
        /// Change the file.
        #[arg(long)]
        write: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// Only show what it asks for, and what has changed since it was trusted.
    #[arg(long, conflicts_with_all = ["revoke", "yes"])]
    pub(crate) show: bool,
    /// Take the trust back.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) revoke: bool,
    /// Trust it as it is now without being asked.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// For all projects of yours, not only for this one.
    #[arg(long)]
    pub(crate) global: bool,
    /// A key for a command, such as gate=f4; alternatives are separated by commas, sequences are written <leader>v.
    #[arg(long = "key", value_name = "NAME=KEY", value_parser = crate::command::install::parse_key)]
    pub(crate) keys: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// The one for all projects of yours.
    #[arg(long)]
    pub(crate) global: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// That of the events, which `orch run --json` and `orch events` print.
    #[arg(long)]
    pub(crate) events: bool,
    /// The OpenAPI document of `orch serve`.
    #[arg(long, conflicts_with = "events")]
    pub(crate) openapi: bool,
}

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

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for each command into this directory.
    #[arg(long, value_name = "DIR", conflicts_with = "markdown")]
    pub(crate) out: Option<PathBuf>,
    /// The manual of all commands as Markdown.
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// The policy for the run, over that of the workflow.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct PolicyArgs {
    /// Stop after every step, or go on by itself.
    #[arg(long, value_name = "step|auto", value_parser = parse::<Execution>)]
    pub(crate) execution: Option<Execution>,
    /// When to ask: never, on-warning, on-error, always.
    #[arg(long, value_name = "WHEN", value_parser = parse::<Intervene>)]
    pub(crate) intervene: Option<Intervene>,
}

impl PolicyArgs {
    pub(crate) fn patch(self) -> PolicyPatch {
        PolicyPatch { execution: self.execution, intervene: self.intervene }
    }
}

/// What may be spent, in all. At a gate over a step's budget the bounds are the step's, else they are the run's.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Budget")]
pub(crate) struct BudgetArgs {
    /// Tokens of all kinds, child sessions included.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    /// US dollars, as OpenCode reports them.
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(crate) max_cost: Option<f64>,
    /// Time at work, such as 90s, 30m or 2h; waiting for people and limits does not count.
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    pub(crate) max_active: Option<u64>,
}

impl BudgetArgs {
    pub(crate) fn budget(self) -> Budget {
        Budget { max_tokens: self.max_tokens, max_cost_usd: self.max_cost, max_active_ms: self.max_active }
    }
}

pub(crate) fn dollars(text: &str) -> Result<f64, String> {
    let dollars = text.parse().ok().filter(|dollars: &f64| dollars.is_finite() && *dollars > 0.0);
    dollars.ok_or_else(|| "an amount of US dollars above 0, such as 2.50".to_owned())
}

fn span(text: &str) -> Result<Duration, String> {
    milliseconds(text).map(Duration::from_millis)
}

/// A number with a unit: `90s`, `30m`, `2h`.
pub(crate) fn milliseconds(text: &str) -> Result<u64, String> {
    let at = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let scale = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let time = number.parse().ok().and_then(|number: u64| number.checked_mul(scale)).filter(|time| *time > 0);
    time.ok_or_else(|| "a time with its unit, such as 90s, 30m or 2h".to_owned())
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// What driving a run takes: a host and a way to ask.
#[derive(Debug, Args)]
pub(crate) struct DriveArgs {
    /// Never ask: exit with code 3 at a gate, deny permissions that no rule answers.
    #[arg(long, help_heading = None::<&str>)]
    pub(crate) no_input: bool,
    #[command(flatten)]
    pub(crate) host: HostArgs,
}

/// Which OpenCode to work on.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Host")]
pub(crate) struct HostArgs {
    /// A running OpenCode server; its password comes from OPENCODE_SERVER_PASSWORD.
    #[arg(long, env = "ORCH_SERVER", hide_env_values = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The opencode binary to start, for the run and for workers with a server of their own; `opencode` on PATH by
    /// default.
    #[arg(long, env = "ORCH_OPENCODE", hide_env_values = true, value_name = "PATH")]
    pub(crate) opencode: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SessionArg {
    /// The same session: the worker remembers.
    Same,
    /// A new session.
    Fresh,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use orch::ux::command::COMMANDS;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_a_text_may_name_exists_and_no_other() {
        let cli = Cli::command();
        for command in COMMANDS {
            let found = command.name.split(' ').try_fold(&cli, |at, word| at.find_subcommand(word));
            assert!(found.is_some_and(|found| !found.has_subcommands()), "{}", command.name);
        }
        let leaves = cli.get_subcommands().map(|command| command.get_subcommands().count().max(1));
        assert_eq!(leaves.sum::<usize>(), COMMANDS.len());
    }

    #[test]
    fn the_forms_that_texts_show_are_accepted() {
        for command in COMMANDS {
            let words = command.form.split(' ').map(|word| word.trim_matches(['<', '>']));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{}: {error}", command.form);
            }
        }
    }
}
