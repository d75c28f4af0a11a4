//! Benches for the conformance suite: in-process workers on the simulated host.

use std::sync::Arc;

use async_trait::async_trait;
use orch_config::kind::WorkerKind;
use orch_opencode::{
    HttpOpenCode, OpenCode,
    simulator::{Answer, CallKind, Hold, Script, Simulator, When},
};
use orch_workers::{
    OpenCodeWorker, Worker,
    testing::{ANSWER, Bench, HELD},
};
use orch_workflow::port::Dispatch;

use crate::world::{self, patience, profile};

pub(crate) struct SimulatedBench {
    simulator: Simulator,
    hold: Hold,
    kind: WorkerKind,
    parent: String,
    worker: Arc<dyn Worker>,
}

impl SimulatedBench {
    pub(crate) async fn new(kind: WorkerKind) -> Self {
        let hold = Hold::new();
        let held = Answer::text(ANSWER).held(&hold);
        let simulator = world::simulator(Script::new().on(When::prompt(HELD), held).otherwise(ANSWER)).await;
        let parent = world::parent(&*world::host(&simulator)).await;
        let worker = worker(&simulator, kind);
        Self { simulator, hold, kind, parent, worker }
    }
}

/// A worker with a host handle of its own, as another process would have.
fn worker(simulator: &Simulator, kind: WorkerKind) -> Arc<dyn Worker> {
    let host: Arc<dyn OpenCode> =
        Arc::new(HttpOpenCode::builder(simulator.url(), simulator.directory()).build().unwrap());
    let profile = Arc::new(profile("w", kind));
    let worker = match kind {
        WorkerKind::Agent => OpenCodeWorker::agent(profile, host),
        WorkerKind::Subagent => OpenCodeWorker::subagent(profile, host),
        WorkerKind::Server => panic!("a server worker does not use the given host"),
    };
    Arc::new(worker.with_patience(patience()))
}

#[async_trait]
impl Bench for SimulatedBench {
    fn worker(&self) -> Arc<dyn Worker> {
        Arc::clone(&self.worker)
    }

    async fn reborn(&self) -> Arc<dyn Worker> {
        worker(&self.simulator, self.kind)
    }

    fn dispatch(&self, attempt: u32, prompt: &str) -> Dispatch {
        let mut dispatch = world::dispatch(self.kind, prompt);
        dispatch.id.attempt = attempt;
        dispatch.parent_session = Some(self.parent.clone());
        dispatch
    }

    async fn times_asked(&self) -> usize {
        self.simulator.model_prompts().len()
    }

    async fn wait_asked(&self, times: usize) {
        let is_prompt = |call: &&orch_opencode::simulator::ModelCall| call.kind == CallKind::Prompt;
        self.simulator.wait_model_log(|log| log.iter().filter(is_prompt).count() >= times).await;
    }

    fn release(&self) {
        self.hold.release();
    }
}
