//! What a pool is made of.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicU16},
    time::Duration,
};

use orch_config::{Config, id::ProfileId};
use orch_opencode::{
    OpenCode,
    serve::{Environment, Versions},
    tracker::Patience,
};
use tokio_util::sync::CancellationToken;

use super::{Common, Inner, Pool, lock};
use crate::{
    route::HostCapabilities,
    supervise::Supervisor,
    worker::{Context, Worker, WorkerEvent},
};

/// Collects what a [`Pool`] needs. Nothing here reads the environment or the file system.
pub struct PoolBuilder {
    config: Arc<Config>,
    host: Arc<dyn OpenCode>,
    command: Option<Vec<OsString>>,
    state_dir: Option<PathBuf>,
    environment: Vec<(String, String)>,
    create_parent: bool,
    guarded: bool,
    patience: Patience,
    registered: HashMap<ProfileId, Arc<dyn Worker>>,
    observer: Arc<dyn Fn(WorkerEvent) + Send + Sync>,
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("host", &self.host)
            .field("command", &self.command)
            .field("state_dir", &self.state_dir)
            .field("registered", &self.registered.keys())
            .finish_non_exhaustive()
    }
}

impl PoolBuilder {
    pub(super) fn new(config: Arc<Config>, host: Arc<dyn OpenCode>) -> Self {
        Self {
            config,
            host,
            command: None,
            state_dir: None,
            environment: Vec::new(),
            create_parent: false,
            guarded: false,
            patience: Patience::default(),
            registered: HashMap::new(),
            observer: Arc::new(|_| ()),
        }
    }

    /// The program, and its first arguments, that server workers run; without it or without a state directory a
    /// server worker is refused.
    #[must_use]
    pub fn server_command(mut self, command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.command = Some(command.into_iter().map(Into::into).collect());
        self
    }

    /// Where servers of ours keep their data and where it is recorded which of them run. Created when needed.
    #[must_use]
    pub fn state_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(directory.into());
        self
    }

    /// The environment that server workers start from, usually this process's own. Passwords of other servers and
    /// variables of ours are taken out of it; nothing is inherited beyond it.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = variables.into_iter().collect();
        self
    }

    /// Whether a subagent step of a run without a parent session gets one created; no unless said.
    #[must_use]
    pub fn create_parent(mut self, create: bool) -> Self {
        self.create_parent = create;
        self
    }

    /// Whether our plugin runs in the given host, as it does in those that orch starts: then a profile's temperature
    /// applies there, too. No unless said.
    #[must_use]
    pub fn guarded_host(mut self, guarded: bool) -> Self {
        self.guarded = guarded;
        self
    }

    /// Other limits for waiting on hosts.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// A worker of the embedding program. It does the steps that name its id, whatever the configuration says.
    #[must_use]
    pub fn register(mut self, worker: Arc<dyn Worker>) -> Self {
        self.registered.insert(worker.id().clone(), worker);
        self
    }

    /// Hears of every change of a worker's status. Called on the runtime's threads; it must not block.
    #[must_use]
    pub fn on_worker(mut self, observer: impl Fn(WorkerEvent) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// The pool. Starts nothing yet.
    #[must_use]
    pub fn build(self) -> Pool {
        let supervisor = self.state_dir.zip(self.command).map(|(state_dir, command)| {
            Arc::new(Supervisor {
                command,
                state_dir,
                environment: Environment::inherit(self.environment),
                directory: self.host.directory().to_owned(),
                trust: self.config.trust,
                base_port: self.config.base_port,
                startup: Duration::from_millis(self.config.startup_timeout_ms),
                health_every: Duration::from_millis(self.config.health_check_interval_ms),
                started: AtomicU16::new(0),
                versions: Versions::default(),
                homes: Mutex::default(),
            })
        });
        let mut can = HostCapabilities::bare();
        can.servers = supervisor.is_some();
        can.create_parent = self.create_parent;
        let stop = CancellationToken::new();
        let seen: Arc<Mutex<BTreeMap<_, WorkerEvent>>> = Arc::default();
        let observer = {
            let (seen, observer) = (Arc::clone(&seen), self.observer);
            move |event: WorkerEvent| {
                lock(&seen).insert((event.worker.clone(), event.kind), event.clone());
                observer(event);
            }
        };
        let common = Common {
            config: self.config,
            supervisor,
            can,
            guarded: self.guarded,
            patience: self.patience,
            registered: self.registered,
            servers: Mutex::default(),
            cx: Context::new(stop.clone(), Arc::new(observer)),
            stop,
            seen,
        };
        Pool { inner: Arc::new(Inner::new(Arc::new(common), self.host)) }
    }
}
