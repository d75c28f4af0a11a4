//! The data of servers that orch starts: whose it is, and how long it is kept.

use std::{path::PathBuf, sync::Arc};

use orch::{
    Builder,
    config::kind::WorkerKind,
    opencode::simulator::{Script, Simulator, SimulatorOptions},
    prelude::*,
    workflow::{
        history::{Fork, fork},
        machine::Machine,
        store::{MemoryStore, Owner, RunStore},
    },
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

/// One that stays has a host of its own, and a run of another program, which has ended, had one beside it.
struct Beside {
    stage: Stage,
    store: Arc<dyn RunStore>,
    staying: Orchestrator,
    own_host: Simulator,
    run: RunId,
    /// Of the run.
    data: PathBuf,
}

impl Beside {
    async fn start() -> Self {
        let stage = Stage::new();
        let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
        let orchestrator = async || builder(&stage).store(Arc::clone(&store)).build().await.unwrap();
        let (staying, other) = (orchestrator().await, orchestrator().await);
        let own_host = launch(&stage, &staying).await;
        let _other_host = launch(&stage, &other).await;
        let data = data(&stage);
        let run = other.run(request()).await.unwrap();
        rest(&run).await;
        other.shutdown().await;
        Self { run: run.id().clone(), store, staying, own_host, data, stage }
    }

    /// Lets a run get under way for which a host has to be started, and sees where it has its sessions.
    async fn goes_on(self, run: impl Future<Output = Result<Run, Error>>) {
        let (run, (host, _)) = within(async { tokio::join!(run, self.stage.host(Script::new())) }).await;
        assert_eq!(data(&self.stage), self.data);
        assert_eq!(rest(&run.unwrap()).await.status, RunStatus::Success);
        let titles = |host: &Simulator| -> Vec<String> {
            host.sessions().into_iter().map(|session| session.title).collect()
        };
        assert_eq!(titles(&self.own_host), [""; 0], "the sessions of the run are not there");
        assert!(titles(&host).contains(&"Worker: subagent".to_owned()), "{:?}", titles(&host));
        self.staying.shutdown().await;
    }
}

#[tokio::test]
async fn a_fork_begins_with_the_data_that_the_other_run_had() {
    let beside = Beside::start().await;
    let (staying, run) = (beside.staying.clone(), beside.run.clone());
    beside.goes_on(async move { staying.fork(&run, ForkRequest::new("two".parse().unwrap())).await }).await;
}

/// Its process has died before it had sent anything.
#[tokio::test]
async fn a_fork_that_has_sent_nothing_is_taken_up_with_the_data_that_the_other_run_had() {
    let beside = Beside::start().await;
    let (staying, store) = (beside.staying.clone(), Arc::clone(&beside.store));
    let journal = store.load(&beside.run, 0).await.unwrap();
    let id = RunId::new("run_fork").unwrap();
    let forked = fork(&journal, Fork::new("two".parse().unwrap())).unwrap().named(id.clone());
    let (_, batch) = Machine::begin_forked(staying.now(), forked).unwrap();
    let lease = store.create(&id, &batch.records, &Owner::current(), staying.now()).await.unwrap();
    store.release(&lease).await.unwrap();
    beside.goes_on(async move { staying.resume(&id).await }).await;
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
