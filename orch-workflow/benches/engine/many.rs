//! Many runs at once: how the engine's share grows with their number.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use orch_workflow::{
    attempt::{AttemptError, RunId, Settled},
    driver::{Engine, NewRun, Run},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task, Update},
    record::RunStatus,
    store::MemoryStore,
};
use serde_json::Value;
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};

use crate::{story::plan, table::Row};

const STEPS: usize = 4;

pub(crate) fn rows() -> Vec<Row> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let few = together(&runtime, 100);
    let many = together(&runtime, 1_000);
    let details = format!("{:.1?} and {:.1?} of processor time in all", few.busy, many.busy);
    let growth = many.busy.as_secs_f64() / (few.busy.as_secs_f64() * 10.0);
    let mut delays = many.delays;
    delays.sort();
    let p99 = delays[delays.len() * 99 / 100].as_secs_f64() * 1e3;
    vec![
        Row::new("1,000 runs at once, a run among 100 = 1", growth, "×").within(1.2).details(details),
        Row::new("… delay between an answer and what follows, p99", p99, "ms").within(10.0),
    ]
}

struct Together {
    busy: Duration,
    delays: Vec<Duration>,
}

/// So many runs, whose answers come at times of their own.
fn together(runtime: &Runtime, runs: usize) -> Together {
    let host = Arc::new(Host::default());
    let busy = runtime.block_on(async {
        let engine = Engine::builder(Arc::new(MemoryStore::new()), Arc::clone(&host) as _).build();
        let began = cpu();
        let started = start(&engine, runs).await;
        for run in &started {
            assert_eq!(run.wait().await.unwrap().status, RunStatus::Success);
        }
        cpu() - began
    });
    let delays = std::mem::take(&mut host.state.lock().unwrap().delays);
    assert_eq!(delays.len(), runs * (STEPS - 1));
    Together { busy, delays }
}

async fn start(engine: &Engine, runs: usize) -> Vec<Run> {
    let plan = plan(STEPS, false);
    let mut started = Vec::new();
    for _ in 0..runs {
        started.push(engine.start(NewRun::new(plan.clone(), "the task", "project")).await.unwrap());
    }
    started
}

/// The processor time of this process: what it waits for costs nothing.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks =
        |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or_default();
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// Answers after a while, and notes how long it takes until it hears of the run again.
#[derive(Debug, Default)]
struct Host {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answered: HashMap<RunId, Instant>,
    delays: Vec<Duration>,
}

#[async_trait]
impl StepExecutor for Host {
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        let mut state = self.state.lock().unwrap();
        if let Some(answered) = state.answered.remove(&dispatch.id.run) {
            state.delays.push(answered.elapsed());
        }
        Ok(Placement { locator: Locator(Value::Null), session: "ses_1".to_owned(), parent_session: None })
    }

    async fn send(&self, _: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let (sender, task) = Task::channel(4);
        let takes = Duration::from_millis(
            200 + dispatch.id.to_string().bytes().map(u64::from).sum::<u64>() * 7 % 800,
        );
        sleep(takes).await;
        self.state.lock().unwrap().answered.insert(dispatch.id.run.clone(), Instant::now());
        let _ = sender.send(Update::Settled(Box::new(Settled::answer("done")))).await;
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
