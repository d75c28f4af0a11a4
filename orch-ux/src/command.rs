//! The registry of commands: what a text may tell a person to type.
//!
//! Notices, toasts, hints and views build every command line from these entries, so that none can name a command
//! that does not exist. The `orch` binary checks the other half: that each entry is one of its commands.

use std::path::Path;

use orch_config::id::StepId;
use orch_workflow::{attempt::RunId, decision::DecisionKind, port::AskId};

use crate::text::printable;

/// One command, as data: for help, palettes and shortcuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command {
    /// Its words after `orch`: `continue`, `config check`.
    pub name: &'static str,
    /// The whole line, with `<…>` for what it needs: `orch continue <run>`.
    pub form: &'static str,
    /// A few words for a palette.
    pub title: &'static str,
    /// One sentence.
    pub description: &'static str,
}

impl Command {
    /// The line for one run, ready to be typed: `orch continue run_…`.
    #[must_use]
    pub fn on(&self, run: &RunId) -> String {
        self.form.replace("<run>", run.as_str())
    }

    /// The line for one run with one more word, quoted for a shell where it needs it.
    #[must_use]
    pub fn on_with(&self, run: &RunId, word: &str) -> String {
        format!("{} {}", self.on(run), quoted(word))
    }
}

/// The line that answers an ask of a run, but for the answer itself: `orch answer run_… --ask per_1 <answer>`.
#[must_use]
pub fn answering(run: &RunId, ask: &AskId) -> String {
    format!("orch {} {run} --ask {} <answer>", ANSWER.name, quoted(&ask.0))
}

/// The line that answers an item of the inbox, but for the answer itself: `orch decide run_… --item per_1 <answer>`.
#[must_use]
pub fn deciding_on(run: &RunId, item: &str) -> String {
    format!("orch {} {run} --item {} <answer>", DECIDE.name, quoted(item))
}

/// The line that forks a run from a step: `orch fork run_… --from implement`.
#[must_use]
pub fn forking(run: &RunId, step: &StepId) -> String {
    format!("orch {} {run} --from {}", FORK.name, quoted(step.as_str()))
}

/// The line that trusts a project as it is, without a question: `orch trust --yes --dir /a/project`.
#[must_use]
pub fn trusting(directory: &Path) -> String {
    format!("orch {} --yes --dir {}", TRUST.name, quoted(&directory.to_string_lossy()))
}

/// The line that shows the transcript of a session: `orch trace ses_…`.
#[must_use]
pub fn tracing(session: &str) -> String {
    format!("orch {} {}", TRACE.name, quoted(session))
}

/// The command of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().copied().find(|command| command.name == name)
}

/// The command that makes this decision.
#[must_use]
pub fn deciding(decision: DecisionKind) -> &'static Command {
    match decision {
        DecisionKind::Continue => &CONTINUE,
        DecisionKind::Retry => &RETRY,
        DecisionKind::Skip => &SKIP,
        DecisionKind::Replace => &REPLACE,
        DecisionKind::Abort => &ABORT,
    }
}

macro_rules! commands {
    ($($constant:ident: $name:literal, $form:literal, $title:literal, $description:literal;)+) => {
        $(
            #[doc = concat!("`", $form, "`")]
            pub static $constant: Command =
                Command { name: $name, form: $form, title: $title, description: $description };
        )+

        /// Every command, in the order of the help.
        pub static COMMANDS: &[&Command] = &[$(&$constant),+];
    };
}

