//! `orch trace`: what happened in a run, or in a session.

use std::sync::Arc;

use orch::{
    Orchestrator, RunId,
    config::{kind::WorkerKind, settings::SessionPolicy},
    opencode::{HostError, HostErrorKind, OpenCode, SessionId},
    ux::{
        command,
        view::{
            trace::{Extent, RunTrace, SessionTrace},
            workers::WorkerRow,
        },
    },
    workflow::record::RunStatus,
};

use super::{decide::run_id, print_json, print_page};
use crate::{
    args::TraceArgs,
    exit::{Exit, Failure},
    project::Project,
};

const NO_HOST: &str = "no server is named; name one with --server, or have one started with --start";

pub(crate) async fn trace(project: &Project, args: &TraceArgs, json: bool) -> Result<Exit, Failure> {
    let extent = if args.full { Extent::Whole } else { Extent::Excerpt };
    let config = project.load()?.config;
    let may_ask = args.start || args.host.server.is_some() || config.opencode.url.is_some();
    let orchestrator = project.orchestrator(config, &args.host).await?;
    let traced = match SessionId::parse(&args.target) {
        Ok(session) => session_trace(&orchestrator, &session, args.start, may_ask)
            .await
            .map(|trace| (trace.page(extent), show(&trace))),
        Err(_) => {
            run_trace(&orchestrator, args, may_ask).await.map(|trace| (trace.page(extent), show(&trace)))
        }
    };
    orchestrator.shutdown().await;
    let (page, value) = traced?;
    if json {
        print_json(&value?)?
    } else {
        print_page(&page)?
    }
    Ok(Exit::Success)
}

fn show(trace: &impl serde::Serialize) -> Result<serde_json::Value, Failure> {
    Ok(serde_json::to_value(trace).map_err(std::io::Error::from)?)
}

async fn run_trace(
    orchestrator: &Orchestrator,
    args: &TraceArgs,
    may_ask: bool,
) -> Result<RunTrace, Failure> {
    let run = run_id(&args.target)?;
    let mut trace = orchestrator.trace(&run).await?;
    if let Some(step) = &args.step
        && !trace.only(step)
    {
        let message = format!("nothing has happened yet in a step {step:?} of run {run}");
        return Err(Failure::usage("orch::run::unknown-step", message)
            .help(format!("its steps are listed by `{}`", command::SHOW.on(&run))));
    }
    match reach(orchestrator, Some(&run), may_ask).await {
        Ok(host) => trace.look_up(&*host).await,
        Err(failure) => trace.without_host(&failure.message),
    }
    if args.start {
        orchestrator.look_up_on_servers(&mut trace).await;
    }
    Ok(trace)
}

async fn session_trace(
    orchestrator: &Orchestrator,
    session: &SessionId,
    start: bool,
    may_ask: bool,
) -> Result<SessionTrace, Failure> {
    let worker = match orchestrator.worker(session.as_str()).await {
        Ok(worker) => Some(worker),
        // One that no run has used is on the host, if anywhere.
        Err(error) if error.code() == "orch::workers::no-session" => None,
        Err(error) => return Err(error.into()),
    };
    let host = match worker.as_ref().filter(|worker| worker.kind == WorkerKind::Server) {
        None => reach(orchestrator, None, may_ask).await?,
        Some(own) if start => orchestrator.server(&own.worker).await?,
        Some(own) => {
            let message = format!("session {session} lives on the server of worker {}", own.worker);
            return Err(Failure::usage("orch::cli::no-host", message).help(format!(
                "have that started to look: `{} --start`",
                command::tracing(session.as_str())
            )));
        }
    };
    match SessionTrace::read(&*host, session).await {
        Err(error) if error.kind() == HostErrorKind::NotFound => {
            Err(gone(orchestrator, worker, error).await?)
        }
        read => Ok(read.map_err(orch::Error::from)?),
    }
}

/// What is said of a session that is not there, where it was to be deleted with a run that had used it.
async fn gone(
    orchestrator: &Orchestrator,
    worker: Option<WorkerRow>,
    error: HostError,
) -> Result<Failure, Failure> {
    let failure = Failure::from(orch::Error::from(error));
    let Some(worker) = worker else { return Ok(failure) };
    let run = orchestrator.view(&worker.run).await?;
    Ok(match run.sessions {
        SessionPolicy::Delete if run.status == RunStatus::Success => failure.help(format!(
            "it was deleted when run {} had succeeded (`store.sessions` is `delete`); `{}` has what came of it",
            run.id,
            command::SHOW.on(&run.id)
        )),
        _ => failure,
    })
}

/// The host, that of a run where it is about one, if it is named or may be started.
async fn reach(
    orchestrator: &Orchestrator,
    run: Option<&RunId>,
    may_ask: bool,
) -> Result<Arc<dyn OpenCode>, Failure> {
    if !may_ask {
        return Err(Failure::usage("orch::cli::no-host", NO_HOST));
    }
    Ok(match run {
        Some(run) => orchestrator.host_of(run).await?,
        None => orchestrator.host().await?,
    })
}
