//! The data of servers that orch starts: whose it is, and how long it is kept.

use std::path::PathBuf;

use orch::{
    Builder,
    config::kind::WorkerKind,
    opencode::simulator::{Script, Simulator, SimulatorOptions},
    prelude::*,
};

use crate::{
    processes::Stage,
    world::{config, gate, profile, request, rest, step, stepped, within, workflow},
};

/// An orchestrator that launches its host, on the state directory that all of a stage share.
fn builder(stage: &Stage) -> Builder {
    Orchestrator::builder(stage.directory())
        .config(config())
        .host(stage.program())
        .state_root(stage.path("state"))
        .environment(stage.environment())
}

async fn launch(stage: &Stage, orchestrator: &Orchestrator) -> Simulator {
    let launched = async { tokio::join!(orchestrator.host(), stage.host(Script::new())) };
    let (reached, (host, _)) = within(launched).await;
    reached.unwrap();
    host
}

/// The data directory of the program that was started last.
fn data(stage: &Stage) -> PathBuf {
    let environment = std::fs::read_to_string(stage.path("environment")).unwrap();
    environment.lines().find_map(|variable| variable.strip_prefix("XDG_DATA_HOME=")).unwrap().into()
}

#[tokio::test]
async fn a_run_goes_on_with_the_data_that_its_host_had() {
    let stage = Stage::new();
    let orchestrator = async || builder(&stage).build().await.unwrap();
    let (first, second) = (orchestrator().await, orchestrator().await);
    let _first_host = launch(&stage, &first).await;
    let of_first = data(&stage);
    let _second_host = launch(&stage, &second).await;
    let of_second = data(&stage);
    assert_ne!(of_first, of_second, "two programs in one project at the same time");
    let run = second.run(stepped()).await.unwrap();
    let waiting = gate(&run).await;
    second.shutdown().await;
    first.shutdown().await;

    let third = orchestrator().await;
    let decision = DecisionRequest::new(Decision::Continue, "me").at(waiting.id);
    let decided = async { tokio::join!(third.decide(run.id(), decision), stage.host(Script::new())) };
    let (decided, _third_host) = within(decided).await;
    assert_eq!(data(&stage), of_second);
    assert_eq!(rest(&decided.unwrap().run.unwrap()).await.status, RunStatus::Success);
    third.shutdown().await;
}

/// A step on a server of its worker's own, or on the given host, with so many finished runs kept.
async fn play(stage: &Stage, kind: WorkerKind, kept: u32) {
    let directory = stage.directory().to_string_lossy().into_owned();
    let given = Simulator::start(SimulatorOptions::new(Script::new()).directory(directory)).await.unwrap();
    let mut config = config();
    config.insert_profile(profile("agent", kind));
    config.insert_workflow(workflow(vec![step("one", "agent", "do one of {task}")]));
    config.opencode.command = Some(vec![stage.path("opencode").to_string_lossy().into_owned()]);
    config.store.retention.max_runs = Some(kept);
    let builder = builder(stage).config(config).host(Host::server(given.url()));
    let orchestrator = builder.build().await.unwrap();
    let run = orchestrator.run(request()).await.unwrap();
    let view = match kind {
        WorkerKind::Server => within(async { tokio::join!(rest(&run), stage.host(Script::new())) }).await.0,
        _ => rest(&run).await,
    };
    assert_eq!(view.status, RunStatus::Success, "{view:#?}");
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn the_data_of_a_server_goes_with_the_last_run_that_names_it() {
    let stage = Stage::new();
    play(&stage, WorkerKind::Server, 9).await;
    let of_first = data(&stage);
    play(&stage, WorkerKind::Server, 9).await;
    assert_eq!(data(&stage), of_first);

    play(&stage, WorkerKind::Agent, 1).await;
    assert!(of_first.exists(), "of the two that name it the later one is kept");
    play(&stage, WorkerKind::Agent, 1).await;
    assert!(!of_first.parent().unwrap().exists(), "no run names it any more");
}
