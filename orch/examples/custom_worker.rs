//! A worker of one's own: a plain function does a step, and needs no OpenCode for it.
//!
//! The workflow has two steps. An agent writes release notes; the function measures them, which no model should be
//! trusted with. For the workflow, for gates and for the journal a step is a step, whoever does it.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orch::{
    config::{
        Profile, StepDefinition, WorkflowDefinition,
        id::{ProfileId, StepId, WorkflowId},
        kind::WorkerKind,
    },
    opencode::simulator::{Script, Simulator, SimulatorOptions, When},
    prelude::*,
    workers::{
        ShutdownReport, Worker,
        worker::{Capabilities, Context},
    },
    workflow::{
        attempt::{AttemptError, ErrorCode, Settled},
        port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, Task, Update},
    },
};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let script = Script::new().on(When::prompt("release notes"), "greet --version prints the version.");
    let opencode = Simulator::start(SimulatorOptions::new(script)).await?;

    let orchestrator = Orchestrator::builder(opencode.directory())
        .config(configuration()?)
        .host(Host::server(opencode.url()))
        .worker(Arc::new(Function { id: ProfileId::new("measure")?, function: measure }))
        .build()
        .await?;
    let view = orchestrator.run(RunRequest::new("release", "the --version flag")).await?.wait().await?;
    for step in &view.steps {
        println!("{}: {}", step.id, step.text.as_deref().unwrap_or("no result"));
    }
    orchestrator.shutdown().await;
    if view.status == RunStatus::Success { Ok(()) } else { Err("the run did not succeed".into()) }
}

fn measure(notes: &str) -> Result<String, String> {
    match notes.split_whitespace().count() {
        0 => Err("there are no notes".to_owned()),
        words => Ok(format!("{words} words")),
    }
}

/// The built-in configuration with two more profiles and one more workflow; a file would do as well.
fn configuration() -> Result<Config, Box<dyn std::error::Error>> {
    let (writer, measure) = (ProfileId::new("writer")?, ProfileId::new("measure")?);
    let steps = vec![
        StepDefinition::new(StepId::new("write")?, writer.clone(), "Write release notes for {task}."),
        StepDefinition::new(StepId::new("measure")?, measure.clone(), "{steps.write.text}"),
    ];
    let mut config = Config::builtin();
    config.insert_profile(Profile::new(writer).with_kind(WorkerKind::Agent));
    config.insert_profile(Profile::new(measure).with_kind(WorkerKind::Agent));
    config.insert_workflow(WorkflowDefinition::new(WorkflowId::new("release")?, steps));
    Ok(config)
}

/// A worker that gives its prompt to a pure function.
///
/// Because the function leaves nothing behind it has nothing to abort, and nothing to find again after a crash:
/// calling it once more does no harm. A worker that changes the world must do better, and prove it with
/// `orch_workers::testing::worker_suite`.
#[derive(Debug)]
struct Function {
    id: ProfileId,
    function: fn(&str) -> Result<String, String>,
}

#[async_trait]
impl Worker for Function {
    fn id(&self) -> &ProfileId {
        &self.id
    }

    fn kind(&self) -> WorkerKind {
        WorkerKind::Agent
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::minimal()
    }

    async fn ready(&self, _: &Context) -> Result<(), AttemptError> {
        Ok(())
    }

    async fn place(&self, _: &Context, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        let locator = Locator(json!({ "function": self.id, "dispatch": dispatch.id.to_string() }));
        Ok(Placement { locator, session: format!("{}()", self.id), parent_session: None })
    }

    async fn send(&self, _: &Context, _: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let settled = match (self.function)(&dispatch.prompt) {
            Ok(text) => Settled::answer(text),
            Err(reason) => Settled::failed(AttemptError::new(ErrorCode::Model, reason)),
        };
        let (updates, task) = Task::channel(1);
        // The task was made a moment ago and has room: its one result is always taken.
        let _ = updates.send(Update::Settled(Box::new(settled))).await;
        Ok(task)
    }

    async fn probe(&self, _: &Context, _: &Locator, _: &Dispatch) -> Probe {
        Probe::NeverArrived
    }

    async fn abort(&self, _: &Context, _: &Locator) -> Result<(), AttemptError> {
        Ok(())
    }

    async fn latest_answer(&self, _: &Context, _: &Locator) -> Result<Settled, AttemptError> {
        Err(AttemptError::new(ErrorCode::Model, "a function has no session to take an answer from"))
    }

    async fn answer(&self, _: &Context, _: &Locator, ask: &AskId, _: &AskReply) -> Result<(), AttemptError> {
        Err(AttemptError::new(
            ErrorCode::Model,
            format!("a function asks nothing, so it cannot have asked {ask}"),
        ))
    }

    async fn shutdown(&self, _: Duration) -> ShutdownReport {
        ShutdownReport::default()
    }
}
