//! Every worker of one program on one host, and the port through which the engine reaches them.

mod ask;
mod builder;
mod check;
mod envelope;
mod parent;
mod server;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use orch_config::{Config, id::ProfileId, kind::WorkerKind};
use orch_opencode::{OpenCode, tracker::Patience};
use orch_workflow::{
    attempt::{AttemptError, Settled},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use ask::Conversation;
pub use builder::PoolBuilder;
pub use check::Need;

use self::{envelope::Envelope, parent::Parents};
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

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    host: Arc<dyn OpenCode>,
    supervisor: Option<Arc<Supervisor>>,
    can: HostCapabilities,
    /// What the given host offers, once somebody has asked it.
    offer: SharedOffer,
    guarded: bool,
    patience: Patience,
    registered: HashMap<ProfileId, Arc<dyn Worker>>,
    workers: Mutex<HashMap<Key, OpenCodeWorker>>,
    parents: Parents,
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

    /// What each worker was last seen doing, by profile and kind. Workers that were never needed are absent.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerEvent> {
        lock(&self.inner.seen).values().cloned().collect()
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
                    Ok(worker) => worker.ready(&pool.inner.cx).await,
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
        self.inner.stop.cancel();
        let (own, workers): (Vec<_>, Vec<_>) = lock(&self.inner.workers).drain().unzip();
        let registered = self.inner.registered.values().cloned();
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
        for (id, kind) in own.into_iter().filter(|key| lock(&self.inner.seen).contains_key(key)) {
            self.inner.cx.report(WorkerEvent::new(id, kind, WorkerStatus::Stopped));
        }
        report
    }
}

impl Drop for Inner {
    /// Whatever still refers to a worker: no process outlives its pool.
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(supervisor) = &self.supervisor {
            supervisor.kill();
        }
    }
}

impl Inner {
    fn by_profile(&self, id: &ProfileId) -> Result<Arc<dyn Worker>, Error> {
        let kind = match (self.registered.get(id), self.config.profiles.get(id)) {
            (Some(worker), _) => return Ok(Arc::clone(worker)),
            (None, Some(profile)) => profile.kind,
            (None, None) => return Err(self.unknown(id)),
        };
        self.worker(id, kind)
    }

    /// The worker of a profile and kind, made when there is none yet. Registered ones come before profiles.
    fn worker(&self, id: &ProfileId, kind: WorkerKind) -> Result<Arc<dyn Worker>, Error> {
        match self.registered.get(id) {
            Some(_) if self.stop.is_cancelled() => Err(stopping(id)),
            Some(worker) => Ok(Arc::clone(worker)),
            None => Ok(Arc::new(self.own(id, kind)?)),
        }
    }

    /// The same of a profile alone.
    fn own(&self, id: &ProfileId, kind: WorkerKind) -> Result<OpenCodeWorker, Error> {
        let mut workers = lock(&self.workers);
        // Looked at under the lock, so that no worker is made behind the back of a shutdown.
        if self.stop.is_cancelled() {
            return Err(stopping(id));
        }
        let profile = self.config.profiles.get(id).ok_or_else(|| self.unknown(id))?;
        if let Some(worker) = workers.get(&(id.clone(), kind)) {
            return Ok(worker.clone());
        }
        let profile = Arc::new(profile.clone());
        let host = Arc::clone(&self.host);
        let worker = match kind {
            WorkerKind::Agent => OpenCodeWorker::agent(profile, host).with_offer(self.offer.clone()),
            WorkerKind::Subagent => OpenCodeWorker::subagent(profile, host).with_offer(self.offer.clone()),
            WorkerKind::Server => {
                let supervisor = self.supervisor.as_ref().ok_or_else(|| Error::no_server_command(id))?;
                OpenCodeWorker::server(profile, Arc::clone(supervisor))
            }
        };
        let worker = worker.with_patience(self.patience.clone()).on_guarded_host(self.guarded);
        workers.insert((id.clone(), kind), worker.clone());
        Ok(worker)
    }

    fn unknown(&self, id: &ProfileId) -> Error {
        let known = self.registered.keys().chain(self.config.profiles.keys()).map(ProfileId::as_str);
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
        if self.registered.contains_key(&dispatch.worker) {
            return Ok(dispatch);
        }
        let parent = dispatch.parent_session.as_deref();
        let route = route(&dispatch.worker, dispatch.kind, dispatch.execution, parent, self.can)?;
        if route == Route::ChildOfNewParent {
            let parent = self.parents.of(&*self.host, &dispatch).await;
            let parent = parent.map_err(|error| verdict::host_failure(&error))?;
            dispatch.parent_session = Some(parent.into());
        }
        Ok(dispatch)
    }
}

#[async_trait]
impl StepExecutor for Pool {
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        let worker = self.inner.worker(&dispatch.worker, dispatch.kind)?;
        let dispatch = self.inner.with_parent(dispatch).await?;
        let placement = worker.place(&self.inner.cx.of_run(&dispatch.id.run), &dispatch).await?;
        Ok(Envelope::seal(dispatch.worker, dispatch.kind, placement)?)
    }

    async fn send(&self, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let found = self.inner.addressee(locator);
        let (worker, locator) = found.map_err(|error| SendError::Refused(error.into()))?;
        worker.send(&self.inner.cx.of_run(&dispatch.id.run), &locator, dispatch).await
    }

    async fn probe(&self, locator: &Locator, dispatch: &Dispatch) -> Probe {
        match self.inner.addressee(locator) {
            Ok((worker, locator)) => {
                worker.probe(&self.inner.cx.of_run(&dispatch.id.run), &locator, dispatch).await
            }
            Err(error) => Probe::Unknown(error.to_string()),
        }
    }

    async fn abort(&self, locator: &Locator) -> Result<(), AttemptError> {
        let (worker, locator) = self.inner.addressee(locator)?;
        worker.abort(&self.inner.cx, &locator).await
    }

    async fn latest_answer(&self, locator: &Locator) -> Result<Settled, AttemptError> {
        let (worker, locator) = self.inner.addressee(locator)?;
        worker.latest_answer(&self.inner.cx, &locator).await
    }

    async fn answer(&self, locator: &Locator, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError> {
        let (worker, locator) = self.inner.addressee(locator)?;
        worker.answer(&self.inner.cx, &locator, ask, reply).await
    }
}

fn stopping(id: &ProfileId) -> Error {
    Error::new(ErrorKind::Stopping, format!("worker `{id}`: the pool is shutting down"))
}

/// The maps stay consistent even if a holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
