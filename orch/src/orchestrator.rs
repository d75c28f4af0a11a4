//! The handle that everything hangs on.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use orch_config::{Config, id::ProfileId};
use orch_opencode::{HostError, OpenCode};
use orch_ux::{
    view::{
        dashboard::{Damaged, Dashboard, dashboard},
        trace::{RunTrace, run_trace},
        workers::{Workers, workers},
    },
    why::{self, Why},
};
use orch_workers::{Connection, Connector, Shutdown};
use orch_workflow::{
    attachment,
    attempt::{AttemptError, RunId, Timestamp},
    decision::{Answer, Decision, DecisionRequest, Request},
    driver::{Engine, EngineErrorKind, EventStream, NewRun, Requested, Run, Runs},
    event::Event,
    history::Fork,
    plan::Plan,
    port::{AskId, AskReply, Locator},
    record::RunStatus,
    store::Retention,
    view::RunView,
};
use tokio::sync::Mutex;

use crate::{
    builder::Builder,
    error::{Error, ErrorKind},
    fork::{Definition, ForkRequest},
    preflight,
    request::{Parent, RunRequest},
    show::{Audience, Show},
};

/// How long runs may take to let go at the end.
const GRACE: Duration = Duration::from_secs(2);

/// Runs workflows in one project, on one host, with one store. Cheap to clone; all clones are one orchestrator.
///
/// Its futures may be dropped at any time: that gives up waiting and takes nothing back. A run that was being started,
/// or a decision on its way, may have taken effect; [`runs`](Self::runs) and [`view`](Self::view) tell.
///
/// When the last clone and the last [`Run`] are dropped, runs stop where they are, as after a crash, and every process
/// that was started is killed. [`shutdown`](Self::shutdown) is the orderly way. Whichever it was, any process can go
/// on with [`resume`](Self::resume).
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
    /// The store belongs to the state directory: no other one refers to what is there.
    keeps_all_runs: bool,
    audience: Audience,
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
        keeps_all_runs: bool,
        audience: Audience,
    ) -> Self {
        let show = Mutex::new(None);
        let inner = Inner { config, directory, engine, connector, keeps_all_runs, audience, show };
        Self { inner: Arc::new(inner) }
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
    /// [`ErrorKind::Host`](crate::ErrorKind::Host): it cannot be found, started, reached or used.
    pub async fn host(&self) -> Result<Arc<dyn OpenCode>, Error> {
        Ok(Arc::clone(self.reach().await?.host()))
    }

    /// The host that the sessions of a run are on, reached now if it was not before. It is [`host`](Self::host) but where
    /// that is started here, and an earlier process had the run on other data.
    ///
    /// # Errors
    /// As [`host`](Self::host); the run is unknown, or another process works on its data.
    pub async fn host_of(&self, run: &RunId) -> Result<Arc<dyn OpenCode>, Error> {
        Ok(Arc::clone(self.reach_for(run).await?.host()))
    }

    /// Starts a run and drives it on a task of its own. Returns once the run is durable.
    ///
    /// What can be checked without spending a token is checked first: the workflow, the task, the host, the parent
    /// session, and that the agent and the model of every step are there.
    ///
    /// # Errors
    /// What is wrong and the way out; no run was created.
    pub async fn run(&self, request: RunRequest) -> Result<Run, Error> {
        let plan = Plan::compile(self.config(), &request.workflow)?;
        self.begin(plan, request).await
    }

    /// The same by this plan.
    pub(crate) async fn begin(&self, plan: Plan, request: RunRequest) -> Result<Run, Error> {
        preflight::task(&plan, &request.task)?;
        attachment::check(&request.attachments)?;
        let connection = self.reach().await?;
        let parent = preflight::parent(connection.pool(), request.parent, &plan).await?;
        let warnings = preflight::workers(connection.pool(), &plan, &request.attachments, &[]).await?;
        let mut new = NewRun::new(plan, request.task, &self.inner.directory);
        new.warnings = warnings;
        new.policy = request.policy;
        new.budget = request.budget;
        new.parent_session = parent;
        new.asks = request.asks;
        new.attachments = request.attachments;
        new.metadata = request.metadata;
        new.sessions = self.config().store.sessions;
        let run = self.inner.engine.start(new).await?;
        self.forget_old_runs().await;
        Ok(run)
    }

    /// Starts a new run that keeps the results of another one up to a step, and drives it. The other run stays as it
    /// is, and neither needs the other from then on.
    ///
    /// Checked first is what [`run`](Self::run) checks, for the steps that are to begin.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked) while somebody drives the run,
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) when it cannot be forked there; otherwise what is wrong and
    /// the way out. No run was created.
    pub async fn fork(&self, run: &RunId, request: ForkRequest) -> Result<Run, Error> {
        let ForkRequest { from, definition, policy, budget, parent_session, asks } = request;
        let mut fork = Fork::new(from);
        if definition == Definition::Current {
            let workflow = self.view(run).await?.workflow;
            let current = Plan::compile(self.config(), workflow.as_str());
            fork.plan = Some(current.map_err(|error| {
                Error::from(error).with_help(
                    "mend it in orchestrator.json, or fork under the definition that the run began with: \
                     `--definition journaled`",
                )
            })?);
        }
        (fork.policy, fork.budget) = (policy, budget);
        (fork.parent_session, fork.asks) = (parent_session, asks);
        let forked = self.inner.engine.fork(run, fork).await?;

        preflight::task(forked.plan(), forked.task())?;
        let connection = self.reach_for(run).await?;
        if let Some(parent) = forked.parent_session() {
            let given = Parent::Given(parent.to_owned());
            preflight::parent(connection.pool(), given, forked.plan()).await?;
        }
        let reused: Vec<_> = forked.reused().collect();
        let warnings =
            preflight::workers(connection.pool(), forked.plan(), forked.attachments(), &reused).await?;
        self.inner.connector.recall_fork(forked.run(), run);
        let run = self.inner.engine.start_fork(forked.with_warnings(warnings)).await?;
        self.forget_old_runs().await;
        Ok(run)
    }

    /// Starts the workers that the configuration lists for an eager start (`workers`, unless `autoSpawn` is off), all
    /// at the same time, and returns which of them could not be made ready, and why. For programs that stay; a run
    /// starts what it needs in any case.
    ///
    /// # Errors
    /// The host cannot be reached.
    pub async fn warm_up(&self) -> Result<Vec<(ProfileId, AttemptError)>, Error> {
        let config = self.config();
        if !config.auto_spawn || config.spawn.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.reach().await?.pool().warm_up(config.spawn.iter().cloned()).await)
    }

    /// What `store.retention` no longer keeps goes when a run begins. A store that cannot forget can still run.
    async fn forget_old_runs(&self) {
        const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
        let kept = &self.config().store.retention;
        let retention = Retention {
            max_age_ms: kept.max_age_days.map(|days| u64::from(days) * DAY_MS),
            max_runs: kept.max_runs.map(|runs| usize::try_from(runs).unwrap_or(usize::MAX)),
        };
        if retention == Retention::default() {
            return;
        }
        match self.inner.engine.prune(retention).await {
            Ok(forgotten) if forgotten.is_empty() => {}
            Ok(_) => self.forget_data().await,
            Err(error) => tracing::warn!(%error, "old runs could not be forgotten"),
        }
    }

    /// The data of a server that we started goes with the last run that refers to it.
    async fn forget_data(&self) {
        // Another store may hold runs that refer to it, too.
        if !self.inner.keeps_all_runs {
            return;
        }
        if let Err(error) = self.inner.connector.forget_data(self.inner.engine.all_locators()).await {
            tracing::warn!(%error, "the data of old runs could not be forgotten");
        }
    }

    /// Takes up a run that nobody drives: after a crash, or after its process was stopped. What was in flight is
    /// looked up on the host before anything else happens. A run that is driven here already is simply handed out.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked) when another live process drives it.
    pub async fn resume(&self, run: &RunId) -> Result<Run, Error> {
        let view = self.view(run).await?;
        if view.owner.is_none() && !view.status.is_terminal() {
            self.reach_for(run).await?;
            self.recall(run).await?;
        }
        Ok(self.inner.engine.resume(run).await?)
    }
}

