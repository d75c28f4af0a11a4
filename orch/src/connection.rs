//! The way to the host: made once, when the first run needs it.

use std::{collections::BTreeSet, ffi::OsString, fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_config::{Config, kind::WorkerKind};
use orch_opencode::{
    HttpOpenCode, OpenCode,
    serve::{Environment, Serve, Server, StopReport, sweep},
};
use orch_workers::{Pool, ShutdownReport, Worker};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled},
    plan::{Plan, PlanStep},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task},
};
use tokio::sync::OnceCell;

use crate::{
    builder::Builder,
    error::{Error, ErrorKind},
    host::Source,
    show::Audience,
};

/// How long processes that we started may take to end before they are killed.
const GRACE: Duration = Duration::from_secs(5);

/// Reaches the host and its workers, and is the engine's executor: a run that is only looked at needs no host.
pub(crate) struct Connector {
    config: Arc<Config>,
    directory: PathBuf,
    source: Source,
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
    pub(crate) fn new(builder: Builder, config: Arc<Config>) -> Self {
        // A variable that is no text cannot matter to a host that reads them as text.
        let environment = builder
            .environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            config,
            directory: builder.directory,
            source: builder.host.0,
            state: builder.state,
            environment,
            workers: builder.workers,
            audience: builder.audience,
            connection: OnceCell::new(),
        }
    }

    /// The connection, made now if there is none. Concurrent callers wait for the same one; a failure is not kept.
    pub(crate) async fn connection(&self) -> Result<&Connection, Error> {
        self.connection.get_or_try_init(|| self.connect()).await
    }

    /// Looks for the agents and models of a plan's workers on the host, before there is a run that would fail for want
    /// of them. Servers of workers are started when their step comes, and tell then.
    pub(crate) async fn check_workers(&self, plan: &Plan) -> Result<(), Error> {
        let on_host = |step: &&PlanStep| {
            let profile = self.config.profiles.get(&step.worker);
            step.kind != WorkerKind::Server && profile.is_some_and(|profile| profile.kind == step.kind)
        };
        let workers: BTreeSet<_> =
            plan.steps.iter().filter(on_host).map(|step| step.worker.clone()).collect();
        let mut problems = self.connection().await?.pool.warm_up(workers).await;
        problems.sort_by(|(one, _), (other, _)| one.cmp(other));
        let Some((_, first)) = problems.first() else { return Ok(()) };
        let kind = match first.code {
            ErrorCode::Model | ErrorCode::SpawnFailed => ErrorKind::Config,
            _ => ErrorKind::Host,
        };
        let told: Vec<_> = problems.iter().map(|(_, error)| error.message.as_str()).collect();
        Err(Error::new(kind, "orch::run::worker-not-ready", told.join("; "))
            .with_help("change the worker's profile in orchestrator.json; `orch profiles` lists them"))
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
            Source::Server { url, username, password } => {
                (self.client(url, username.as_deref(), password.as_deref())?, None)
            }
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

    fn client(
        &self,
        url: &str,
        username: Option<&str>,
        password: Option<&str>,
    ) -> Result<Arc<dyn OpenCode>, Error> {
        let settings = &self.config.opencode;
        let mut client = HttpOpenCode::builder(url, self.directory.to_string_lossy());
        if let Some(password) = password {
            let username = username.unwrap_or("opencode");
            client = client.credentials(username, password.to_owned().into(), &settings.password_env);
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
