//! Workers of one's own, and workers without an orchestrator.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orch::{
    config::{
        id::{ProfileId, StepId, WorkflowId},
        kind::{ExecutionMode, WorkerKind},
    },
    opencode::{HttpOpenCode, simulator::Script},
    prelude::*,
    workers::{
        Pool, ShutdownReport, Worker,
        worker::{Capabilities, Context},
    },
    workflow::{
        attempt::{AttemptError, DispatchId, ErrorCode, Settled},
        port::{
            AskId, AskPolicy, AskReply, Dispatch, Locator, Placement, Probe, Progress, SendError,
            SessionChoice, StepExecutor as _, Task, Update,
        },
    },
};
use serde_json::json;

use crate::world::{builder, config, orchestrator, profile, request, rest, simulator, step, texts, workflow};

/// Counts aloud to the number in its prompt.
#[derive(Debug)]
pub(crate) struct Counter {
    id: ProfileId,
}

impl Counter {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: ProfileId::new(id).unwrap() }
    }
}

#[async_trait]
impl Worker for Counter {
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
        let locator = Locator(json!(dispatch.id.to_string()));
        Ok(Placement { locator, session: "counter".to_owned(), parent_session: None })
    }

    async fn send(&self, _: &Context, _: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let number: u32 = dispatch.prompt.trim().parse().unwrap();
        let (updates, task) = Task::channel(8);
        tokio::spawn(async move {
            for count in 1..=number {
                let progress = Progress::Note { message: count.to_string() };
                updates.send(Update::Progress(progress)).await.unwrap();
            }
            let settled = Settled::answer(format!("counted to {number}"));
            updates.send(Update::Settled(Box::new(settled))).await.unwrap();
        });
        Ok(task)
    }

    async fn probe(&self, _: &Context, _: &Locator, _: &Dispatch) -> Probe {
        Probe::Unknown("nobody crashes here".to_owned())
    }

    async fn abort(&self, _: &Context, _: &Locator) -> Result<(), AttemptError> {
        Ok(())
    }

    async fn latest_answer(&self, _: &Context, _: &Locator) -> Result<Settled, AttemptError> {
        Err(AttemptError::new(ErrorCode::Internal, "there is none"))
    }

    async fn answer(&self, _: &Context, _: &Locator, _: &AskId, _: &AskReply) -> Result<(), AttemptError> {
        Err(AttemptError::new(ErrorCode::Internal, "nothing was asked"))
    }

    async fn shutdown(&self, _: Duration) -> ShutdownReport {
        ShutdownReport::default()
    }
}

#[tokio::test]
async fn a_worker_of_ones_own_does_its_step_among_others() {
    let host = simulator(Script::new()).await;
    let mut config = config();
    config.insert_profile(profile("counter", WorkerKind::Agent));
    config.insert_workflow(workflow(vec![
        step("one", "agent", "do one of {task}"),
        step("count", "counter", "3"),
        step("two", "agent", "do two of {task}"),
    ]));
    let orchestrator =
        builder(&host).config(config).worker(Arc::new(Counter::new("counter"))).build().await.unwrap();
    let view = rest(&orchestrator.run(request()).await.unwrap()).await;
    assert_eq!((view.status, texts(&view)), (RunStatus::Success, vec!["ok", "counted to 3", "ok"]));
    assert_eq!(host.model_prompts().len(), 2);
}

#[tokio::test]
async fn a_worker_for_no_profile_is_refused() {
    let host = simulator(Script::new()).await;
    let error = builder(&host).worker(Arc::new(Counter::new("nobody"))).build().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "orch::config::unknown-worker"));
}

/// The rule of the library: nothing is created behind anybody's back. An orchestrator says that it may.
#[tokio::test]
async fn a_bare_pool_makes_no_parent_for_a_subagent() {
    let host = simulator(Script::new()).await;
    let client = Arc::new(HttpOpenCode::builder(host.url(), host.directory()).build().unwrap());
    let pool = Pool::builder(Arc::new(config()), client).build();
    let error = pool.place(&subagent_dispatch()).await.unwrap_err();
    assert!(error.message.contains("`subagent` has no parent session: give the run one"), "{error}");
    assert!(host.sessions().is_empty());

    let orchestrator = orchestrator(&host).await;
    assert_eq!(rest(&orchestrator.run(request()).await.unwrap()).await.status, RunStatus::Success);
}

fn subagent_dispatch() -> Dispatch {
    Dispatch {
        id: DispatchId {
            run: RunId::new("run_1").unwrap(),
            step: StepId::new("two").unwrap(),
            iteration: 1,
            attempt: 1,
            turn: 1,
        },
        workflow: WorkflowId::new("two").unwrap(),
        title: "Two".to_owned(),
        worker: ProfileId::new("subagent").unwrap(),
        kind: WorkerKind::Subagent,
        execution: ExecutionMode::Background,
        prompt: "do two".into(),
        session: SessionChoice::Same,
        continues: None,
        parent_session: None,
        parent_title: "two: the task".into(),
        directory: "/project".into(),
        asks: AskPolicy::Deny,
        required_skills: Vec::new(),
        attachments: Vec::new(),
    }
}
