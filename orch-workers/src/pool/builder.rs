//! What a pool is made of.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex},
};

use orch_config::{Config, id::ProfileId};
use orch_opencode::{OpenCode, tracker::Patience};
use tokio_util::sync::CancellationToken;

use super::{Inner, Parents, Pool, lock};
use crate::{
    route::HostCapabilities,
    worker::{Context, Worker, WorkerEvent},
};

/// Collects what a [`Pool`] needs. Nothing here reads the environment or the file system.
pub struct PoolBuilder {
    config: Arc<Config>,
    host: Arc<dyn OpenCode>,
    create_parent: bool,
    patience: Patience,
    registered: HashMap<ProfileId, Arc<dyn Worker>>,
    observer: Arc<dyn Fn(WorkerEvent) + Send + Sync>,
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("host", &self.host)
            .field("registered", &self.registered.keys())
            .finish_non_exhaustive()
    }
}

impl PoolBuilder {
    pub(super) fn new(config: Arc<Config>, host: Arc<dyn OpenCode>) -> Self {
        Self {
            config,
            host,
            create_parent: false,
            patience: Patience::default(),
            registered: HashMap::new(),
            observer: Arc::new(|_| ()),
        }
    }

    /// Whether a subagent step of a run without a parent session gets one created; no unless said.
    #[must_use]
    pub fn create_parent(mut self, create: bool) -> Self {
        self.create_parent = create;
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
        let mut can = HostCapabilities::bare();
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
        let inner = Inner {
            config: self.config,
            host: self.host,
            can,
            patience: self.patience,
            registered: self.registered,
            workers: Mutex::default(),
            parents: Parents::default(),
            cx: Context::new(stop.clone(), Arc::new(observer)),
            stop,
            seen,
        };
        Pool { inner: Arc::new(inner) }
    }
}
