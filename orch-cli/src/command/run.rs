//! `orch run`.

use std::io::{IsTerminal as _, Read as _};

use orch::{Orchestrator, RunRequest};

use crate::{
    args::RunArgs,
    attachment::attachment,
    exit::{Exit, Failure},
    follow::{AtGate, follow},
    heard::Heard,
    project::Project,
    report::Report,
};

pub(crate) async fn run(project: &Project, args: RunArgs, json: bool) -> Result<Exit, Failure> {
    let config = project.config(json)?;
    let task = task(args.task.as_deref(), &args.workflow)?;
    let at_gate = at_gate(args.drive.no_input, json);

    let mut request =
        RunRequest::new(args.workflow, task).policy(args.policy.patch()).budget(args.budget.budget());
    match args.parent {
        Some(parent) if parent == "new" => request = request.new_parent(),
        Some(parent) => request = request.parent(parent),
        None => {}
    }
    if at_gate == AtGate::Exit {
        request = request.unattended();
    }
    for path in &args.attach {
        request = request.attach(attachment(path)?);
    }
    let note = project.launch_note(&args.drive.host, &config)?;
    let orchestrator = project.orchestrator(config, &args.drive.host).await?;
    let ended = start(&orchestrator, request, note, json, at_gate).await;
    orchestrator.shutdown().await;
    ended
}

async fn start(
    orchestrator: &Orchestrator,
    request: RunRequest,
    note: Option<&str>,
    json: bool,
    at_gate: AtGate,
) -> Result<Exit, Failure> {
    let mut report = Report::new(json);
    let mut events = Heard::of(orchestrator);
    let run = events.during(&mut report, orchestrator.run(request)).await??;
    if let Some(note) = note {
        report.say(note)?;
    }
    follow(orchestrator, run, events, &mut report, at_gate).await
}

/// A person can be asked on a terminal, unless the caller says otherwise or a program reads along.
pub(crate) fn at_gate(no_input: bool, json: bool) -> AtGate {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if no_input || json || !terminal { AtGate::Exit } else { AtGate::Ask }
}

fn task(given: Option<&str>, workflow: &str) -> Result<String, Failure> {
    let task = match given {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        Some(text) => text.to_owned(),
        None => String::new(),
    };
    if task.trim().is_empty() {
        let message = format!("run workflow {workflow:?}: the task is missing");
        return Err(Failure::usage("orch::cli::no-task", message).help(format!(
            "say what is to be done: orch run {workflow} \"add a --version flag\", or pipe it in: orch run {workflow} -"
        )));
    }
    Ok(task)
}
