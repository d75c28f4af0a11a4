//! The way to the host: made when a run first needs it, and again where a host that was launched has died.

mod connection;

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fmt, io, mem,
    path::PathBuf,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use orch_config::{Config, Trust};
use orch_opencode::{
    HostError, HostErrorKind, HttpOpenCode, OpenCode,
    serve::{Environment, Serve, Server, StopReport},
};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, RunId, Settled},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task},
    status::{HostChange, StatusBody, WorkerStatus},
};
use tokio::{sync::Mutex, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use connection::Connection;

use self::connection::{Launched, claim};
use crate::{
    claim::Claim,
    error::Error,
    host::{Credentials, Host, Source},
    leftovers::Leftovers,
    orphans,
    pool::{self, Pool},
    preflight,
    progress::waits_for,
    shutdown::ShutdownReport,
    worker::Worker,
};

/// How long processes that we started may take to end before they are killed.
const GRACE: Duration = Duration::from_secs(5);

/// Reaches a host and the workers on it when they are first needed, and is the engine's executor until then and after:
/// a run that is only looked at needs no host.
///
/// A host that is launched works on a data directory that no other process uses meanwhile, and every locator says on
/// which; a run of an earlier process goes on where its sessions are ([`recall`](Self::recall)). One that has died is
/// launched again when it is next needed.
///
/// Dropping it kills every process that it started; [`close`](Self::close) is the orderly way.
pub struct Connector {
    config: Arc<Config>,
    directory: PathBuf,
    source: Source,
    plugin: bool,
    credentials: Option<Credentials>,
    state: Option<PathBuf>,
    environment: Vec<(String, String)>,
    workers: Vec<Arc<dyn Worker>>,
    observer: Arc<dyn Fn(StatusBody) + Send + Sync>,
    /// The first is the one for new runs.
    connections: Mutex<Vec<Arc<Connection>>>,
    /// On which data runs of earlier processes have their sessions.
    runs: std::sync::Mutex<HashMap<RunId, String>>,
    closing: CancellationToken,
}

/// How everything that was started ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Shutdown {
    /// The servers of workers.
    pub workers: ShutdownReport,
    /// The host, if it was started here.
    pub host: Option<StopReport>,
    /// Further hosts that were started here, for runs that an earlier process had begun on other data.
    pub other_hosts: Vec<StopReport>,
}

impl Connector {
    /// The way to this host, for the project in this directory. Contacts and starts nothing.
    ///
    /// # Errors
    /// Credentials were given for a host that takes none.
    pub fn new(config: Arc<Config>, directory: impl Into<PathBuf>, host: Host) -> Result<Self, Error> {
        Ok(Self {
            config,
            directory: directory.into(),
            credentials: host.credentials()?,
            source: host.source,
            plugin: host.plugin,
            state: None,
            environment: Vec::new(),
            workers: Vec::new(),
            observer: Arc::new(|_| ()),
            connections: Mutex::default(),
            runs: std::sync::Mutex::default(),
            closing: CancellationToken::new(),
        })
    }

    /// Where started servers keep their data, and where it is recorded that they run, so that those of a killed process
    /// are found and ended. Without it a launched host works on the user's own data and leaves no record, and `server`
    /// workers are refused.
    #[must_use]
    pub fn state_dir(mut self, directory: Option<PathBuf>) -> Self {
        self.state = directory;
        self
    }

    /// The variables that started servers inherit, and in which programs are looked up.
    #[must_use]
    pub fn environment(mut self, variables: Vec<(String, String)>) -> Self {
        self.environment = variables;
        self
    }

    /// Workers of your own, each for the profile that it names.
    #[must_use]
    pub fn workers(mut self, workers: Vec<Arc<dyn Worker>>) -> Self {
        self.workers = workers;
        self
    }

