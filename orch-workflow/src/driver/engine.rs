//! The engine: which runs are driven here, by which tasks, and what an embedder asks of it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    clock::WallClock,
    error::EngineError,
    events::{Announcer, EventStream, Feed},
    run::{Drive, Run},
};
use crate::{
    attempt::{RunId, Timestamp},
    plan::Plan,
    port::StepExecutor,
    store::{Owner, RunStore},
    view::OwnerView,
};

/// How long tasks have to give their leases back once their work was dropped.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// The present definition of the workflow that a journaled plan was made from; `None` when there is none.
pub type Definitions = Arc<dyn Fn(&Plan) -> Option<Plan> + Send + Sync>;

/// What is different in the present definition of the workflow that a journaled plan was made from, in words.
type Changes = Box<dyn Fn(&Plan) -> Option<String> + Send + Sync>;

/// Drives any number of runs, each on a task of its own. Cheap to clone.
///
/// When the last clone and the last [`Run`] are dropped, the runs stop where they are, as after a crash:
/// nothing is lost, any engine on the same store can go on. [`shutdown`](Self::shutdown) is the orderly way.
#[derive(Clone)]
pub struct Engine(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Arc<dyn RunStore>,
    pub(super) executor: Arc<dyn StepExecutor>,
    pub(super) owner: Owner,
    pub(super) wall: WallClock,
    pub(super) changes: Option<Changes>,
    pub(super) feed: Feed,
    pub(super) tasks: TaskTracker,
    /// Drives end in good order.
    pub(super) stopping: CancellationToken,
    /// Drives end at once.
    pub(super) abandoned: CancellationToken,
    /// Alive as long as somebody drives the run or has a handle on it.
    slots: Mutex<HashMap<RunId, Weak<Slot>>>,
}

/// The place of one run in an engine.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Held while the run is being taken up: only one caller does that.
    pub(super) taking: tokio::sync::Mutex<()>,
    drive: Mutex<Option<Arc<Drive>>>,
}

impl Engine {
    /// An engine on a store, with somebody to do the work, in the name of this process.
    pub fn new(store: Arc<dyn RunStore>, executor: Arc<dyn StepExecutor>, owner: Owner) -> Self {
        Self::builder(store, executor).owner(owner).build()
    }

    /// An engine with more to say about it. Its owner is the current process.
    pub fn builder(store: Arc<dyn RunStore>, executor: Arc<dyn StepExecutor>) -> EngineBuilder {
        EngineBuilder { store, executor, owner: None, wall: WallClock::system(), changes: None }
    }

    /// Subscribes to the events of all runs that this engine drives, from now on.
    #[must_use]
    pub fn subscribe(&self) -> EventStream {
        self.0.feed.subscribe()
    }

    /// For whoever knows what workers do: subscribers hear of it.
    #[must_use]
    pub fn announcer(&self) -> Announcer {
        self.0.feed.announcer(self.0.wall.clone())
    }

    /// The time of day, on the clock that leases and journals have their times from.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.wall.now()
    }

    /// Stops driving: leases are given back, and the work in flight, journaled as it is, can be continued by any
    /// engine on the same store. Workers are not aborted. Drives that have not let go after `grace` are dropped.
    ///
    /// Returns the runs that were under way. Afterwards the engine takes nothing up any more.
    pub async fn shutdown(&self, grace: Duration) -> Vec<RunId> {
        let inner = &self.0;
        let mut driven = inner.driven();
        driven.sort();
        inner.stopping.cancel();
        inner.tasks.close();
        if timeout(grace, inner.tasks.wait()).await.is_err() {
            tracing::warn!("runs did not let go in time; they are dropped where they are");
        }
        inner.abandoned.cancel();
        if timeout(LAST_WORDS * 2, inner.tasks.wait()).await.is_err() {
            tracing::warn!("leases could not be given back; they will expire");
        }
        driven
    }

    /// The run, if this engine drives it now.
    #[must_use]
    pub fn driven(&self, run: &RunId) -> Option<Run> {
        let slot = self.0.slots().get(run)?.upgrade()?;
        let drive = slot.current()?;
        Some(Run::new(self.clone(), slot, drive))
    }
}

