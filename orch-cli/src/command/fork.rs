//! `orch fork`: a new run that keeps the results of another one up to a step.

use orch::{Definition, ForkRequest, Orchestrator, RunId, config::id::StepId};

use super::{decide::run_id, run::at_gate};
use crate::{
    args::{DefinitionArg, ForkArgs},
    exit::{Exit, Failure},
    follow::{AtGate, follow},
    heard::Heard,
    project::Project,
    report::Report,
};

pub(crate) async fn fork(project: &Project, args: ForkArgs, json: bool) -> Result<Exit, Failure> {
    let run = run_id(&args.run)?;
    let from = StepId::new(args.from.as_str())
        .map_err(|error| Failure::usage("orch::run::unknown-step", error.to_string()))?;
    let config = project.config(json)?;
    let at_gate = at_gate(args.drive.no_input, json);

    let definition = match args.definition {
        DefinitionArg::Current => Definition::Current,
        DefinitionArg::Journaled => Definition::Journaled,
    };
    let mut request = ForkRequest::new(from)
        .definition(definition)
        .policy(args.policy.patch())
        .budget(args.budget.budget());
    if let Some(parent) = args.parent {
        request = request.parent(parent);
    }
    request = match at_gate {
        AtGate::Exit => request.unattended(),
        AtGate::Ask => request.attended(),
    };
    let note = project.launch_note(&args.drive.host, &config)?;
    let orchestrator = project.orchestrator(config, &args.drive.host).await?;
    let ended = start(&orchestrator, &run, request, note, json, at_gate).await;
    orchestrator.shutdown().await;
    ended
}

async fn start(
    orchestrator: &Orchestrator,
    run: &RunId,
    request: ForkRequest,
    note: Option<&str>,
    json: bool,
    at_gate: AtGate,
) -> Result<Exit, Failure> {
    let mut report = Report::new(json);
    let mut events = Heard::of(orchestrator);
    let forked = events.during(&mut report, orchestrator.fork(run, request)).await??;
    if let Some(note) = note {
        report.say(note)?;
    }
    follow(orchestrator, forked, events, &mut report, at_gate).await
}
