//! A simulated host, a profile, a dispatch: what every test starts from.

use std::{path::PathBuf, sync::Arc, time::Duration};

use orch_config::{
    Profile,
    id::{ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
};
use orch_opencode::{
    HttpOpenCode, NewSession, OpenCode,
    simulator::{Script, Simulator, SimulatorOptions},
    tracker::Patience,
};
use orch_workers::{Worker, worker::Context};
use orch_workflow::{
    attempt::{DispatchId, RunId, Settled, WarningCode},
    port::{AskPolicy, Dispatch, Placement, SessionChoice, Task, Update},
};

/// The engine's patience with a real host is needless with one that answers in a millisecond.
pub(crate) fn patience() -> Patience {
    let mut patience = Patience::default();
    patience.settle = Duration::from_millis(40);
    patience.linger = Duration::from_millis(200);
    patience.cold_start = Duration::from_secs(5);
    patience.look = Duration::from_millis(200);
    patience.blind_look = Duration::from_millis(50);
    patience.unreachable = Duration::from_millis(500);
    patience
}

pub(crate) async fn simulator(script: Script) -> Simulator {
    Simulator::start(SimulatorOptions::new(script)).await.unwrap()
}

pub(crate) fn host(simulator: &Simulator) -> Arc<dyn OpenCode> {
    Arc::new(HttpOpenCode::builder(simulator.url(), simulator.directory()).build().unwrap())
}

pub(crate) async fn parent(host: &dyn OpenCode) -> String {
    let new = NewSession { title: Some("the parent".to_owned()), ..NewSession::default() };
    host.create_session(new).await.unwrap().id.into()
}

pub(crate) fn profile(id: &str, kind: WorkerKind) -> Profile {
    Profile::new(ProfileId::new(id).unwrap()).with_kind(kind)
}

/// The first attempt of step `step` of run `run_1` by worker `w`.
pub(crate) fn dispatch(kind: WorkerKind, prompt: &str) -> Dispatch {
    Dispatch {
        id: DispatchId {
            run: RunId::new("run_1").unwrap(),
            step: StepId::new("step").unwrap(),
            iteration: 1,
            attempt: 1,
            turn: 1,
        },
        workflow: WorkflowId::new("build").unwrap(),
        title: "Step".to_owned(),
        worker: ProfileId::new("w").unwrap(),
        kind,
        execution: ExecutionMode::Background,
        prompt: prompt.into(),
        session: SessionChoice::Same,
        continues: None,
        parent_session: None,
        parent_title: "build: a task".into(),
        directory: PathBuf::from("/project"),
        asks: AskPolicy::Deny,
        required_skills: Vec::new(),
        attachments: Vec::new(),
    }
}

/// Places and sends.
pub(crate) async fn start(worker: &dyn Worker, dispatch: &Dispatch) -> (Placement, Task) {
    let cx = Context::default();
    let placement = worker.place(&cx, dispatch).await.unwrap();
    let task = worker.send(&cx, &placement.locator, dispatch).await.unwrap();
    (placement, task)
}

/// Everything a task reports, the result last.
pub(crate) async fn outcome(task: Task) -> (Vec<Update>, Settled) {
    outcome_within(task, Duration::from_secs(20)).await
}

/// The same of a task that is known to take its time.
pub(crate) async fn outcome_within(mut task: Task, longest: Duration) -> (Vec<Update>, Settled) {
    let mut updates = Vec::new();
    let all = async {
        while let Some(update) = task.next().await {
            match update {
                Update::Settled(settled) => return *settled,
                update => updates.push(update),
            }
        }
        panic!("the task ended without a result");
    };
    let settled = tokio::time::timeout(longest, all).await.unwrap();
    (updates, settled)
}

/// Waits for the first update that `pick` accepts.
pub(crate) async fn wait_for<T>(task: &mut Task, pick: impl Fn(&Update) -> Option<T>) -> T {
    let found = async {
        loop {
            let update = task.next().await.unwrap();
            if let Some(found) = pick(&update) {
                return found;
            }
            assert!(!matches!(update, Update::Settled(_)), "settled instead: {update:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.unwrap()
}

/// The codes of a result's warnings.
pub(crate) fn codes(settled: &Settled) -> Vec<WarningCode> {
    settled.warnings.iter().map(|warning| warning.code).collect()
}
