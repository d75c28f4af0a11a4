//! A simulated host, a workflow of two steps, and an orchestrator: what every test starts from.

use std::{sync::Arc, time::Duration};

use orch::{
    Builder,
    config::{
        Profile, StepDefinition, WorkflowDefinition,
        id::{ProfileId, StepId, WorkflowId},
        kind::WorkerKind,
    },
    opencode::simulator::{Answer, Hold, Script, Simulator, SimulatorOptions, When},
    prelude::*,
    workflow::driver::EngineError,
};

/// The workflow of [`config`].
pub(crate) const WORKFLOW: &str = "two";

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.unwrap()
}

pub(crate) async fn simulator(script: Script) -> Simulator {
    Simulator::start(SimulatorOptions::new(script)).await.unwrap()
}

/// A host whose first step waits for the hold.
pub(crate) async fn held(hold: &Hold) -> Simulator {
    simulator(Script::new().on(When::prompt("do one"), Answer::text("late").held(hold))).await
}

pub(crate) fn profile(id: &str, kind: WorkerKind) -> Profile {
    Profile::new(ProfileId::new(id).unwrap()).with_kind(kind)
}

pub(crate) fn step(id: &str, worker: &str, prompt: &str) -> StepDefinition {
    StepDefinition::new(StepId::new(id).unwrap(), ProfileId::new(worker).unwrap(), prompt)
}

pub(crate) fn workflow(steps: Vec<StepDefinition>) -> WorkflowDefinition {
    WorkflowDefinition::new(WorkflowId::new(WORKFLOW).unwrap(), steps)
}

/// Two steps by two workers, an agent and a subagent.
pub(crate) fn config() -> Config {
    let mut config = Config::builtin();
    config.insert_profile(profile("agent", WorkerKind::Agent));
    config.insert_profile(profile("subagent", WorkerKind::Subagent));
    let steps = vec![step("one", "agent", "do one of {task}"), step("two", "subagent", "do two of {task}")];
    config.insert_workflow(workflow(steps));
    config
}

pub(crate) fn builder(simulator: &Simulator) -> Builder {
    Orchestrator::builder(simulator.directory()).config(config()).host(Host::server(simulator.url()))
}

pub(crate) async fn orchestrator(simulator: &Simulator) -> Orchestrator {
    builder(simulator).build().await.unwrap()
}

pub(crate) fn request() -> RunRequest {
    RunRequest::new(WORKFLOW, "the task")
}

/// Waits until the run is at rest.
pub(crate) async fn rest(run: &Run) -> RunView {
    let rest: Result<RunView, EngineError> = within(run.wait()).await;
    rest.unwrap()
}

/// The gate of a run that is expected to rest at one.
pub(crate) async fn gate(run: &Run) -> Gate {
    let view = rest(run).await;
    assert_eq!(view.status, RunStatus::Paused);
    view.gate.unwrap()
}

pub(crate) fn texts(view: &RunView) -> Vec<&str> {
    view.steps.iter().map(|step| step.text.as_deref().unwrap_or("-")).collect()
}

/// A run that is stepped: it stops after each step.
pub(crate) fn stepped() -> RunRequest {
    request().execution(Execution::Step)
}

/// The orchestrator's front end in a test: what it was shown, as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Screen(Arc<std::sync::Mutex<Vec<String>>>);

impl Screen {
    pub(crate) fn shown(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl orch::ux::frontend::Frontend for Screen {
    async fn show(&self, action: &orch::ux::action::UxAction) -> Result<(), orch::ux::error::Error> {
        let text = serde_json::to_value(action).unwrap();
        let kind = text["action"].as_str().unwrap();
        let said = [&text["title"], &text["text"], &text["message"]];
        let said = said.into_iter().find_map(|part| part.as_str()).unwrap_or_default();
        self.0.lock().unwrap().push(format!("{kind}: {}", said.lines().next().unwrap_or_default()));
        Ok(())
    }
}
