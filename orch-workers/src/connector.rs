//! The way to the host: made once, when the first run needs it.

use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_config::{Config, Trust};
use orch_opencode::{
    HostError, HttpOpenCode, OpenCode,
    serve::{Environment, Serve, Server, StopReport, sweep},
};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task},
    status::{HostChange, StatusBody, WorkerStatus},
};
use tokio::sync::OnceCell;

use crate::{
    error::Error,
    host::{Credentials, Host, Source},
    pool::Pool,
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
    connection: OnceCell<Connection>,
}

/// A host that answers, and the workers on it.
#[derive(Debug)]
pub struct Connection {
    host: Arc<dyn OpenCode>,
    pool: Pool,
    server: Option<Server>,
}

impl Connection {
    /// The host.
    #[must_use]
    pub fn host(&self) -> &Arc<dyn OpenCode> {
        &self.host
    }

    /// The workers.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

/// How everything that was started ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Shutdown {
    /// The servers of workers.
    pub workers: ShutdownReport,
    /// The host, if it was started here.
    pub host: Option<StopReport>,
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
            connection: OnceCell::new(),
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

    /// The connection, made now if there is none. Concurrent callers wait for the same one; a failure is not kept.
    /// Cancel safe: a server that was being started is ended.
    ///
    /// # Errors
    /// The host cannot be found, started, reached or used.
    pub async fn connection(&self) -> Result<&Connection, HostError> {
        self.connection.get_or_try_init(|| self.connect()).await
    }

    /// Ends what was started. Nothing happens without a connection.
    pub async fn close(&self) -> Shutdown {
        let Some(connection) = self.connection.get() else { return Shutdown::default() };
        let workers = connection.pool.shutdown(GRACE).await;
        let host = match &connection.server {
            Some(server) => Some(server.stop(GRACE).await),
            None => None,
        };
        if host.is_some() {
            self.tell(HostChange::new(WorkerStatus::Stopped));
        }
        Shutdown { workers, host }
    }

    async fn connect(&self) -> Result<Connection, HostError> {
        let (host, server) = match &self.source {
            Source::Client(client) => (Arc::clone(client), None),
            Source::Server { url } => (self.client(url)?, None),
            Source::Launch { command } => {
                let server = self.launch(command).await.inspect_err(|error| {
                    self.tell(HostChange::new(WorkerStatus::Failed).with_note(error.to_string()));
                })?;
                self.tell(HostChange::new(WorkerStatus::Ready));
                (Arc::new(server.client()) as Arc<dyn OpenCode>, Some(server))
            }
        };
        host.health().await?;
        let mut pool = Pool::builder(Arc::clone(&self.config), Arc::clone(&host))
            .environment(self.environment.iter().cloned())
            .on_worker({
                let observer = Arc::clone(&self.observer);
                move |event| observer(StatusBody::Worker(event))
            })
            .guarded_host(self.plugin || (server.is_some() && self.state.is_some()))
            .create_parent(true);
        if let Some(state) = &self.state {
            pool = pool.state_dir(state.join("workers")).server_command(self.server_command());
        }
        for worker in &self.workers {
            pool = pool.register(Arc::clone(worker));
        }
        Ok(Connection { host, pool: pool.build(), server })
    }

    fn client(&self, url: &str) -> Result<Arc<dyn OpenCode>, HostError> {
        let mut client = HttpOpenCode::builder(url, self.directory.to_string_lossy());
        if let Some(Credentials { username, password }) = &self.credentials {
            client =
                client.credentials(username, password.clone().into(), &self.config.opencode.password_env);
        }
        Ok(Arc::new(client.build()?))
    }

    /// A host of our own, with the user's configuration and a data directory for this project.
    async fn launch(&self, command: &[OsString]) -> Result<Server, HostError> {
        let starting = HostChange::new(WorkerStatus::Starting);
        self.tell(starting.clone().with_warning(preflight::not_trusted(self.config.trust)));
        let environment = Environment::inherit(self.environment.iter().cloned());
        let mut serve = Serve::new(command, &self.directory, environment)
            .on_progress({
                let observer = Arc::clone(&self.observer);
                move |progress| {
                    observer(StatusBody::Host(starting.clone().with_note(waits_for(progress))));
                }
            })
            .startup_timeout(Duration::from_millis(self.config.startup_timeout_ms))
            .trusted(self.config.trust == Trust::Trusted);
        if let Some(state) = &self.state {
            let records = state.join("processes");
            // What an owner that was killed left behind is ended before anything is started on its data.
            if let Err(error) = sweep(&records) {
                tracing::warn!(%error, directory = %records.display(), "cannot look for orphaned servers");
            }
            serve = serve.data_dir(state.join("host")).records(records);
        }
        serve.start().await
    }

    fn tell(&self, change: HostChange) {
        tracing::debug!(status = ?change.status, note = change.note, "host");
        if let Some(warning) = &change.warning {
            tracing::warn!("the host: {}", warning.message);
        }
        (self.observer)(StatusBody::Host(change));
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
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("directory", &self.directory)
            .field("connected", &self.connection.initialized())
            .finish_non_exhaustive()
    }
}

/// The engine's executor: the pool, once there is a connection.
#[async_trait]
impl StepExecutor for Connector {
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        self.pool().await?.place(dispatch).await
    }

    async fn send(&self, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let pool = self.pool().await.map_err(SendError::Refused)?;
        pool.send(locator, dispatch).await
    }

    async fn probe(&self, locator: &Locator, dispatch: &Dispatch) -> Probe {
        match self.pool().await {
            Ok(pool) => pool.probe(locator, dispatch).await,
            Err(error) => Probe::Unknown(error.message),
        }
    }

    async fn abort(&self, locator: &Locator) -> Result<(), AttemptError> {
        self.pool().await?.abort(locator).await
    }

    async fn latest_answer(&self, locator: &Locator) -> Result<Settled, AttemptError> {
        self.pool().await?.latest_answer(locator).await
    }

    async fn answer(&self, locator: &Locator, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError> {
        self.pool().await?.answer(locator, ask, reply).await
    }
}

impl Connector {
    async fn pool(&self) -> Result<&Pool, AttemptError> {
        match self.connection().await {
            Ok(connection) => Ok(&connection.pool),
            Err(error) => Err(AttemptError::new(ErrorCode::Unreachable, error.to_string())),
        }
    }
}
