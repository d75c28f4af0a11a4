//! Every worker of one program on one host, and the port through which the engine reaches them.

mod ask;
mod builder;
mod check;
mod cleanup;
mod envelope;
mod parent;
mod server;

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use orch_config::{Config, id::ProfileId, kind::WorkerKind};
use orch_opencode::{OpenCode, tracker::Patience};
use orch_workflow::{
    attempt::{AttemptError, RunId, Settled},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use ask::Conversation;
pub use builder::PoolBuilder;
pub use check::Need;
pub(crate) use envelope::{Envelope, data_of, on_data};

use self::parent::Parents;
use crate::{
    backend::OpenCodeWorker,
    error::{Error, ErrorKind},
    preflight::SharedOffer,
    route::{HostCapabilities, Route, route},
    shutdown::ShutdownReport,
    supervise::Supervisor,
    verdict,
    worker::{Context, Worker, WorkerEvent, WorkerStatus},
};

/// Workers by profile and kind, made when they are first needed.
///
/// Cheap to clone; all clones are one pool. Dropping the last one kills the servers that it started; prefer
/// [`shutdown`](Self::shutdown), which lets them end well and says how they did.
#[derive(Debug, Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

type Key = (ProfileId, WorkerKind);

/// What depends on the given host.
#[derive(Debug)]
struct Inner {
    common: Arc<Common>,
    host: Arc<dyn OpenCode>,
    /// What the given host offers, once somebody has asked it.
    offer: SharedOffer,
    /// Those that work on the given host.
    workers: Mutex<HashMap<Key, OpenCodeWorker>>,
    parents: Parents,
}

/// What does not.
#[derive(Debug)]
struct Common {
    config: Arc<Config>,
    supervisor: Option<Arc<Supervisor>>,
    can: HostCapabilities,
    guarded: bool,
    patience: Patience,
    registered: HashMap<ProfileId, Arc<dyn Worker>>,
    /// Those with servers of their own.
    servers: Mutex<HashMap<ProfileId, OpenCodeWorker>>,
    cx: Context,
    stop: CancellationToken,
    /// The latest status of every worker.
    seen: Arc<Mutex<BTreeMap<Key, WorkerEvent>>>,
}

impl Pool {
    /// A pool for these profiles on this host.
    pub fn builder(config: Arc<Config>, host: Arc<dyn OpenCode>) -> PoolBuilder {
        PoolBuilder::new(config, host)
    }

    /// The same pool on another host: workers with servers of their own are the same there, and all end together.
    pub(crate) fn beside(&self, host: Arc<dyn OpenCode>) -> Self {
        Self { inner: Arc::new(Inner::new(Arc::clone(&self.inner.common), host)) }
    }

    /// What each worker was last seen doing, by profile and kind. Workers that were never needed are absent.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerEvent> {
        lock(&self.inner.common.seen).values().cloned().collect()
    }

    /// The worker of a profile as this kind, made when there is none yet; a registered one is what it is.
    ///
    /// # Errors
    /// No such worker, no way to start a server, or a pool that is shutting down.
    pub fn worker(&self, id: &ProfileId, kind: WorkerKind) -> Result<Arc<dyn Worker>, Error> {
        self.inner.worker(id, kind)
    }

    /// Makes these workers ready, all at the same time. Returns what kept which of them from it.
    pub async fn warm_up(
        &self,
        workers: impl IntoIterator<Item = ProfileId>,
    ) -> Vec<(ProfileId, AttemptError)> {
        let mut starting = JoinSet::new();
        for id in workers {
            let pool = self.clone();
            starting.spawn(async move {
                let ready = match pool.inner.by_profile(&id) {
                    Ok(worker) => worker.ready(&pool.inner.common.cx).await,
                    Err(error) => Err(error.into()),
                };
                ready.err().map(|error| (id, error))
            });
        }
        starting.join_all().await.into_iter().flatten().collect()
    }

    /// Ends every server that the pool started, all at the same time, within `grace` plus a second. Sessions on the
    /// given host stay as they are. A pool that was shut down refuses further work.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        let common = &self.inner.common;
        common.stop.cancel();
        let servers = mem::take(&mut *lock(&common.servers)).into_iter();
        let own = servers.map(|(id, worker)| ((id, WorkerKind::Server), worker));
        let (own, workers): (Vec<_>, Vec<_>) = own.chain(lock(&self.inner.workers).drain()).unzip();
        let registered = common.registered.values().cloned();
        let mut ending = JoinSet::new();
        let workers = workers.into_iter().map(|worker| Arc::new(worker) as Arc<dyn Worker>);
        for worker in workers.chain(registered) {
            ending.spawn(async move { worker.shutdown(grace).await });
        }
        let mut report = ShutdownReport::default();
        while let Some(ended) = ending.join_next().await {
            match ended {
                Ok(ended) => report.merge(ended),
                Err(error) => {
                    report.problems.push(format!("a worker broke down while it was ended: {error}"))
                }
            }
        }
        // One that was made and never needed has nothing to stop.
        for (id, kind) in own.into_iter().filter(|key| lock(&common.seen).contains_key(key)) {
            common.cx.report(WorkerEvent::new(id, kind, WorkerStatus::Stopped));
        }
        report
    }
}