commands! {
    DEMO: "demo", "orch demo", "Watch a demo",
        "Runs the build workflow on a simulated host and model: no key, no network, no set-up.";
    RUN: "run", "orch run <workflow> <task>", "Run a workflow",
        "Starts a run of a workflow on a task and follows it to its end or its next gate.";
    CONTINUE: "continue", "orch continue <run>", "Continue a run",
        "Answers the open gate with `continue`; after an error this tries the failed step again.";
    RETRY: "retry", "orch retry <run>", "Retry the step",
        "Answers the open gate with `retry`; `--note` adds to the prompt, `--session fresh` starts anew.";
    SKIP: "skip", "orch skip <run>", "Skip the step",
        "Answers the open gate with `skip`: the step is left out, its text stays empty.";
    REPLACE: "replace", "orch replace <run> --output <file>", "Replace the step's result",
        "Answers the open gate with your own result; `--from-session` takes the latest answer there.";
    ABORT: "abort", "orch abort <run>", "Abort a run",
        "Ends a run: at its gate with the decision `abort`, else by cancelling the work in flight.";
    FORK: "fork", "orch fork <run> --from <step>", "Fork a run",
        "Starts a new run that keeps the results of another one up to a step.";
    PAUSE: "pause", "orch pause <run>", "Pause a run",
        "Opens a gate before the next step; what is at work finishes first.";
    ANSWER: "answer", "orch answer <run> <answer>", "Answer a worker",
        "Answers a permission (`once`, `always`, `reject`) or a question of a worker.";
    INBOX: "inbox", "orch inbox", "See what waits for you",
        "Lists the gates, permissions and questions of all runs that wait for a person.";
    DECIDE: "decide", "orch decide <run> <answer>", "Answer from the inbox",
        "Answers a gate, a permission or a question that the inbox shows.";
    RUNS: "runs", "orch runs", "List runs",
        "Lists the runs of this project, the newest first.";
    DASHBOARD: "dashboard", "orch dashboard", "See everything",
        "Shows all runs and workers of this project, what waits for whom, and the cost; `--watch` keeps it up to date.";
    WORKERS: "workers", "orch workers", "List workers",
        "Lists the workers that runs of this project have used, with their sessions.";
    ASK: "ask", "orch ask <worker> <question>", "Ask a worker",
        "Puts a question to a worker in its session, at any time, and prints the answer.";
    OPEN: "open", "orch open <worker>", "Open a worker",
        "Shows a worker's session in the terminal interfaces of the host; `--back` shows its parent's.";
    SHOW: "show", "orch show <run>", "Show a run",
        "Shows the steps of a run, its gate, and the commands that go on from there.";
    WHY: "why", "orch why <run>", "Explain a run",
        "Says what a run waits for, since when, and who can move it.";
    OUTPUT: "output", "orch output <run>", "Read a result",
        "Prints the result of a run, or of one of its steps.";
    RESULTS: "results", "orch results <run>", "Read all results",
        "Shows the results of all steps of a run, with what each took.";
    TRACE: "trace", "orch trace <run>", "Trace a run",
        "Shows what happened in a run and when, or the transcript of a worker's session.";
    EVENTS: "events", "orch events <run>", "Read the events",
        "Prints the events of a run; `--follow` waits for more.";
    PLAN: "plan", "orch plan <workflow>", "Look at a workflow",
        "Shows the steps of a workflow and its worst case, without spending a token.";
    WORKFLOWS: "workflows", "orch workflows", "List workflows",
        "Lists the workflows that can be run here.";
    PROFILES: "profiles", "orch profiles", "List worker profiles",
        "Shows the worker profiles that steps can name: what each comes to on the host, and why.";
    MODELS: "models", "orch models", "List models",
        "Lists the models of the host, and the tags that get them.";
    CONFIG_CHECK: "config check", "orch config check", "Check the configuration",
        "Reports every problem in the configuration with file, line and column.";
    CONFIG_SHOW: "config show", "orch config show", "Show the configuration",
        "Prints the configuration as it resolves; `--origin` says where each value comes from.";
    CONFIG_INIT: "config init", "orch config init", "Start a configuration",
        "Writes a commented file to start from; `--global` writes your own, for all projects.";
    CONFIG_MIGRATE: "config migrate", "orch config migrate", "Migrate the configuration",
        "Shows how a predecessor's file looks in today's form; `--write` changes it.";
    TRUST: "trust", "orch trust", "Trust a project",
        "Shows what a project asks for that only a trusted one may have, and asks; `--show` only shows.";
    SCHEMA: "schema", "orch schema", "Print the schema",
        "Prints the JSON Schema of `orchestrator.json`; `--events` that of the events.";
    SERVE: "serve", "orch serve", "Serve front ends",
        "Serves the runs of this project over HTTP on the loopback; `--detach` in the background.";
    TUI: "tui", "orch tui", "Start the terminal interface",
        "Starts OpenCode's terminal interface so that runs from other terminals show in it.";
    MCP: "mcp", "orch mcp", "Offer tools to a client of MCP",
        "Offers `task_start`, `task_await`, `task_peek`, `task_list` and `task_cancel` over standard input and output.";
    INSTALL: "install", "orch install", "Install the plugin",
        "Puts the plugin for OpenCode into the project, or with `--global` into your own settings.";
    UNINSTALL: "uninstall", "orch uninstall", "Take the plugin out",
        "Takes the plugin out of OpenCode's settings again, to the byte.";
    DOCTOR: "doctor", "orch doctor", "Examine the set-up",
        "Checks host, configuration and store, and says how to repair what is broken.";
    COMPLETIONS: "completions", "orch completions bash", "Complete in a shell",
        "Prints completions for bash, zsh, fish, elvish or powershell.";
    MAN: "man", "orch man", "Read the manual",
        "Prints the manual as a man page; `--out` writes a page for each command, `--markdown` all of it as Markdown.";
}

