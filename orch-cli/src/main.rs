//! The `orch` command: the first embedder of the library.
#![expect(clippy::print_stderr, reason = "only the command writes to a terminal")]

mod args;
mod ask;
mod attachment;
mod command;
mod exit;
#[cfg(feature = "failpoints")]
mod failpoint;
mod file;
mod follow;
mod heard;
mod install;
mod interrupt;
mod log;
mod manual;
mod mcp;
mod person;
mod project;
mod report;
mod serve;
mod task;
mod token;
mod trust;
mod tui;

use std::{io::Write as _, process::ExitCode};

use clap::FromArgMatches as _;

use crate::{
    args::Cli,
    exit::{Exit, Failure},
};

fn main() -> ExitCode {
    let parsed = manual::command().try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return refuse(error),
    };
    log::listen();
    let json = cli.json;
    #[cfg(feature = "failpoints")]
    if let Err(failure) = failpoint::arm() {
        return fail(json, &failure);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(json, &Failure::from(error)),
    };
    let ended = runtime.block_on(command::execute(cli));
    // A thread may still wait for a line of standard input: nobody waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => fail(json, &failure),
    }
}

/// What cannot be parsed, or was a call for help.
fn refuse(error: clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        return fail(true, &Failure::from(error));
    }
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
    // A closed pipe is no reason to fail: whoever closed it has read enough.
    drop(error.print());
    exit.into()
}

fn fail(json: bool, failure: &Failure) -> ExitCode {
    if json {
        let object = serde_json::json!({ "error": failure });
        drop(writeln!(std::io::stdout().lock(), "{object}"));
    } else {
        eprint!("{}", failure.render());
    }
    failure.exit.into()
}