    /// Hears what the workers do, and a host that is started here. Called on the runtime's threads; it must not block.
    #[must_use]
    pub fn on_status(mut self, observer: impl Fn(StatusBody) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Whether the host runs already, so that people may look at it; else it is started for us.
    #[must_use]
    pub fn has_running_host(&self) -> bool {
        !matches!(self.source, Source::Launch { .. })
    }

    /// Whether the plugin of `orch install` runs in the host, as its [`Host`] says.
    #[must_use]
    pub fn has_plugin(&self) -> bool {
        self.plugin
    }

    /// The connection for new runs, made now if there is none, and made anew if its host was launched and has ended.
    /// Concurrent callers wait for the same one; a failure is not kept. Cancel safe: a server that was being started is
    /// ended.
    ///
    /// # Errors
    /// The host cannot be found, started, reached or used, or the connector is closed.
    pub async fn connection(&self) -> Result<Arc<Connection>, HostError> {
        self.open(None).await
    }

    /// The same for this run: where its sessions are, if they were [recalled](Self::recall).
    ///
    /// # Errors
    /// As [`connection`](Self::connection), and when another process works on the data that the run's sessions are in.
    pub async fn connection_of(&self, run: &RunId) -> Result<Arc<Connection>, HostError> {
        let data = self.runs().get(run).cloned();
        self.open(data.as_deref()).await
    }

    /// Takes note of where an earlier process had the work of a run, by its journaled locators, oldest first.
    pub fn recall<'a>(&self, run: &RunId, locators: impl DoubleEndedIterator<Item = &'a Locator>) {
        if let Some(data) = locators.rev().find_map(pool::data_of) {
            self.runs().insert(run.clone(), data.to_owned());
        }
    }

    /// Takes note that a run which begins goes on where the sessions of another one are, as far as that was
    /// [recalled](Self::recall).
    pub fn recall_fork(&self, fork: &RunId, from: &RunId) {
        let mut runs = self.runs();
        if let Some(data) = runs.get(from).cloned() {
            runs.insert(fork.clone(), data);
        }
    }

    /// Removes the data of started servers that nobody works on and no run refers to any more. `named` gives the locators
    /// of all runs that there are; it is awaited once nobody else can begin to work on that data. Where something fails
    /// the data stays, which is traced.
    ///
    /// # Errors
    /// That of `named`; nothing was removed.
    pub async fn forget_data<E>(
        &self,
        named: impl Future<Output = Result<Vec<Locator>, E>>,
    ) -> Result<(), E> {
        let Some(state) = &self.state else { return Ok(()) };
        let failed = |error: io::Error| tracing::warn!(%error, "data of earlier runs could not be removed");
        let leftovers = match Leftovers::of(state) {
            Ok(leftovers) if leftovers.is_empty() => return Ok(()),
            Ok(leftovers) => leftovers,
            Err(error) => {
                failed(error);
                return Ok(());
            }
        };
        let named = named.await?;
        let removed = tokio::task::spawn_blocking(move || leftovers.remove_all_but(&named)).await;
        removed.map_err(io::Error::from).flatten().unwrap_or_else(failed);
        Ok(())
    }

    /// Ends what was started. Nothing happens without a connection, and there is none any more afterwards.
    pub async fn close(&self) -> Shutdown {
        self.closing.cancel();
        // With them goes the right to the data that their hosts have worked on.
        let connections = mem::take(&mut *self.connections.lock().await);
        let mut shutdown = Shutdown::default();
        for connection in connections.iter() {
            shutdown.workers.merge(connection.pool.shutdown(GRACE).await);
        }
        let mut ending = JoinSet::new();
        for (place, connection) in connections.into_iter().enumerate() {
            ending.spawn(async move { (place, connection.end(GRACE).await) });
        }
        let mut ended = ending.join_all().await;
        ended.sort_by_key(|(place, _)| *place);
        let mut reports = ended.into_iter().filter_map(|(_, report)| report);
        (shutdown.host, shutdown.other_hosts) = (reports.next(), reports.collect());
        if shutdown.host.is_some() {
            tell(&*self.observer, HostChange::new(WorkerStatus::Stopped));
        }
        shutdown
    }

