//! The commands that answer gates, and `pause` and `abort`, which any process may use.

use std::io::Read as _;

use orch::{
    Answer, Decision, DecisionKind, DecisionRequest, GateId, Orchestrator, Requested, Run, RunId, RunStatus,
    config::{budget::Budget, policy::PolicyPatch},
    ux::command,
    workflow::{decision::Reply, port::SessionChoice},
};
use serde_json::json;

use super::{print, print_json, run::at_gate};
use crate::{
    args::{AbortArgs, ContinueArgs, DecideArgs, ReplaceArgs, RetryArgs, RunIdArgs, SessionArg},
    exit::{Exit, Failure},
    follow::{AtGate, follow},
    heard::Heard,
    person::by,
    project::Project,
    report::Report,
};

/// A decision with everything that it takes to carry it out.
pub(crate) struct Decide {
    args: DecideArgs,
    answer: Answer,
    budget: Budget,
}

impl Decide {
    pub(super) fn new(args: DecideArgs, answer: Answer) -> Self {
        Self { args, answer, budget: Budget::default() }
    }
}

pub(crate) fn proceed(args: ContinueArgs) -> Decide {
    let budget = args.budget.budget();
    let decision = match args.question {
        Some(question) => Decision::HandOff { question },
        None => Decision::Continue,
    };
    Decide { budget, ..Decide::new(args.decide, Answer::Decision(decision)) }
}

pub(crate) fn retry(args: RetryArgs) -> Decide {
    let session = args.session.map(|session| match session {
        SessionArg::Same => SessionChoice::Same,
        SessionArg::Fresh => SessionChoice::Fresh,
    });
    Decide::new(args.decide, Answer::Decision(Decision::Retry { note: args.note, session }))
}

pub(crate) fn skip(args: DecideArgs) -> Decide {
    Decide::new(args, Answer::Decision(Decision::Skip))
}

pub(crate) fn replace(args: ReplaceArgs) -> Result<Decide, Failure> {
    let answer = match args.output {
        None => Answer::ReplaceFromSession,
        Some(path) => {
            let text = if path.as_os_str() == "-" {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                text
            } else {
                std::fs::read_to_string(&path).map_err(|error| {
                    let message = format!("read the replacement {}: {error}", path.display());
                    Failure::usage("orch::cli::unreadable", message)
                })?
            };
            Answer::Decision(Decision::Replace { text, output: None })
        }
    };
    Ok(Decide::new(args.decide, answer))
}

/// Answers the gate and drives the run on. A run that was interrupted is taken up by `continue`.
pub(crate) async fn decide(project: &Project, decide: Decide, json: bool) -> Result<Exit, Failure> {
    let id = run_id(&decide.args.run)?;
    let config = project.config(json)?;
    let orchestrator = project.orchestrator(config, &decide.args.drive.host).await?;
    let ended = drive(&orchestrator, &id, decide, json).await;
    orchestrator.shutdown().await;
    ended
}

async fn drive(orchestrator: &Orchestrator, id: &RunId, decide: Decide, json: bool) -> Result<Exit, Failure> {
    let Decide { args, answer, budget } = decide;
    let mut report = Report::new(json);
    let mut events = Heard::of(orchestrator);
    let view = orchestrator.view(id).await?;
    report.catch_up(&orchestrator.events(id, 1).await?);
    let proceed = matches!(answer, Answer::Decision(Decision::Continue)) && args.gate.is_none();
    let policy = args.policy.patch();
    let run = if proceed && view.gate.is_none() && view.status == RunStatus::Running {
        if policy != PolicyPatch::default() || !budget.is_unbounded() {
            return Err(terms_without_gate(id));
        }
        Some(events.during(&mut report, orchestrator.resume(id)).await??)
    } else {
        let gate = args.gate.map(GateId);
        let request = DecisionRequest { gate, answer, policy, budget, by: by() };
        match events.during(&mut report, orchestrator.decide(id, request)).await? {
            Ok(requested) => requested.run,
            Err(refused) => {
                // Where the gate's time was over its default was taken, and the run goes on here.
                let is_over = view.gate.is_some_and(|gate| gate.is_over(orchestrator.now()));
                if let Some(run) = orchestrator.driven(id).filter(|_| is_over) {
                    follow(orchestrator, run, events, &mut report, AtGate::Exit).await?;
                }
                return Err(refused.into());
            }
        }
    };
    match run {
        Some(run) => {
            let at_gate = at_gate(args.drive.no_input, json);
            follow(orchestrator, run, events, &mut report, at_gate).await
        }
        None => {
            accepted(orchestrator, id, json).await?;
            Ok(Exit::Success)
        }
    }
}