impl Drop for Common {
    /// Whatever still refers to a worker: no process outlives its pool.
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(supervisor) = &self.supervisor {
            supervisor.kill();
        }
    }
}

impl Inner {
    fn new(common: Arc<Common>, host: Arc<dyn OpenCode>) -> Self {
        let (workers, parents) = (Mutex::default(), Parents::default());
        Self { common, host, offer: SharedOffer::default(), workers, parents }
    }

    fn by_profile(&self, id: &ProfileId) -> Result<Arc<dyn Worker>, Error> {
        let kind = match (self.common.registered.get(id), self.common.config.profiles.get(id)) {
            (Some(worker), _) => return Ok(Arc::clone(worker)),
            (None, Some(profile)) => profile.kind,
            (None, None) => return Err(self.unknown(id)),
        };
        self.worker(id, kind)
    }

    /// The worker of a profile and kind, made when there is none yet. Registered ones come before profiles.
    fn worker(&self, id: &ProfileId, kind: WorkerKind) -> Result<Arc<dyn Worker>, Error> {
        match self.common.registered.get(id) {
            Some(_) if self.common.stop.is_cancelled() => Err(stopping(id)),
            Some(worker) => Ok(Arc::clone(worker)),
            None => Ok(Arc::new(self.own(id, kind)?)),
        }
    }

    /// The same of a profile alone.
    fn own(&self, id: &ProfileId, kind: WorkerKind) -> Result<OpenCodeWorker, Error> {
        let common = &self.common;
        let profile = common.config.profiles.get(id).ok_or_else(|| self.unknown(id))?;
        let profile = || Arc::new(profile.clone());
        let host = || Arc::clone(&self.host);
        match kind {
            WorkerKind::Server => {
                let supervisor = common.supervisor.as_ref().ok_or_else(|| Error::no_server_command(id))?;
                let make = || OpenCodeWorker::server(profile(), Arc::clone(supervisor));
                common.known(&common.servers, id.clone(), id, make)
            }
            WorkerKind::Agent => self.on_host(id, kind, || OpenCodeWorker::agent(profile(), host())),
            WorkerKind::Subagent => self.on_host(id, kind, || OpenCodeWorker::subagent(profile(), host())),
        }
    }

    fn on_host(
        &self,
        id: &ProfileId,
        kind: WorkerKind,
        make: impl FnOnce() -> OpenCodeWorker,
    ) -> Result<OpenCodeWorker, Error> {
        let make = || make().with_offer(self.offer.clone());
        self.common.known(&self.workers, (id.clone(), kind), id, make)
    }

    fn unknown(&self, id: &ProfileId) -> Error {
        let common = &self.common;
        let known = common.registered.keys().chain(common.config.profiles.keys()).map(ProfileId::as_str);
        Error::unknown_worker(id, known)
    }