impl Inner {
    pub(super) fn slot(&self, run: &RunId) -> Arc<Slot> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(run).and_then(Weak::upgrade) {
            return slot;
        }
        let slot = Arc::default();
        slots.insert(run.clone(), Arc::downgrade(&slot));
        slot
    }

    /// Forgets the runs that nobody drives and nobody has a handle on.
    pub(super) fn tidy(&self) {
        self.slots().retain(|_, slot| slot.strong_count() > 0);
    }

    pub(super) fn owner_view(&self, since: Timestamp) -> OwnerView {
        OwnerView { pid: self.owner.pid, host: self.owner.host.clone(), since, expires_at: None }
    }

    /// # Errors
    /// The engine was shut down.
    pub(super) fn check_open(&self, run: &RunId) -> Result<(), EngineError> {
        if self.stopping.is_cancelled() {
            return Err(EngineError::ShutDown { run: run.clone() });
        }
        Ok(())
    }

    fn driven(&self) -> Vec<RunId> {
        let slots = self.slots();
        let driven =
            slots.iter().filter(|(_, slot)| slot.upgrade().is_some_and(|slot| slot.current().is_some()));
        driven.map(|(run, _)| run.clone()).collect()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<RunId, Weak<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.abandoned.cancel();
    }
}

impl Slot {
    /// The drive under way, if there is one.
    pub(super) fn current(&self) -> Option<Arc<Drive>> {
        self.latest().filter(|drive| !drive.is_over())
    }

    /// The drive under way, or the last one there was.
    pub(super) fn latest(&self) -> Option<Arc<Drive>> {
        self.drive().clone()
    }

    pub(super) fn set(&self, drive: Arc<Drive>) {
        *self.drive() = Some(drive);
    }

    fn drive(&self) -> MutexGuard<'_, Option<Arc<Drive>>> {
        self.drive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("store", &self.0.store)
            .field("executor", &self.0.executor)
            .field("driven", &self.0.driven())
            .finish_non_exhaustive()
    }
}

/// Makes an [`Engine`].
#[must_use]
pub struct EngineBuilder {
    store: Arc<dyn RunStore>,
    executor: Arc<dyn StepExecutor>,
    owner: Option<Owner>,
    wall: WallClock,
    changes: Option<Changes>,
}

impl EngineBuilder {
    /// The process in whose name leases are taken; the current one unless told otherwise.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Where the present definitions of workflows come from. A run whose definition has changed stops at a gate when
    /// it is taken up; without this nothing is compared.
    pub fn definitions(self, definitions: Definitions) -> Self {
        self.changes(move |journaled| journaled.difference(&definitions(journaled)?))
    }

    /// The same from whoever can say more about it: what is different in the present definition, in words. A definition
    /// that is gone, or that cannot run any more, is different, too.
    pub fn changes(mut self, changes: impl Fn(&Plan) -> Option<String> + Send + Sync + 'static) -> Self {
        self.changes = Some(Box::new(changes));
        self
    }

    /// Another clock for leases and for the times in journals, for tests on simulated time.
    #[cfg(feature = "testing")]
    pub fn wall_clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.wall = WallClock::new(now);
        self
    }

    /// The engine. Its runs need a Tokio runtime with time.
    pub fn build(self) -> Engine {
        Engine(Arc::new(Inner {
            store: self.store,
            executor: self.executor,
            owner: self.owner.unwrap_or_else(Owner::current),
            wall: self.wall,
            changes: self.changes,
            feed: Feed::new(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            abandoned: CancellationToken::new(),
            slots: Mutex::default(),
        }))
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder").field("store", &self.store).finish_non_exhaustive()
    }
}
