//! Every worker of ours keeps the promises that the engine relies on; so does one that somebody else could write.

use orch_config::kind::WorkerKind;
use orch_workers::testing::{Bench, worker_suite};

use crate::bench::SimulatedBench;

#[tokio::test]
async fn an_agent_worker_keeps_every_promise() {
    let bench = async || Box::new(SimulatedBench::new(WorkerKind::Agent).await) as Box<dyn Bench>;
    worker_suite(bench).await.unwrap_or_else(|findings| panic!("{findings}"));
}

#[tokio::test]
async fn a_subagent_worker_keeps_every_promise() {
    let bench = async || Box::new(SimulatedBench::new(WorkerKind::Subagent).await) as Box<dyn Bench>;
    worker_suite(bench).await.unwrap_or_else(|findings| panic!("{findings}"));
}
