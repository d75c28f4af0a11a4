//! The pool: from a dispatch to its worker, and back from a journaled locator.

use std::sync::{Arc, Mutex};

use orch_config::{Config, id::ProfileId, kind::WorkerKind};
use orch_opencode::{
    SessionId,
    simulator::{Script, Simulator},
};
use orch_workers::{Need, Pool, worker::WorkerStatus};
use orch_workflow::{
    attempt::{ErrorCode, Outcome},
    port::{Dispatch, Locator, Placement, Probe, StepExecutor},
};
use serde::Deserialize;
use serde_json::json;

use crate::world::{self, outcome, profile};

fn config() -> Arc<Config> {
    let mut config = Config::builtin();
    config.insert_profile(profile("w", WorkerKind::Agent));
    Arc::new(config)
}

fn pool(simulator: &Simulator) -> Pool {
    Pool::builder(config(), world::host(simulator)).create_parent(true).patience(world::patience()).build()
}

async fn run(pool: &Pool, dispatch: &Dispatch) -> Placement {
    let placement = pool.place(dispatch).await.unwrap();
    let task = pool.send(&placement.locator, dispatch).await.unwrap();
    assert_eq!(outcome(task).await.1.outcome(), Outcome::Ok);
    placement
}

#[derive(Deserialize)]
struct Spawns {
    cases: Vec<Spawn>,
}

