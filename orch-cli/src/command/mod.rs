//! One module for each family of commands.

mod answer;
mod config;
mod config_file;
mod conversation;
mod dashboard;
mod decide;
mod demo;
mod doctor;
mod explain;
mod fork;
pub(crate) mod inbox;
pub(crate) mod install;
mod list;
mod look;
mod manual;
mod models;
mod profiles;
mod run;
mod trace;
mod trust;

use std::io::Write as _;

use console::Term;
use orch::{
    opencode::serve::GUARD_VARIABLE,
    ux::{
        command,
        page::{Layout, Page},
    },
};
use serde::Serialize;

use crate::{
    args::{Cli, Command},
    exit::{Exit, Failure},
    mcp,
    person::is_a_worker,
    project::Project,
    serve, tui,
};

/// Carries out the command line.
pub(crate) async fn execute(cli: Cli) -> Result<Exit, Failure> {
    let json = cli.json;
    if let Command::Demo(args) = &cli.command {
        return demo::demo(args, json).await;
    }
    match &cli.command {
        Command::Completions(args) => return manual::completions(args),
        Command::Man(args) => return manual::man(args),
        _ => {}
    }
    if cli.command.drives() {
        refuse_inside_a_worker()?;
    }
    let project = Project::find(cli.dir.as_deref())?;
    match cli.command {
        // Carried out above: they need no project.
        Command::Demo(_) | Command::Completions(_) | Command::Man(_) => Ok(Exit::Success),
        Command::Run(args) => run::run(&project, args, json).await,
        Command::Continue(args) => decide::decide(&project, decide::proceed(args), json).await,
        Command::Retry(args) => decide::decide(&project, decide::retry(args), json).await,
        Command::Skip(args) => decide::decide(&project, decide::skip(args), json).await,
        Command::Replace(args) => decide::decide(&project, decide::replace(args)?, json).await,
        Command::Abort(args) => decide::abort(&project, args, json).await,
        Command::Pause(args) => decide::pause(&project, &args, json).await,
        Command::Fork(args) => fork::fork(&project, args, json).await,
        Command::Answer(args) => answer::answer(&project, args, json).await,
        Command::Inbox => inbox::inbox(&project, json).await,
        Command::Decide(args) => inbox::decide(&project, args, json).await,
        Command::Runs(args) => look::runs(&project, &args, json).await,
        Command::Show(args) => look::show(&project, &args, json).await,
        Command::Why(args) => explain::why(&project, &args, json).await,
        Command::Output(args) => look::output(&project, &args, json).await,
        Command::Dashboard(args) => dashboard::dashboard(&project, &args, json).await,
        Command::Workers => dashboard::workers(&project, json).await,
        Command::Ask(args) => conversation::ask(&project, args, json).await,
        Command::Open(args) => conversation::open(&project, args, json).await,
        Command::Results(args) => look::results(&project, &args, json).await,
        Command::Trace(args) => trace::trace(&project, &args, json).await,
        Command::Events(args) => look::events(&project, &args).await,
        Command::Plan(args) => list::plan(&project, &args, json),
        Command::Workflows => list::workflows(&project, json),
        Command::Profiles(args) => profiles::profiles(&project, &args, json).await,
        Command::Models(args) => models::models(&project, &args, json).await,
        Command::Config(args) => config::execute(&project, args, json),
        Command::Trust(args) => trust::trust(&project, &args, json),
        Command::Schema(args) => config::schema(&args),
        Command::Serve(args) => serve::serve(project, args, json).await,
        Command::Tui(args) => tui::tui(&project, args, json).await,
        Command::Mcp(args) => mcp::mcp(&project, &args).await,
        Command::Install(args) => install::install(&project, args, json),
        Command::Uninstall(args) => install::uninstall(&project, &args, json),
        Command::Doctor(args) => doctor::doctor(&project, &args, json).await,
    }
}

/// A worker that starts or decides runs would recurse, or answer its own gate; one that gives trust would free itself.
fn refuse_inside_a_worker() -> Result<(), Failure> {
    if !is_a_worker() {
        return Ok(());
    }
    let message = format!(
        "this is inside a worker of orch ({GUARD_VARIABLE} is set), which may not drive runs or give trust"
    );
    Err(Failure::usage("orch::cli::inside-a-worker", message).help(format!(
        "let a person run it outside, or unset {GUARD_VARIABLE} where this is not a worker; commands that only \
         look, such as `{}`, work here too",
        command::RUNS.form
    )))
}

/// Writes one JSON value and a line break to stdout.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(std::io::Error::from)?;
    print(&text)
}

/// Writes what people read to stdout, fitted to the terminal where there is one.
fn print_page(page: &Page) -> Result<(), Failure> {
    print(&page.text(layout()))
}

fn layout() -> Layout {
    let terminal = Term::stdout();
    match terminal.size_checked() {
        Some((_, columns)) if terminal.is_term() => Layout::terminal(columns.into()),
        _ => Layout::endless(),
    }
}

/// Writes text to stdout, with a line break at its end.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    Ok(())
}