    /// Whether it is closed, and leads to no host any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// The connection on this data, or the first one. There is but one to a host that is not launched on data of ours.
    async fn open(&self, data: Option<&str>) -> Result<Arc<Connection>, HostError> {
        let data = data.filter(|_| self.state.is_some() && !self.has_running_host());
        let mut connections = self.connections.lock().await;
        if self.is_closed() {
            return Err(closed());
        }
        let known = connections.iter().position(|known| data.is_none() || known.data() == data);
        if let Some(known) = known.map(|at| &connections[at])
            && !known.has_ended().await
        {
            return Ok(Arc::clone(known));
        }
        let dead = known.map(|at| &connections[at]);
        let opened = tokio::select! {
            opened = self.connect(data, dead, connections.first()) => Arc::new(opened?),
            () = self.closing.cancelled() => return Err(closed()),
        };
        match known {
            Some(at) => connections[at] = Arc::clone(&opened),
            None => connections.push(Arc::clone(&opened)),
        }
        Ok(opened)
    }

    /// A connection on this data or on data that is free, in place of one whose host has ended, beside another one.
    async fn connect(
        &self,
        data: Option<&str>,
        dead: Option<&Arc<Connection>>,
        other: Option<&Arc<Connection>>,
    ) -> Result<Connection, HostError> {
        let (host, launched) = match &self.source {
            Source::Client(client) => (Arc::clone(client), None),
            Source::Server { url } => (self.client(url)?, None),
            Source::Launch { command } => {
                let claim = match (dead, &self.state) {
                    (Some(dead), _) => dead.claim().await,
                    (None, Some(state)) => Some(Arc::new(claim(state, data).await?)),
                    (None, None) => None,
                };
                let server = self.launch(command, claim.as_deref()).await.inspect_err(|error| {
                    // One that was never started is told by the error alone.
                    if error.kind() == HostErrorKind::NotReady {
                        let failed = HostChange::new(WorkerStatus::Failed);
                        tell(&*self.observer, failed.with_note(error.to_string()));
                    }
                })?;
                tell(&*self.observer, HostChange::new(WorkerStatus::Ready));
                let host: Arc<dyn OpenCode> = Arc::new(server.client());
                (host, Some(Launched { server, claim }))
            }
        };
        host.health().await?;
        let pool = match other {
            Some(other) => other.pool.beside(Arc::clone(&host)),
            None => self.pool(&host, launched.is_some()),
        };
        Ok(Connection { host, pool, launched })
    }

    fn pool(&self, host: &Arc<dyn OpenCode>, is_launched: bool) -> Pool {
        let mut pool = Pool::builder(Arc::clone(&self.config), Arc::clone(host))
            .environment(self.environment.iter().cloned())
            .on_worker({
                let observer = Arc::clone(&self.observer);
                move |event| observer(StatusBody::Worker(event))
            })
            .guarded_host(self.plugin || is_launched)
            .create_parent(true);
        if let Some(state) = &self.state {
            pool = pool.state_dir(orphans::workers(state)).server_command(self.server_command());
        }
        for worker in &self.workers {
            pool = pool.register(Arc::clone(worker));
        }
        pool.build()
    }

    fn client(&self, url: &str) -> Result<Arc<dyn OpenCode>, HostError> {
        let mut client = HttpOpenCode::builder(url, self.directory.to_string_lossy());
        if let Some(Credentials { username, password }) = &self.credentials {
            client =
                client.credentials(username, password.clone().into(), &self.config.opencode.password_env);
        }
        Ok(Arc::new(client.build()?))
    }