/// At a gate this is the decision `abort`, otherwise a cancel. Either way the run has ended without success.
pub(crate) async fn abort(project: &Project, args: AbortArgs, json: bool) -> Result<Exit, Failure> {
    let id = run_id(&args.decide.run)?;
    let config = project.config(json)?;
    let orchestrator = project.orchestrator(config, &args.decide.drive.host).await?;
    let ended = end(&orchestrator, &id, args, json).await;
    orchestrator.shutdown().await;
    ended
}

async fn end(orchestrator: &Orchestrator, id: &RunId, args: AbortArgs, json: bool) -> Result<Exit, Failure> {
    let view = orchestrator.view(id).await?;
    // A gate whose time is over takes its default; the run can be cancelled before that begins anything.
    let now = orchestrator.now();
    let at_gate =
        view.gate.as_ref().is_some_and(|gate| gate.allows(DecisionKind::Abort) && !gate.is_over(now));
    if args.decide.gate.is_some() || at_gate {
        let decide = Decide::new(args.decide, Answer::Decision(Decision::Abort));
        return drive(orchestrator, id, decide, json).await;
    }
    let mut report = Report::new(json);
    let mut events = Heard::of(orchestrator);
    let requested = events.during(&mut report, orchestrator.cancel(id, &by())).await??;
    match in_time(id, requested)? {
        Some(run) => follow(orchestrator, run, events, &mut report, AtGate::Exit).await,
        None => {
            accepted(orchestrator, id, json).await?;
            Ok(Exit::Error)
        }
    }
}

/// Asks for a pause. The process that drives the run takes it up within a second.
pub(crate) async fn pause(project: &Project, args: &RunIdArgs, json: bool) -> Result<Exit, Failure> {
    let id = run_id(&args.run)?;
    let orchestrator = project.reader().await?;
    let view = orchestrator.view(&id).await?;
    if view.interrupted {
        let message = format!("pause {id}: the process that drove it is gone, so it is not running");
        let help = format!("take it up again with `{}`", command::CONTINUE.on(&id));
        return Err(Failure::new(Exit::Error, "orch::run::interrupted", message).help(help));
    }
    in_time(&id, orchestrator.pause(&id, &by()).await?)?;
    accepted(&orchestrator, &id, json).await?;
    orchestrator.shutdown().await;
    Ok(Exit::Success)
}

/// The run, if it is driven here now. A request that came after the end of the run is refused.
fn in_time(id: &RunId, requested: Requested) -> Result<Option<Run>, Failure> {
    match requested.reply {
        Reply::FinishedFirst => {
            let message = format!("run {id} had ended before");
            let help = format!("see how with `{}`", command::SHOW.on(id));
            Err(Failure::new(Exit::Error, "orch::run::ended", message).help(help))
        }
        _ => Ok(requested.run),
    }
}

/// A run id from the command line.
pub(super) fn run_id(text: &str) -> Result<RunId, Failure> {
    RunId::new(text).map_err(|error| Failure::usage("orch::run::invalid-id", error.to_string()))
}

fn terms_without_gate(run: &RunId) -> Failure {
    let message =
        format!("continue {run}: policy and budget change with the answer to a gate, and no gate is open");
    Failure::usage("orch::run::no-gate", message).help(format!(
        "continue without --execution, --intervene and --max-…: `{}`",
        command::CONTINUE.on(run)
    ))
}

/// Says that a request took effect, and where.
pub(super) async fn accepted(orchestrator: &Orchestrator, run: &RunId, json: bool) -> Result<(), Failure> {
    let view = orchestrator.view(run).await?;
    if json {
        return print_json(
            &json!({ "run": run, "accepted": true, "status": view.status, "owner": view.owner }),
        );
    }
    match view.owner.filter(|owner| owner.pid != std::process::id()) {
        Some(owner) => print(&format!("{run}: accepted by process {}, which drives the run", owner.pid)),
        None if view.interrupted => {
            let on = command::CONTINUE.on(run);
            print(&format!("{run}: accepted, but nobody drives the run now: take it up with `{on}`"))
        }
        None => print(&format!("{run}: accepted; the run is {}", view.status.as_str())),
    }
}
