//! Starting a run.

use axum::{Json, extract::State};
use orch::{
    RunRequest, RunView,
    config::{
        budget::Budget,
        policy::{Execution, Intervene, PolicyPatch},
    },
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Desk};
use crate::serve::{driver::HostId, request::Body};

/// A run to be started.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// The workflow's id.
    workflow: String,
    /// The task, as the person put it.
    task: String,
    /// The session whose children the subagents become, or `new`; by default one is created where it is needed.
    #[serde(default)]
    parent_session: Option<String>,
    /// Whether it goes on by itself, over what the workflow says.
    #[serde(default)]
    execution: Option<Execution>,
    /// When it asks, over what the workflow says.
    #[serde(default)]
    intervene: Option<Intervene>,
    /// What it may spend, over what the workflow says.
    #[serde(default)]
    budget: Budget,
    /// The host to run on; by default the one that was lent last, else that of the service.
    #[serde(default)]
    host: Option<HostId>,
    /// Whether a service that has just begun waits a moment for a host to be lent: somebody inside of one is there.
    #[serde(default)]
    expect_host: bool,
    /// Whether permissions and questions that no rule answers are denied, because nobody is there to ask.
    #[serde(default)]
    unattended: bool,
}

pub(super) async fn start(State(service): Desk, Body(start): Body<Start>) -> Answer<RunView> {
    if start.expect_host {
        service.drivers.expect_host().await;
    }
    let driver = service.drivers.for_start(start.host.as_ref()).await?;
    let policy = PolicyPatch { execution: start.execution, intervene: start.intervene };
    let mut request = RunRequest::new(start.workflow, start.task).policy(policy).budget(start.budget);
    match start.parent_session.as_deref() {
        Some("new") => request = request.new_parent(),
        Some(session) => request = request.parent(session),
        None => {}
    }
    if start.unattended {
        request = request.unattended();
    }
    let run = driver.orchestrator.run(request).await?;
    let view = run.view();
    service.drivers.follow(&driver, run);
    Ok(Json(view))
}