    /// A host of our own, with the user's configuration and a data directory that was claimed for it.
    async fn launch(&self, command: &[OsString], data: Option<&Claim>) -> Result<Server, HostError> {
        let environment = Environment::inherit(self.environment.iter().cloned());
        let mut serve = Serve::new(command, &self.directory, environment)
            .on_progress({
                let (observer, trust) = (Arc::clone(&self.observer), self.config.trust);
                move |progress| {
                    let starting = HostChange::new(WorkerStatus::Starting).with_note(waits_for(progress));
                    tell(&*observer, starting.with_warning(preflight::leaves_out(trust, progress)));
                }
            })
            .startup_timeout(Duration::from_millis(self.config.startup_timeout_ms))
            .trusted(self.config.trust == Trust::Trusted);
        if let (Some(state), Some(data)) = (&self.state, data) {
            let records = orphans::records_of_hosts(state);
            // What an owner that was killed left behind is ended before anything is started on its data.
            orphans::sweep(vec![records.clone()]).await;
            serve = serve.data_dir(data.path()).records(records);
        }
        serve.start().await
    }

    /// The program that server workers run: the one that the host was launched with, else the configured one.
    fn server_command(&self) -> Vec<String> {
        let launched = match &self.source {
            Source::Launch { command } => {
                command.iter().map(|word| word.clone().into_string()).collect::<Result<Vec<_>, _>>().ok()
            }
            _ => None,
        };
        launched
            .or_else(|| self.config.opencode.command.clone())
            .unwrap_or_else(|| vec!["opencode".to_owned()])
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, String>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whoever watches that the host changed.
fn tell(observer: &(dyn Fn(StatusBody) + Send + Sync), change: HostChange) {
    tracing::debug!(status = ?change.status, note = change.note, "host");
    if let Some(warning) = &change.warning {
        tracing::warn!("the host: {}", warning.message);
    }
    observer(StatusBody::Host(change));
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The engine's executor: the pool, once there is a connection.
#[async_trait]
impl StepExecutor for Connector {
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        let connection = self.connection_of(&dispatch.id.run).await.map_err(|error| unreached(&error))?;
        let mut placement = connection.pool.place(dispatch).await?;
        if let Some(data) = connection.data() {
            placement.locator = pool::on_data(placement.locator, data);
        }
        Ok(placement)
    }

    async fn send(&self, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let pool = self.pool_of(locator).await.map_err(SendError::Refused)?;
        pool.send(locator, dispatch).await
    }

    async fn probe(&self, locator: &Locator, dispatch: &Dispatch) -> Probe {
        match self.pool_of(locator).await {
            Ok(pool) => pool.probe(locator, dispatch).await,
            Err(error) => Probe::Unknown(error.message),
        }
    }

    async fn abort(&self, locator: &Locator) -> Result<(), AttemptError> {
        self.pool_of(locator).await?.abort(locator).await
    }

    async fn latest_answer(&self, locator: &Locator) -> Result<Settled, AttemptError> {
        self.pool_of(locator).await?.latest_answer(locator).await
    }

    async fn answer(&self, locator: &Locator, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError> {
        self.pool_of(locator).await?.answer(locator, ask, reply).await
    }

    async fn delete_sessions(&self, run: &RunId, placed: &[Locator], in_use: &[Locator]) {
        let mut by_data: BTreeMap<Option<&str>, Vec<Locator>> = BTreeMap::new();
        for locator in placed {
            by_data.entry(pool::data_of(locator)).or_default().push(locator.clone());
        }
        for placed in by_data.into_values() {
            match self.pool_of(&placed[0]).await {
                Ok(pool) => pool.delete_sessions(run, &placed, in_use).await,
                Err(error) => tracing::warn!(%run, %error, "sessions of the run were left behind"),
            }
        }
    }
}

impl Connector {
    /// The workers where this locator is.
    async fn pool_of(&self, locator: &Locator) -> Result<Pool, AttemptError> {
        let opened = self.open(pool::data_of(locator)).await;
        opened.map(|connection| connection.pool.clone()).map_err(|error| unreached(&error))
    }
}

fn unreached(error: &HostError) -> AttemptError {
    AttemptError::new(ErrorCode::Unreachable, error.to_string())
}

fn closed() -> HostError {
    HostError::new(HostErrorKind::Spawn, "reach the host", "", "everything is being shut down")
}
