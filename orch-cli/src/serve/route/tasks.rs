//! Tasks: what a model delegates through the tools `task_*`. Each is a run, and every operation on runs works on it.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use orch::{
    RunId, Runs,
    ux::view::task::{Task, task as task_of},
    workflow::decision::Reply,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Desk};
use crate::{
    serve::{
        driver::HostId,
        fault::Fault,
        request::{Body, OfRun, Query},
        service::{Service, now},
    },
    task::{StartTask, not_theirs, patience},
};

/// How long a task that is called off may take to come to rest before that is told as it is.
const REST: Duration = Duration::from_secs(10);

/// A task to be started, and for whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Delegated {
    /// The task.
    start: StartTask,
    /// The session that delegates it.
    #[serde(default)]
    session: Option<String>,
    /// The host to work on; by default the one that was lent last, else that of the service.
    #[serde(default)]
    host: Option<HostId>,
}

pub(super) async fn start(State(service): Desk, Body(delegated): Body<Delegated>) -> Answer<Task> {
    // It reads files.
    let mut request = tokio::task::block_in_place(|| delegated.start.request(&service.project))?;
    request.parent_session = delegated.session;
    let driver = service.drivers.for_start(delegated.host.as_ref()).await?;
    let run = driver.orchestrator.start_task(request).await?;
    let task = task_of(&run.view(), now());
    service.drivers.follow(&driver, run);
    Ok(Json(task))
}

/// Which tasks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// Only those that this session delegated.
    #[serde(default)]
    session: Option<String>,
    /// At most this many of the newest; 20 unless given.
    #[serde(default = "twenty")]
    limit: usize,
}

fn twenty() -> usize {
    20
}

pub(super) async fn list(State(service): Desk, Query(whose): Query<Whose>) -> Answer<Vec<Task>> {
    let which = if whose.session.is_some() { Runs::All } else { Runs::Newest(whose.limit) };
    let runs = service.runs(which).await?.into_iter().filter_map(|(_, view)| view.ok());
    let theirs = runs.filter(|view| whose.session.is_none() || view.parent_session == whose.session);
    let at_a_glance = |mut task: Task| {
        task.answer = None;
        task
    };
    Ok(Json(theirs.take(whose.limit).map(|view| at_a_glance(task_of(&view, now()))).collect()))
}

pub(super) async fn peek(State(service): Desk, OfRun(run): OfRun) -> Answer<Task> {
    Ok(Json(service.reader(&run).await.task(&run).await?))
}

/// How long to wait.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Patience {
    /// In milliseconds; two minutes unless given, four at most.
    #[serde(default)]
    timeout_ms: Option<u64>,
}

pub(super) async fn wait(
    State(mut service): Desk,
    OfRun(run): OfRun,
    Query(Patience { timeout_ms }): Query<Patience>,
) -> Answer<Task> {
    let reader = service.reader(&run).await;
    let leaving = &mut service.leaving;
    tokio::select! {
        task = reader.await_task(&run, patience(timeout_ms)) => Ok(Json(task?)),
        // That nobody is there to say so is an end, too.
        _ = leaving.wait_for(|leaving| *leaving) => {
            Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "orch::serve::leaving", "the service ends")
                .help("ask again: the task goes on where it stands"))
        }
    }
}

/// Who calls a task off.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallOff {
    /// The session that delegated it; given, no other's task is called off.
    #[serde(default)]
    session: Option<String>,
}

pub(super) async fn cancel(
    State(service): Desk,
    OfRun(run): OfRun,
    Query(CallOff { session }): Query<CallOff>,
) -> Answer<Task> {
    let view = service.view(&run).await?;
    if session.is_some() && view.parent_session != session {
        return Err(not_theirs(&run).into());
    }
    let by = session.map_or_else(|| "a model".to_owned(), |session| format!("session {session}"));
    let driver = service.drivers.of(&run).await?;
    let requested = driver.orchestrator.cancel(&run, &by).await?;
    if requested.reply == Reply::FinishedFirst {
        return peek_at(&service, &run).await;
    }
    if let Some(driven) = requested.run {
        service.drivers.follow(&driver, driven);
    }
    Ok(Json(driver.orchestrator.await_task(&run, REST).await?))
}

async fn peek_at(service: &Service, run: &RunId) -> Answer<Task> {
    Ok(Json(service.reader(run).await.task(run).await?))
}