    /// The worker that a locator names, and the locator in its own terms.
    fn addressee(&self, locator: &Locator) -> Result<(Arc<dyn Worker>, Locator), Error> {
        let (envelope, locator) = Envelope::open(locator)?;
        Ok((self.worker(&envelope.worker, envelope.kind)?, locator))
    }

    /// The dispatch with the parent that its route needs.
    async fn with_parent(&self, dispatch: &Dispatch) -> Result<Dispatch, AttemptError> {
        let mut dispatch = dispatch.clone();
        if self.common.registered.contains_key(&dispatch.worker) {
            return Ok(dispatch);
        }
        let parent = dispatch.parent_session.as_deref();
        let route = route(&dispatch.worker, dispatch.kind, dispatch.execution, parent, self.common.can)?;
        if route == Route::ChildOfNewParent {
            let parent = self.parents.of(&*self.host, &dispatch).await;
            let parent = parent.map_err(|error| verdict::host_failure(&error))?;
            dispatch.parent_session = Some(parent.into());
        }
        Ok(dispatch)
    }
}

impl Common {
    /// The worker under this key, made when there is none yet.
    fn known<K: Eq + Hash>(
        &self,
        workers: &Mutex<HashMap<K, OpenCodeWorker>>,
        key: K,
        id: &ProfileId,
        make: impl FnOnce() -> OpenCodeWorker,
    ) -> Result<OpenCodeWorker, Error> {
        let mut workers = lock(workers);
        // Looked at under the lock, so that no worker is made behind the back of a shutdown.
        if self.stop.is_cancelled() {
            return Err(stopping(id));
        }
        let make = || make().with_patience(self.patience.clone()).on_guarded_host(self.guarded);
        Ok(workers.entry(key).or_insert_with(make).clone())
    }
}

#[async_trait]
impl StepExecutor for Pool {
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        let worker = self.inner.worker(&dispatch.worker, dispatch.kind)?;
        let dispatch = self.inner.with_parent(dispatch).await?;
        let placement = worker.place(&self.inner.common.cx.of_run(&dispatch.id.run), &dispatch).await?;
        Ok(Envelope::seal(dispatch.worker, dispatch.kind, placement)?)
    }

    async fn send(&self, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let found = self.inner.addressee(locator);
        let (worker, locator) = found.map_err(|error| SendError::Refused(error.into()))?;
        worker.send(&self.inner.common.cx.of_run(&dispatch.id.run), &locator, dispatch).await
    }

    async fn probe(&self, locator: &Locator, dispatch: &Dispatch) -> Probe {
        match self.inner.addressee(locator) {
            Ok((worker, locator)) => {
                worker.probe(&self.inner.common.cx.of_run(&dispatch.id.run), &locator, dispatch).await
            }
            Err(error) => Probe::Unknown(error.to_string()),
        }
    }

    async fn abort(&self, locator: &Locator) -> Result<(), AttemptError> {
        let (worker, locator) = self.inner.addressee(locator)?;
        worker.abort(&self.inner.common.cx, &locator).await
    }

    async fn latest_answer(&self, locator: &Locator) -> Result<Settled, AttemptError> {
        let (worker, locator) = self.inner.addressee(locator)?;
        worker.latest_answer(&self.inner.common.cx, &locator).await
    }

    async fn answer(&self, locator: &Locator, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError> {
        let (worker, locator) = self.inner.addressee(locator)?;
        worker.answer(&self.inner.common.cx, &locator, ask, reply).await
    }

    async fn delete_sessions(&self, run: &RunId, placed: &[Locator], in_use: &[Locator]) {
        self.clean_up(run, placed, in_use).await;
    }
}

fn stopping(id: &ProfileId) -> Error {
    Error::new(ErrorKind::Stopping, format!("worker `{id}`: the pool is shutting down"))
}

/// The maps stay consistent even if a holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
