//! Developer chores: `cargo xtask test | schema | bench`.
//!
//! `cargo xtask test` is all that CI runs, and all that a newcomer needs. What it checks is the list in
//! `test/stages.rs`; everything else here serves one of those stages or one of the other two commands.

#![expect(clippy::print_stdout, reason = "a command for developers: its report is its purpose")]
#![expect(clippy::print_stderr, reason = "what stopped a chore belongs on standard error")]

mod arrows;
mod bench;
mod command;
mod error;
mod msrv;
mod opencode;
mod schema;
mod surface;
mod test;
mod workspace;

use std::process::ExitCode;

use error::Error;
use workspace::Workspace;

const USAGE: &str = "\
Developer chores of the orch workspace

Usage: cargo xtask <command>

  test [stage…]     everything CI runs, or only the named stages
  test --list       the stages
  schema            writes what is generated: schema/*.json, docs/cli.md
  bench [crate…]    every benchmark, or those of the named crates";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error::chain(&error));
            ExitCode::from(if matches!(error, Error::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Error> {
    match arguments {
        [] | ["help" | "--help" | "-h", ..] => {
            println!("{USAGE}");
            Ok(())
        }
        ["test", "--list"] => {
            test::list();
            Ok(())
        }
        ["test", stages @ ..] => test::run(&Workspace::load()?, stages),
        ["schema"] => schema::write(),
        ["bench", crates @ ..] => bench::run(&Workspace::load()?, crates),
        [unknown, ..] => Err(Error::Usage(format!("no command `{unknown}`\n\n{USAGE}"))),
    }
}
