//! Runs whose workers are at work and say nothing: all that such a run costs is memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use orch_workflow::{
    attempt::{AttemptError, Settled},
    driver::{Engine, NewRun},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task},
    store::MemoryStore,
};
use serde_json::Value;
use tokio::{runtime::Builder, sync::Notify};

use crate::story::plan;

/// Of the workflow of an idle run.
pub(crate) const STEPS: usize = 4;

/// What `measure` grows by for each of so many runs that wait for the first of four steps.
pub(crate) fn cost_of_a_run(runs: usize, measure: impl Fn() -> f64) -> f64 {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let host = Arc::new(SilentHost::default());
    runtime.block_on(async {
        let engine = Engine::builder(Arc::new(MemoryStore::new()), Arc::clone(&host) as _).build();
        let plan = plan(STEPS, false);
        let mut started = Vec::with_capacity(runs);
        let before = measure();
        for _ in 0..runs {
            started.push(engine.start(NewRun::new(plan.clone(), "the task", "project")).await.unwrap());
        }
        while host.at_work.load(Ordering::Relaxed) < runs {
            host.more.notified().await;
        }
        let grown = measure() - before;
        drop(started);
        engine.shutdown(Duration::ZERO).await;
        grown / runs as f64
    })
}

/// Takes every prompt and never answers.
#[derive(Debug, Default)]
struct SilentHost {
    at_work: AtomicUsize,
    more: Notify,
}

#[async_trait]
impl StepExecutor for SilentHost {
    async fn place(&self, _: &Dispatch) -> Result<Placement, AttemptError> {
        Ok(Placement { locator: Locator(Value::Null), session: "ses_1".to_owned(), parent_session: None })
    }

    async fn send(&self, _: &Locator, _: &Dispatch) -> Result<Task, SendError> {
        let (worker, task) = Task::channel(4);
        // The worker lives as long as the process.
        std::mem::forget(worker);
        self.at_work.fetch_add(1, Ordering::Relaxed);
        self.more.notify_one();
        Ok(task)
    }

    async fn probe(&self, _: &Locator, _: &Dispatch) -> Probe {
        Probe::NeverArrived
    }

    async fn abort(&self, _: &Locator) -> Result<(), AttemptError> {
        Ok(())
    }

    async fn latest_answer(&self, _: &Locator) -> Result<Settled, AttemptError> {
        Ok(Settled::default())
    }

    async fn answer(&self, _: &Locator, _: &AskId, _: &AskReply) -> Result<(), AttemptError> {
        Ok(())
    }
}
