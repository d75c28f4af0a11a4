//! A handle on one run, and what it shares with the task that drives the run.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    activity::Activities,
    engine::{Engine, Slot},
    error::EngineError,
    requests::Command,
    task::lock,
};
use crate::{
    attempt::RunId,
    decision::{Reply, Request},
    machine::Machine,
    record::RunStatus,
    view::{OwnerView, RunView},
};

/// A run that its engine drives, or has driven.
///
/// Cheap to clone. It keeps the engine alive: a run goes on as long as somebody holds its handle or the engine.
#[derive(Clone)]
pub struct Run {
    engine: Engine,
    slot: Arc<Slot>,
    pub(super) drive: Arc<Drive>,
}

impl Run {
    pub(super) fn new(engine: Engine, slot: Arc<Slot>, drive: Arc<Drive>) -> Self {
        Self { engine, slot, drive }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &RunId {
        &self.drive.run
    }

    /// The engine that drives it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The run as it stands, never more than what is durable. What another process has done with it since it was
    /// last at rest here is not known; [`Engine::view`] looks at the store.
    #[must_use]
    pub fn view(&self) -> RunView {
        self.latest().view()
    }

    /// Waits until the run is at rest: ended, or paused with nothing in flight. At rest already, it returns at once.
    /// Cancel safe; the run goes on without anybody waiting.
    ///
    /// # Errors
    /// The run cannot go on here: the store failed, somebody else has taken it over, or the engine was shut down.
    pub async fn wait(&self) -> Result<RunView, EngineError> {
        let drive = self.latest();
        drive.over().await?;
        Ok(drive.view())
    }

    /// The latest drive, which is another one than at first once a decision has sent the run on.
    fn latest(&self) -> Arc<Drive> {
        self.slot.latest().unwrap_or_else(|| Arc::clone(&self.drive))
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("id", self.id()).finish_non_exhaustive()
    }
}

/// One stretch of driving, from taking the lease to giving it back.
#[derive(Debug)]
pub(super) struct Drive {
    pub(super) run: RunId,
    owner: OwnerView,
    machine: Arc<Mutex<Machine>>,
    activities: Activities,
    commands: mpsc::Sender<Box<Command>>,
    end: watch::Receiver<Option<Result<(), EngineError>>>,
}

impl Drive {
    pub(super) fn new(
        owner: OwnerView,
        machine: Arc<Mutex<Machine>>,
        activities: Activities,
        commands: mpsc::Sender<Box<Command>>,
        end: watch::Receiver<Option<Result<(), EngineError>>>,
    ) -> Self {
        let run = lock(&machine).run().clone();
        Self { run, owner, machine, activities, commands, end }
    }

    pub(super) fn is_over(&self) -> bool {
        self.end.borrow().is_some() || self.end.has_changed().is_err()
    }

    /// Waits for the end of the drive: the lease is given back.
    pub(super) async fn over(&self) -> Result<(), EngineError> {
        let mut end = self.end.clone();
        let internal =
            |reason: &str| EngineError::Internal { run: self.run.clone(), reason: reason.to_owned() };
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or_else(|| Err(internal("the end has no outcome"))),
            Err(_) => Err(internal("its task is gone")),
        }
    }

    /// Asks the run for something; `None` when the drive ended before it took the request up.
    pub(super) async fn ask(&self, request: Request) -> Option<Reply> {
        let (reply, replied) = oneshot::channel();
        self.commands.send(Box::new(Command { request, reply })).await.ok()?;
        replied.await.ok()
    }

    pub(super) fn view(&self) -> RunView {
        let mut view = lock(&self.machine).live_view();
        if self.is_over() {
            view.interrupted = view.status == RunStatus::Running;
        } else {
            view.owner = Some(self.owner.clone());
            self.activities.tell(&mut view);
        }
        view
    }
}