/// What may be asked of a run, wherever it is driven: here, by another process, or by nobody. In the last case this
/// process takes it up and drives it on.
impl Orchestrator {
    /// Answers the gate of a run. Without a gate in the request it is the one that is open. A gate whose time is over
    /// takes its default before any decision, although no process may have been there to apply it.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) when the gate was answered already, is not open, or does not
    /// allow the decision; otherwise the run is unknown, or its process does not answer.
    pub async fn decide(&self, run: &RunId, decision: DecisionRequest) -> Result<Requested, Error> {
        self.request(run, Request::Decide(decision)).await
    }

    /// Answers a permission or a question of a worker.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) when it is no longer open; otherwise as for
    /// [`decide`](Self::decide).
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
    /// The run is unknown, or its process does not answer.
    pub async fn pause(&self, run: &RunId, by: &str) -> Result<Requested, Error> {
        self.request(run, Request::Pause { by: by.to_owned() }).await
    }

    /// Stops the step at work and leaves the run at a gate.
    ///
    /// # Errors
    /// The run is unknown, or its process does not answer.
    pub async fn interrupt(&self, run: &RunId, by: &str) -> Result<Requested, Error> {
        self.request(run, Request::Interrupt { by: by.to_owned() }).await
    }

    /// Ends a run as `cancelled`, once the work in flight is confirmed to be at rest.
    ///
    /// # Errors
    /// The run is unknown, or its process does not answer.
    pub async fn cancel(&self, run: &RunId, by: &str) -> Result<Requested, Error> {
        self.request(run, Request::Cancel { by: by.to_owned() }).await
    }

