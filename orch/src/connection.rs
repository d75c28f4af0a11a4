//! The way to the host: made once, when the first run needs it.

use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_config::Config;
use orch_opencode::{
    HttpOpenCode, OpenCode,
    serve::{Environment, Serve, Server, StopReport, sweep},
};
use orch_workers::{Pool, ShutdownReport, Worker};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task},
};
use tokio::sync::OnceCell;

use crate::{
    builder::Builder,
    error::Error,
    host::{Credentials, Source},
    show::Audience,
};

/// How long processes that we started may take to end before they are killed.
const GRACE: Duration = Duration::from_secs(5);

/// Reaches the host and its workers, and is the engine's executor: a run that is only looked at needs no host.
pub(crate) struct Connector {
    config: Arc<Config>,
    directory: PathBuf,
    source: Source,
    credentials: Option<Credentials>,
    state: Option<PathBuf>,
    environment: Vec<(String, String)>,
    workers: Vec<Arc<dyn Worker>>,
    audience: Audience,
    connection: OnceCell<Connection>,
}

pub(crate) struct Connection {
    pub(crate) host: Arc<dyn OpenCode>,
    pub(crate) pool: Pool,
    server: Option<Server>,
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
    pub(crate) fn new(
        builder: Builder,
        config: Arc<Config>,
        source: Source,
        credentials: Option<Credentials>,
    ) -> Self {
        Self {
            config,
            directory: builder.directory,
            source,
            credentials,
            state: builder.state,
            environment: builder.environment,
            workers: builder.workers,
            audience: builder.audience,
            connection: OnceCell::new(),
        }
    }

    /// The connection, made now if there is none. Concurrent callers wait for the same one; a failure is not kept.
    pub(crate) async fn connection(&self) -> Result<&Connection, Error> {
        self.connection.get_or_try_init(|| self.connect()).await
    }

    pub(crate) fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Ends what was started. Nothing happens without a connection.
    pub(crate) async fn close(&self) -> Shutdown {
        let Some(connection) = self.connection.get() else { return Shutdown::default() };
        let workers = connection.pool.shutdown(GRACE).await;
        let host = match &connection.server {
            Some(server) => Some(server.stop(GRACE).await),
            None => None,
        };
        Shutdown { workers, host }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let (host, server) = match &self.source {
            Source::Client(client) => (Arc::clone(client), None),
            Source::Server { url } => (self.client(url)?, None),
            Source::Launch { command } => {
                let server = self.launch(command).await?;
                (Arc::new(server.client()) as Arc<dyn OpenCode>, Some(server))
            }
        };
        host.health().await?;
        let mut pool = Pool::builder(Arc::clone(&self.config), Arc::clone(&host))
            .environment(self.environment.iter().cloned())
            .create_parent(true);
        if let Some(state) = &self.state {
            pool = pool.state_dir(state.join("workers")).server_command(self.server_command());
        }
        for worker in &self.workers {
            pool = pool.register(Arc::clone(worker));
        }
        Ok(Connection { host, pool: pool.build(), server })
    }

    fn client(&self, url: &str) -> Result<Arc<dyn OpenCode>, Error> {
        let mut client = HttpOpenCode::builder(url, self.directory.to_string_lossy());
        if let Some(Credentials { username, password }) = &self.credentials {
            client =
                client.credentials(username, password.clone().into(), &self.config.opencode.password_env);
        }
        Ok(Arc::new(client.build()?))
    }

    /// A host of our own, with the user's configuration and a data directory for this project.
    async fn launch(&self, command: &[OsString]) -> Result<Server, Error> {
        let environment = Environment::inherit(self.environment.iter().cloned());
        let mut serve = Serve::new(command, &self.directory, environment)
            .startup_timeout(Duration::from_millis(self.config.startup_timeout_ms));
        if let Some(state) = &self.state {
            let records = state.join("processes");
            // What an owner that was killed left behind is ended before anything is started on its data.
            if let Err(error) = sweep(&records) {
                tracing::warn!(%error, directory = %records.display(), "cannot look for orphaned servers");
            }
            serve = serve.data_dir(state.join("host")).records(records);
        }
        Ok(serve.start().await?)
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
