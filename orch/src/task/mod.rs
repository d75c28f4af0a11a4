//! Tasks: what a model delegates, to one worker or to a workflow. Each is a run, and as durable as any other.

mod route;

use std::time::Duration;

use orch_config::{
    Config, StepDefinition, WorkflowDefinition,
    id::{InvalidId, StepId, WorkflowId},
    policy::{Execution, Intervene, PolicyPatch},
};
use orch_opencode::{HostErrorKind, SessionId};
use orch_ux::{
    command,
    view::task::{Task, single, task},
};
use orch_workflow::{
    attachment::Attachment,
    attempt::RunId,
    driver::{EventStream, Received, Run},
    event::EventBody,
    plan::Plan,
};
use tokio::time::{Instant, timeout_at};

pub use self::route::route;
use crate::{
    error::{Error, ErrorKind},
    orchestrator::Orchestrator,
    request::{Parent, RunRequest},
};

/// The name of the only step of a task for one worker.
const STEP: &str = "task";
/// How often a run is looked at that somebody else drives, or that something may have happened to unseen.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who is to do a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Assignee {
    /// The worker that [`route`] names.
    #[default]
    Routed,
    /// The worker with this profile.
    Worker(String),
    /// The workers of this workflow.
    Workflow(String),
}

/// A task to be started.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskRequest {
    /// Who is to do it.
    pub assignee: Assignee,
    /// What is to be done.
    pub task: String,
    /// The session that delegates it: its children the subagents become.
    pub parent_session: Option<String>,
    /// Files for those who begin.
    pub attachments: Vec<Attachment>,
    /// How long each step may be at work, where that is less than what the configuration says.
    pub step_timeout: Option<Duration>,
}

impl TaskRequest {
    /// A task for whoever suits it.
    pub fn new(task: impl Into<String>) -> Self {
        Self {
            assignee: Assignee::default(),
            task: task.into(),
            parent_session: None,
            attachments: Vec::new(),
            step_timeout: None,
        }
    }

    /// The same task for this worker or workflow.
    #[must_use]
    pub fn assignee(mut self, assignee: Assignee) -> Self {
        self.assignee = assignee;
        self
    }

    /// The same task, delegated by this session.
    #[must_use]
    pub fn parent(mut self, session: impl Into<String>) -> Self {
        self.parent_session = Some(session.into());
        self
    }

    /// The same task with this file.
    #[must_use]
    pub fn attach(mut self, file: Attachment) -> Self {
        self.attachments.push(file);
        self
    }

    /// The same task with at most this much time at work for each step.
    #[must_use]
    pub fn step_timeout(mut self, most: Duration) -> Self {
        self.step_timeout = Some(most);
        self
    }
}

impl Orchestrator {
    /// Starts a task and drives it on a task of its own. Returns once its run is durable.
    ///
    /// A task for one worker does not stop to ask when it fails: whoever delegated it is told, and decides. A workflow
    /// asks as it is configured.
    ///
    /// # Errors
    /// Those of [`run`](Self::run); no run was created.
    pub async fn start_task(&self, request: TaskRequest) -> Result<Run, Error> {
        let TaskRequest { assignee, task, parent_session, attachments, step_timeout } = request;
        let (mut plan, policy) = match assignee {
            Assignee::Workflow(workflow) => {
                (Plan::compile(self.config(), &workflow)?, PolicyPatch::default())
            }
            Assignee::Worker(worker) => (single_plan(self.config(), &worker)?, UNASKED),
            Assignee::Routed => (single_plan(self.config(), route(&task, &attachments))?, UNASKED),
        };
        if let Some(most) = step_timeout {
            let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
            for step in &mut plan.steps {
                step.timeout_ms = step.timeout_ms.min(most);
            }
        }
        if let Some(session) = &parent_session {
            self.refuse_a_worker(session).await?;
        }
        let mut run = RunRequest::new(plan.workflow.to_string(), task).policy(policy);
        run.parent = parent_session.map_or(Parent::Automatic, Parent::Given);
        run.attachments = attachments;
        self.begin(plan, run).await
    }

