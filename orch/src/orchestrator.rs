//! The handle that everything hangs on.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use orch_config::Config;
use orch_opencode::{HostErrorKind, OpenCode, SessionId};
use orch_workflow::{
    attempt::RunId,
    decision::{DecisionRequest, Reply, Request},
    driver::{Engine, EngineError, EventStream, NewRun, Requested, Run},
    event::Event,
    plan::Plan,
    port::{AskId, AskReply},
    view::RunView,
};
use tokio::sync::Mutex;

use crate::{
    builder::Builder,
    connection::{Connector, Shutdown},
    error::{Error, ErrorKind},
    request::RunRequest,
    show::Show,
};

/// How long runs may take to let go at the end.
const GRACE: Duration = Duration::from_secs(2);

/// Runs workflows in one project, on one host, with one store. Cheap to clone; all clones are one orchestrator.
#[derive(Debug, Clone)]
pub struct Orchestrator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    directory: PathBuf,
    engine: Engine,
    connector: Arc<Connector>,
    show: Mutex<Option<Show>>,
}

impl Orchestrator {
    /// An orchestrator for the project in this directory.
    pub fn builder(directory: impl Into<PathBuf>) -> Builder {
        Builder::new(directory.into())
    }

    pub(crate) fn new(
        config: Arc<Config>,
        directory: PathBuf,
        engine: Engine,
        connector: Arc<Connector>,
    ) -> Self {
        Self { inner: Arc::new(Inner { config, directory, engine, connector, show: Mutex::new(None) }) }
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The project directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// The host, reached now if it was not before.
    ///
    /// # Errors
    /// It cannot be found, started, reached or used.
    pub async fn host(&self) -> Result<Arc<dyn OpenCode>, Error> {
        let connection = self.inner.connector.connection().await?;
        let mut show = self.inner.show.lock().await;
        if show.is_none() {
            let frontend = self.inner.connector.audience().frontend(&connection.host);
            *show = Some(Show::start(self.subscribe(), (&self.config().ui).into(), frontend));
        }
        Ok(Arc::clone(&connection.host))
    }

    /// Starts a run and drives it on a task of its own. What can be checked without spending a token is checked
    /// first: the workflow, the task, the host, the parent session, agents and models.
    ///
    /// # Errors
    /// What is wrong and the way out; no run was created.
    pub async fn run(&self, request: RunRequest) -> Result<Run, Error> {
        let plan = Plan::compile(self.config(), &request.workflow)?;
        let host = self.host().await?;
        if let Some(parent) = &request.parent_session {
            check_parent(&*host, parent).await?;
        }
        self.inner.connector.check_workers(&plan).await?;
        let mut new = NewRun::new(plan, request.task, &self.inner.directory);
        new.policy = request.policy;
        new.parent_session = request.parent_session;
        new.asks = request.asks;
        new.metadata = request.metadata;
        Ok(self.inner.engine.start(new).await?)
    }

    /// Takes up a run that nobody drives: after a crash, or after its process was stopped.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when a live process drives it.
    pub async fn resume(&self, run: &RunId) -> Result<Run, Error> {
        self.host().await?;
        Ok(self.inner.engine.resume(run).await?)
    }
}

impl Orchestrator {
    /// Answers the gate of a run. Where nobody drives the run, this process takes it up and drives it on.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when the gate was answered already, is not open, or does not allow the decision.
    pub async fn decide(&self, run: &RunId, decision: DecisionRequest) -> Result<Requested, Error> {
        // A run that has ended, or does not exist, is told about before a host is started for it.
        let view = self.view(run).await?;
        if !view.status.is_terminal() && view.owner.is_none() {
            self.host().await?;
        }
        self.request(run, Request::Decide(decision)).await
    }