/// A word as a shell takes it. Step ids may hold spaces, quotes and worse; what cannot be seen is written out, in
/// the `$'…'` of bash and zsh, so that a line means what it looks like.
fn quoted(word: &str) -> String {
    let bare = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.' | '/');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(bare) {
        return word.to_owned();
    }
    if printable(word) == word && !word.contains(char::is_control) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let escaped = |char: char| match char {
        '\'' | '\\' => format!("\\{char}"),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        _ if printable(char.encode_utf8(&mut [0; 4])).is_empty() => format!("\\U{:08x}", u32::from(char)),
        _ => char.to_string(),
    };
    format!("$'{}'", word.chars().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_begins_with_its_name() {
        for command in COMMANDS {
            let rest = command.form.strip_prefix("orch ").expect("forms begin with the program");
            assert!(rest.starts_with(command.name), "{}", command.form);
            assert!(!command.title.is_empty() && command.description.ends_with('.'), "{}", command.name);
        }
    }

    #[test]
    fn every_name_is_there_once() {
        for command in COMMANDS {
            assert_eq!(COMMANDS.iter().filter(|other| other.name == command.name).count(), 1);
            assert_eq!(find(command.name), Some(*command));
        }
        assert_eq!(find("frobnicate"), None);
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_run_them() {
        let run = RunId::new("run_1").unwrap();
        assert_eq!(OUTPUT.on_with(&run, "plan"), "orch output run_1 plan");
        assert_eq!(OUTPUT.on_with(&run, "my step"), "orch output run_1 'my step'");
        assert_eq!(OUTPUT.on_with(&run, "$(id)"), "orch output run_1 '$(id)'");
        assert_eq!(OUTPUT.on_with(&run, "it's"), r"orch output run_1 'it'\''s'");
        assert_eq!(OUTPUT.on_with(&run, "-x"), "orch output run_1 '-x'");
        assert_eq!(
            OUTPUT.on_with(&run, "a\u{202e}b\\ it's \u{1b}[31m"),
            r"orch output run_1 $'a\U0000202eb\\ it\'s \U0000001b[31m'"
        );
        assert_eq!(OUTPUT.on_with(&run, "a\n\tb"), r"orch output run_1 $'a\n\tb'");
    }
}