    /// The run, if it is driven here now: also where a request was refused, because it had taken the run up for that. A
    /// decision that comes after the gate's time does.
    #[must_use]
    pub fn driven(&self, run: &RunId) -> Option<Run> {
        self.inner.engine.driven(run)
    }

    async fn request(&self, run: &RunId, request: Request) -> Result<Requested, Error> {
        // A run that does not exist is told about before a host is started for it.
        let view = self.view(run).await?;
        if view.owner.is_none() && !view.status.is_terminal() {
            if sets_to_work(&view, &request) {
                self.reach_for(run).await?;
            }
            self.recall(run).await?;
        }
        Ok(self.inner.engine.request(run, request).await?)
    }
}

/// What there is to see. Looking drives nothing and needs no host.
impl Orchestrator {
    /// Runs of the store, newest first; to look at one costs a reading of its journal. A run whose journal is damaged
    /// stands there with what is wrong with it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn runs(&self, which: Runs) -> Result<Vec<(RunId, Result<RunView, Error>)>, Error> {
        let views = self.inner.engine.views(which).await?;
        Ok(views.into_iter().map(|(run, view)| (run, view.map_err(Error::from))).collect())
    }

    /// A run as it stands, whoever drives it.
    ///
    /// # Errors
    /// The run is unknown, or the store cannot be read.
    pub async fn view(&self, run: &RunId) -> Result<RunView, Error> {
        Ok(self.inner.engine.view(run).await?)
    }

    /// A run as it stood after its record `seq`, and the number of its last record now. Events have the numbers of
    /// their records.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when the run is unknown or has no such record; otherwise the
    /// store cannot be read.
    pub async fn view_at(&self, run: &RunId, seq: u64) -> Result<(RunView, u64), Error> {
        Ok(self.inner.engine.view_at(run, seq).await?)
    }

    /// What a run waits for, since when, and who can move it; for every state that a run can be in. Where the run is
    /// driven here, what its workers are doing just now is known, too.
    ///
    /// # Errors
    /// The run is unknown, or the store cannot be read.
    pub async fn why(&self, run: &RunId) -> Result<Why, Error> {
        Ok(why::why(&self.view(run).await?, self.inner.engine.now()))
    }

    /// All runs of the project and the workers of those that have not ended: what waits for whom, and what it costs.
    /// Of the runs that have ended it names the newest `ended`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn dashboard(&self, ended: usize) -> Result<Dashboard, Error> {
        let (mut views, mut damaged) = (Vec::new(), Vec::new());
        for (run, view) in self.runs(Runs::All).await? {
            match view {
                Ok(view) => views.push(view),
                Err(error) => damaged.push(Damaged::new(run, error.to_string())),
            }
        }
        Ok(dashboard(&views, damaged, self.inner.engine.now(), ended))
    }

    /// The workers that the runs of the project have used, with their sessions and what they do.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn workers(&self) -> Result<Workers, Error> {
        let views: Vec<_> =
            self.runs(Runs::All).await?.into_iter().filter_map(|(_, view)| view.ok()).collect();
        Ok(workers(&views, self.inner.engine.now()))
    }

    /// What happened in a run, and what it took. [`look_up`](RunTrace::look_up) adds the transcripts of its workers'
    /// sessions from a host.
    ///
    /// # Errors
    /// The run is unknown, or the store cannot be read.
    pub async fn trace(&self, run: &RunId) -> Result<RunTrace, Error> {
        Ok(run_trace(&self.view(run).await?, &self.events(run, 0).await?))
    }

    /// Adds to a trace the transcripts on servers of workers' own. Those that do not run are started to look, and end with
    /// [`shutdown`](Self::shutdown); what cannot be read is named among the [`missing`](RunTrace::missing).
    pub async fn look_up_on_servers(&self, trace: &mut RunTrace) {
        for worker in trace.server_workers() {
            match self.server(&worker).await {
                Ok(server) => trace.look_up_on(&worker, Ok(&*server)).await,
                Err(error) => trace.look_up_on(&worker, Err(&error.to_string())).await,
            }
        }
    }

    /// The server of a worker that has one of its own, to read the sessions there; started as by
    /// [`look_up_on_servers`](Self::look_up_on_servers).
    ///
    /// # Errors
    /// [`ErrorKind::Host`](crate::ErrorKind::Host): the host cannot be reached, or the server cannot be started.
    pub async fn server(&self, worker: &ProfileId) -> Result<Arc<dyn OpenCode>, Error> {
        let server = self.reach().await?.pool().server(worker).await;
        server.map_err(|error| Error::new(ErrorKind::Host, "orch::workers::no-server", error.message))
    }

    /// The journaled events of a run from number `from` on, whoever drives it: those that
    /// [`subscribe`](Self::subscribe) gives, without live progress.
    ///
    /// # Errors
    /// The run is unknown, or the store cannot be read.
    pub async fn events(&self, run: &RunId, from: u64) -> Result<Vec<Event>, Error> {
        Ok(self.inner.engine.events(run, from.saturating_sub(1)).await?)
    }

    /// The events of all runs driven here, live progress and what workers do included, from now on. A slow reader sees a gap, and takes a
    /// snapshot with [`view`](Self::view) or catches up with [`events`](Self::events); it slows nobody.
    #[must_use]
    pub fn subscribe(&self) -> EventStream {
        self.inner.engine.subscribe()
    }
}

