//! The command line, as data. Every flag and variable here is part of the stable contract.
//!
//! Here are the commands; what each takes is in the file of its family.

mod decide;
mod look;
mod project;
mod run;
mod serve;
mod shared;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use self::{
    decide::{
        AbortArgs, AnswerArgs, ContinueArgs, DecideArgs, DecideItemArgs, ReplaceArgs, RetryArgs, SessionArg,
    },
    look::{
        AskArgs, DashboardArgs, EventsArgs, OpenArgs, OutputArgs, PlanArgs, ProfilesArgs, RunIdArgs,
        RunsArgs, ShowArgs, TraceArgs,
    },
    project::{CompletionsArgs, ConfigCommand, InstallArgs, ManArgs, SchemaArgs, TrustArgs, UninstallArgs},
    run::{DefinitionArg, DemoArgs, ForkArgs, RunArgs},
    serve::{McpArgs, ServeArgs, TuiArgs},
    shared::{BudgetArgs, DriveArgs, HostArgs, PolicyArgs, dollars, milliseconds},
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