#[derive(Deserialize)]
struct Spawn {
    id: String,
    input: SpawnInput,
    expected: SpawnExpected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpawnInput {
    profile: SpawnProfile,
    parent_session_id: Option<String>,
}

#[derive(Deserialize)]
struct SpawnProfile {
    kind: WorkerKind,
}

#[derive(Deserialize)]
struct SpawnExpected {
    result: serde_json::Value,
    calls: Vec<serde_json::Value>,
}

/// The predecessor primed each session with a message that asked for no answer; here the profile's prompt goes with
/// every turn, so the sessions that exist are what its calls come down to.
#[tokio::test]
async fn workers_spawn_as_the_predecessor_spawned_them() {
    let spawns: Spawns = serde_json::from_str(include_str!("../fixtures/spawn.json")).unwrap();
    assert_eq!(spawns.cases.len(), 3);
    for case in spawns.cases {
        let simulator = world::simulator(Script::new()).await;
        let host = world::host(&simulator);
        let pool = Pool::builder(config(), Arc::clone(&host)).build();
        let mut dispatch = world::dispatch(case.input.profile.kind, "go");
        if case.input.parent_session_id.is_some() {
            dispatch.parent_session = Some(world::parent(&*host).await);
        }
        let before = simulator.sessions().len();
        let placed = pool.place(&dispatch).await;
        let created = case.expected.calls.iter().filter(|call| call["api"] == "session.create").count();
        assert_eq!(simulator.sessions().len() - before, created, "{}", case.id);
        let throws = case.expected.result.get("throws").is_some();
        assert_eq!(placed.is_err(), throws, "{}: {placed:?}", case.id);
        if let Ok(placement) = placed {
            let session = simulator.sessions().into_iter().find(|s| s.id == placement.session).unwrap();
            let create = case.expected.calls.iter().find(|call| call["api"] == "session.create").unwrap();
            let title = create["body"]["title"].as_str().unwrap().replace("Worker: W", "Worker: w");
            assert_eq!((session.title, session.parent), (title, None), "{}", case.id);
        }
    }
}

#[tokio::test]
async fn a_run_without_a_parent_gets_one_and_only_one() {
    let simulator = world::simulator(Script::new()).await;
    let pool = pool(&simulator);
    let mut other = world::dispatch(WorkerKind::Subagent, "go");
    other.worker = ProfileId::new("coder").unwrap();
    let first = world::dispatch(WorkerKind::Subagent, "go");
    let (one, two) = tokio::join!(run(&pool, &first), run(&pool, &other));
    let parent = one.parent_session.clone().unwrap();
    assert_eq!(two.parent_session.as_ref(), Some(&parent));
    assert_ne!(one.session, two.session);

    // A process that was started after a crash, before the parent was journaled.
    let again = self::pool(&simulator);
    assert_eq!(run(&again, &first).await.parent_session, Some(parent.clone()));

    let sessions = simulator.sessions();
    let roots: Vec<_> = sessions.iter().filter(|session| session.parent.is_none()).collect();
    assert_eq!(roots.len(), 1);
    assert_eq!((roots[0].id.as_str(), roots[0].title.as_str()), (parent.as_str(), "build: a task"));
    let id = SessionId::parse(parent).unwrap();
    assert_eq!(world::host(&simulator).children(&id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_agent_keeps_its_session_when_its_run_gets_a_parent() {
    let simulator = world::simulator(Script::new()).await;
    let pool = pool(&simulator);
    let agent = world::dispatch(WorkerKind::Agent, "go");
    let before = run(&pool, &agent).await;
    let child = run(&pool, &world::dispatch(WorkerKind::Subagent, "go")).await;
    let after = Dispatch { parent_session: child.parent_session, ..agent };
    assert_eq!(run(&pool, &after).await.session, before.session);
}

#[tokio::test]
async fn another_pool_finds_what_a_journaled_locator_names() {
    let simulator = world::simulator(Script::new()).await;
    let dispatch = world::dispatch(WorkerKind::Agent, "go");
    let placement = run(&pool(&simulator), &dispatch).await;
    let journaled = Locator(serde_json::from_str(&placement.locator.0.to_string()).unwrap());
    let pool = pool(&simulator);
    let probe = pool.probe(&journaled, &dispatch).await;
    assert!(matches!(&probe, Probe::Finished(settled) if settled.text == "ok"), "{probe:?}");
    assert_eq!(pool.latest_answer(&journaled).await.unwrap().text, "ok");
    pool.abort(&journaled).await.unwrap();
    let foreign = Locator(json!({ "worker": "w" }));
    assert!(matches!(pool.probe(&foreign, &dispatch).await, Probe::Unknown(_)));
    assert_eq!(pool.abort(&foreign).await.unwrap_err().code, ErrorCode::Internal);
}

#[tokio::test]
async fn an_unknown_worker_is_refused_with_the_nearest_name() {
    let simulator = world::simulator(Script::new()).await;
    let mut dispatch = world::dispatch(WorkerKind::Agent, "go");
    dispatch.worker = ProfileId::new("codr").unwrap();
    let error = pool(&simulator).place(&dispatch).await.unwrap_err();
    assert_eq!(error.message, "no worker is named `codr`: did you mean `coder`?");
}

#[tokio::test]
async fn a_server_worker_without_a_command_says_what_is_missing() {
    let simulator = world::simulator(Script::new()).await;
    let error = pool(&simulator).place(&world::dispatch(WorkerKind::Server, "go")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SpawnFailed);
    assert!(error.message.starts_with("worker `w` needs a server of its own"), "{error}");
}

#[tokio::test]
async fn every_change_of_a_worker_is_told_and_a_stopped_pool_refuses() {
    let simulator = world::simulator(Script::new()).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let pool = Pool::builder(config(), world::host(&simulator))
        .on_worker({
            let heard = Arc::clone(&heard);
            move |event| heard.lock().unwrap().push(event.status)
        })
        .build();
    let dispatch = world::dispatch(WorkerKind::Agent, "go");
    assert!(pool.warm_up([ProfileId::new("w").unwrap()]).await.is_empty());
    run(&pool, &dispatch).await;
    use WorkerStatus::{Busy, Ready, Stopped};
    assert_eq!(*heard.lock().unwrap(), [Ready, Busy, Ready]);
    assert_eq!(pool.workers().len(), 1);

    let report = pool.shutdown(std::time::Duration::from_secs(1)).await;
    assert!(report.is_clean() && report.ended.is_empty());
    assert_eq!(*heard.lock().unwrap(), [Ready, Busy, Ready, Stopped]);
    let error = pool.place(&dispatch).await.unwrap_err();
    assert_eq!(error.message, "worker `w`: the pool is shutting down");
    assert_eq!(simulator.sessions().len(), 1, "in-process sessions stay as they are");
}

/// The budget of a step. A run looks at what the host offers before it begins, once for all its workers.
#[tokio::test]
async fn no_step_takes_more_than_eight_calls_of_the_host() {
    for kind in [WorkerKind::Agent, WorkerKind::Subagent] {
        let simulator = world::simulator(Script::new()).await;
        let pool = pool(&simulator);
        let workers = ["w", "coder"].map(|id| ProfileId::new(id).unwrap());
        let needs = workers.clone().map(|worker| Need::new(worker, kind));
        assert!(pool.check(needs).await.unwrap().is_empty());
        let mut dispatch = world::dispatch(kind, "go");
        dispatch.parent_session = Some(world::parent(&*world::host(&simulator)).await);
        for step in 0..4 {
            let before = simulator.requests().len();
            dispatch.id.step = format!("step-{step}").parse().unwrap();
            dispatch.worker = workers[step / 2].clone();
            run(&pool, &dispatch).await;
            let calls = simulator.requests().split_off(before);
            assert!((2..=8).contains(&calls.len()), "{kind}, step {step}: {calls:#?}");
        }
        let looks = ["/agent", "/config", "/config/providers"];
        let looked =
            simulator.requests().into_iter().filter(|request| looks.contains(&request.path.as_str()));
        assert_eq!(looked.count(), looks.len(), "{kind}: once for all");
    }
}

#[tokio::test]
async fn every_worker_that_cannot_be_had_is_told_once_and_nothing_is_made() {
    let simulator = world::simulator(Script::new()).await;
    let mut config = Config::builtin();
    let (mut model, mut agent) = (profile("model", WorkerKind::Agent), profile("agent", WorkerKind::Agent));
    model.model = Some("stub/stubb".to_owned());
    agent.agent = Some("biuld".to_owned());
    for profile in [model, agent, profile("fine", WorkerKind::Agent)] {
        config.insert_profile(profile);
    }
    let pool = Pool::builder(Arc::new(config), world::host(&simulator)).build();
    let wanted = [
        ("model", WorkerKind::Agent),
        ("fine", WorkerKind::Subagent),
        ("nobody", WorkerKind::Agent),
        ("agent", WorkerKind::Subagent),
        ("model", WorkerKind::Agent),
        ("fine", WorkerKind::Server),
    ];
    let problems =
        pool.check(wanted.map(|(id, kind)| Need::new(ProfileId::new(id).unwrap(), kind))).await.unwrap();
    let codes: Vec<_> = problems.iter().map(|problem| problem.code()).collect();
    assert_eq!(
        codes,
        [
            "orch::workers::unknown-worker",
            "orch::workers::no-server-command",
            "orch::workers::unknown-model",
            "orch::workers::unknown-agent",
        ]
    );
    assert!(simulator.sessions().is_empty() && pool.workers().is_empty());
}