impl Orchestrator {
    /// The time of day, on the clock that journals have their times from.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.engine.now()
    }

    /// Stops driving, shows the last toasts, and ends every process that was started. Runs in flight stay as they
    /// are in the store and on the host, and can be continued by any process. Takes 15 s at most; other clones are
    /// shut down with this one.
    pub async fn shutdown(self) -> Shutdown {
        self.inner.engine.shutdown(GRACE).await;
        if let Some(show) = self.inner.show.lock().await.take() {
            show.finish().await;
        }
        self.inner.connector.close().await
    }

    /// The host and the pool, with somebody to show what happens there.
    pub(crate) async fn reach(&self) -> Result<Arc<Connection>, Error> {
        let connection = self.inner.connector.connection().await.map_err(|error| self.unreached(error))?;
        self.show(Some(&connection)).await;
        Ok(connection)
    }

    /// The same where the sessions of this run are.
    pub(crate) async fn reach_for(&self, run: &RunId) -> Result<Arc<Connection>, Error> {
        let connector = &self.inner.connector;
        // One that runs already is where it is, whoever had the run before.
        if !connector.has_running_host() {
            connector.recall(run, self.locators(run).await?.iter());
        }
        let connection = connector.connection_of(run).await.map_err(|error| self.unreached(error))?;
        self.show(Some(&connection)).await;
        Ok(connection)
    }

    /// Where the prompts of a run went; of a fork that has sent none, those of the run that it goes on from.
    async fn locators(&self, run: &RunId) -> Result<Vec<Locator>, Error> {
        let engine = &self.inner.engine;
        let mut locators = engine.locators(run).await?;
        let mut origin = engine.view(run).await?.forked_from;
        while let Some(from) = origin.filter(|_| locators.is_empty()) {
            origin = match engine.view(&from.run).await {
                // It is forgotten; nobody knows any more where it was.
                Err(error) if error.kind() == EngineErrorKind::Unknown => break,
                view => view?.forked_from,
            };
            locators = engine.locators(&from.run).await?;
        }
        Ok(locators)
    }

    /// What it means that there is no way to the host: after a shutdown there is none for anybody.
    fn unreached(&self, error: HostError) -> Error {
        if !self.inner.connector.is_closed() {
            return error.into();
        }
        Error::new(ErrorKind::ShutDown, "orch::workers::stopping", error.to_string())
            .with_help("any other process can continue the run")
    }

    pub(crate) fn has_running_host(&self) -> bool {
        self.inner.connector.has_running_host()
    }

    /// Begins to show what happens, where there is somebody to show it to.
    async fn show(&self, connection: Option<&Arc<Connection>>) {
        let mut show = self.inner.show.lock().await;
        let has_plugin = self.inner.connector.has_plugin();
        let Some(frontend) = self.inner.audience.frontend(connection, has_plugin) else { return };
        match &mut *show {
            Some(show) => show.turn_to(connection, frontend).await,
            None => {
                let policy = (&self.config().ui).into();
                *show = Some(Show::start(self.subscribe(), policy, frontend, connection));
            }
        }
    }

    /// Lets those who watch know what a run has been through, before it goes on here.
    async fn recall(&self, run: &RunId) -> Result<(), Error> {
        self.show(None).await;
        if let Some(show) = &*self.inner.show.lock().await {
            show.recall(self.events(run, 0).await?).await;
        }
        Ok(())
    }
}

/// Whether a request to a run that nobody drives leads to work on the host: a run can be ended without one.
fn sets_to_work(view: &RunView, request: &Request) -> bool {
    let decides = match request {
        Request::Decide(decision) => decision.answer != Answer::Decision(Decision::Abort),
        _ => false,
    };
    decides || view.status != RunStatus::Paused
}