    /// Answers a permission or a question of a worker.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when it is no longer open.
    pub async fn answer(
        &self,
        run: &RunId,
        ask: &AskId,
        reply: AskReply,
        by: &str,
    ) -> Result<Requested, Error> {
        self.request(run, Request::Answer { ask: ask.clone(), reply, by: by.to_owned() }).await
    }

    /// Asks for a pause before the next step; what is at work finishes first.
    ///
    /// # Errors
    /// The run is unknown, has ended, or its process does not answer.
    pub async fn pause(&self, run: &RunId, by: &str) -> Result<Requested, Error> {
        self.request(run, Request::Pause { by: by.to_owned() }).await
    }

    /// Stops the step at work and leaves the run at a gate.
    ///
    /// # Errors
    /// The run is unknown, has ended, or its process does not answer.
    pub async fn interrupt(&self, run: &RunId, by: &str) -> Result<Requested, Error> {
        self.request(run, Request::Interrupt { by: by.to_owned() }).await
    }

    /// Ends a run as `cancelled`, once the work in flight is confirmed to be at rest.
    ///
    /// # Errors
    /// The run is unknown, has ended, or its process does not answer.
    pub async fn cancel(&self, run: &RunId, by: &str) -> Result<Requested, Error> {
        let view = self.view(run).await?;
        if !view.status.is_terminal() && view.owner.is_none() {
            self.host().await?;
        }
        self.request(run, Request::Cancel { by: by.to_owned() }).await
    }

    /// The runs of the store, newest first. A run whose journal is damaged stands there with what is wrong with it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn runs(&self) -> Result<Vec<(RunId, Result<RunView, Error>)>, Error> {
        let views = self.inner.engine.views().await?;
        Ok(views.into_iter().map(|(run, view)| (run, view.map_err(Error::from))).collect())
    }

    /// A run as it stands, whoever drives it.
    ///
    /// # Errors
    /// The run is unknown or the store cannot be read.
    pub async fn view(&self, run: &RunId) -> Result<RunView, Error> {
        Ok(self.inner.engine.view(run).await?)
    }

    /// The journaled events of a run from number `from` on, whoever drives it.
    ///
    /// # Errors
    /// The run is unknown or the store cannot be read.
    pub async fn events(&self, run: &RunId, from: u64) -> Result<Vec<Event>, Error> {
        Ok(self.inner.engine.events(run, from.saturating_sub(1)).await?)
    }

    /// The events of all runs driven here, live progress included, from now on. A slow reader sees a gap and takes
    /// a snapshot with [`view`](Self::view); it slows nobody.
    #[must_use]
    pub fn subscribe(&self) -> EventStream {
        self.inner.engine.subscribe()
    }

    /// Stops driving, shows the last toasts, and ends every process that was started. Runs in flight stay as they
    /// are in the store and on the host, and can be continued by any process.
    pub async fn shutdown(self) -> Shutdown {
        self.inner.engine.shutdown(GRACE).await;
        if let Some(show) = self.inner.show.lock().await.take() {
            show.finish().await;
        }
        self.inner.connector.close().await
    }

    async fn request(&self, run: &RunId, request: Request) -> Result<Requested, Error> {
        let requested = self.inner.engine.request(run, request).await?;
        match requested.reply {
            Reply::Refused(rejected) => Err(EngineError::Rejected(rejected).into()),
            _ => Ok(requested),
        }
    }
}

async fn check_parent(host: &dyn OpenCode, parent: &str) -> Result<(), Error> {
    let unknown = |reason: String| {
        Error::new(ErrorKind::Usage, "orch::host::unknown-parent", reason).with_help(
            "name a session of this project with --parent ses_…, or leave it out and one is created",
        )
    };
    let id = SessionId::parse(parent)
        .map_err(|error| unknown(format!("use the parent session {parent}: {error}")))?;
    match host.session(&id).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == HostErrorKind::NotFound => Err(unknown(format!(
            "use the parent session {parent}: the host at {} has no such session",
            host.origin()
        ))),
        Err(error) => Err(error.into()),
    }
}