    /// A run as a task, wherever it is driven.
    ///
    /// # Errors
    /// The run is unknown, or the store cannot be read.
    pub async fn task(&self, run: &RunId) -> Result<Task, Error> {
        Ok(task(&self.view(run).await?, self.now()))
    }

    /// Waits until a task is at rest, and no longer than `patience`: a task that is still worked on then says what it
    /// does. Cancel safe; the task goes on without anybody waiting.
    ///
    /// # Errors
    /// The run is unknown, or the store cannot be read.
    pub async fn await_task(&self, run: &RunId, patience: Duration) -> Result<Task, Error> {
        let until = Instant::now() + patience;
        let mut events = self.subscribe();
        loop {
            let task = self.task(run).await?;
            if task.status.is_at_rest() || Instant::now() >= until {
                return Ok(task);
            }
            // Past its time there is a look in any case: another process may drive it.
            let _ = timeout_at(until.min(Instant::now() + LOOK_EVERY), may_rest(&mut events, run)).await;
        }
    }
}

/// Nobody is asked about a failure.
const UNASKED: PolicyPatch =
    PolicyPatch { execution: Some(Execution::Auto), intervene: Some(Intervene::Never) };

/// The plan of a task for one worker.
fn single_plan(config: &Config, worker: &str) -> Result<Plan, Error> {
    let Some(profile) = config.profile(worker) else {
        let message = format!("start a task: there is no worker {worker:?}");
        let help = match config.suggest_profile(worker) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("`{}` lists them", command::PROFILES.form),
        };
        return Err(Error::new(ErrorKind::Usage, "orch::task::unknown-worker", message).with_help(help));
    };
    let internal = |error: InvalidId| Error::new(ErrorKind::Internal, "orch::task::id", error.to_string());
    let (workflow, step) = (WorkflowId::new(single(&profile.id)), StepId::new(STEP));
    let mut step = StepDefinition::new(step.map_err(internal)?, profile.id.clone(), "{task}");
    step.title = profile.name.clone();
    step.timeout_ms = config.limits.per_step_timeout_ms;
    step.idle_warning_ms = config.limits.idle_warning_ms;
    let mut definition = WorkflowDefinition::new(workflow.map_err(internal)?, [step]);
    definition.limits = config.limits;
    Ok(Plan::of_definition(config, &definition)?)
}

impl Orchestrator {
    /// Workers start no workers: depth one, whatever their sessions' rules say.
    async fn refuse_a_worker(&self, session: &str) -> Result<(), Error> {
        let host = self.host().await?;
        let mut next = SessionId::parse(session).ok();
        while let Some(id) = next {
            let session = match host.session(&id).await {
                Ok(session) => session,
                Err(error) if error.kind() == HostErrorKind::NotFound => {
                    return self.refuse_elsewhere(&id).await;
                }
                Err(error) => return Err(error.into()),
            };
            if session.metadata.get("orch").is_some_and(|tag| tag.get("profile").is_some()) {
                return Err(by_a_worker(&id));
            }
            next = session.parent;
        }
        Ok(())
    }

    /// A session that the host does not know may be on a worker's own server. Any other is refused where it is to become a
    /// parent.
    async fn refuse_elsewhere(&self, session: &SessionId) -> Result<(), Error> {
        let workers = self.workers().await?.workers;
        match workers.iter().any(|worker| worker.session.as_deref() == Some(session.as_str())) {
            true => Err(by_a_worker(session)),
            false => Ok(()),
        }
    }
}

fn by_a_worker(session: &SessionId) -> Error {
    let message = format!("start a task from session {session}: a worker may not delegate");
    Error::new(ErrorKind::Refused, "orch::task::by-a-worker", message)
        .with_help("do it yourself, or say in your answer what somebody else should do")
}

/// Returns once a run may have come to rest, or something was missed; never where nobody tells events.
async fn may_rest(events: &mut EventStream, run: &RunId) {
    loop {
        match events.next().await {
            Some(Received::Status(_)) => {}
            Some(Received::Event(event)) if event.run != *run || event.live => {}
            Some(Received::Event(event)) => match event.body {
                EventBody::RunPaused | EventBody::RunFinished { .. } => return,
                _ => {}
            },
            Some(_) => return,
            None => std::future::pending().await,
        }
    }
}
