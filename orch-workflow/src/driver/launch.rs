//! How runs get under way: begun, or taken up again.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
};

use orch_config::{budget::Budget, policy::PolicyPatch, settings::SessionPolicy};
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep_until, timeout},
};

use super::{
    activity::Activities,
    clock::RunClock,
    engine::{Engine, Inner, LAST_WORDS, Slot},
    error::EngineError,
    ledger::{Ledger, answer},
    pulse::Pulse,
    requests::{Command, Inbox},
    run::{Drive, Run},
    task::{Opening, Task, lock},
    work::Work,
};
use crate::{
    attachment::Attachment,
    attempt::{RunId, Timestamp},
    decision::Rejected,
    machine::{Batch, Machine},
    plan::Plan,
    port::AskPolicy,
    record::{FORMAT_VERSION, Record, RecordBody, RunStarted},
    status::Caution,
    store::{Lease, StoreError},
};

/// How many requests may wait for a run's task.
const BACKLOG: usize = 64;

/// What a run is started with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NewRun {
    /// The definition.
    pub plan: Plan,
    /// The task.
    pub task: String,
    /// The project directory.
    pub directory: PathBuf,
    /// The policy of this run, over the workflow's.
    pub policy: PolicyPatch,
    /// The bounds of this run, over the workflow's.
    pub budget: Budget,
    /// The session whose children the subagents become.
    pub parent_session: Option<String>,
    /// What to do with asks that no rule answers.
    pub asks: AskPolicy,
    /// Files for every step that needs no other step.
    pub attachments: Vec<Attachment>,
    /// Free data of the embedder.
    pub metadata: Value,
    /// What is known about its workers, for people.
    pub warnings: Vec<Caution>,
    /// What becomes of the sessions of its workers once it has succeeded.
    pub sessions: SessionPolicy,
}

impl NewRun {
    /// A run of `plan` on `task` in `directory`, with everything else at its default.
    pub fn new(plan: Plan, task: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        Self {
            plan,
            task: task.into(),
            directory: directory.into(),
            policy: PolicyPatch::default(),
            budget: Budget::default(),
            parent_session: None,
            asks: AskPolicy::default(),
            attachments: Vec::new(),
            metadata: Value::Null,
            warnings: Vec::new(),
            sessions: SessionPolicy::default(),
        }
    }

    fn named(self, run: RunId) -> RunStarted {
        let Self {
            plan,
            task,
            directory,
            policy,
            budget,
            parent_session,
            asks,
            attachments,
            metadata,
            warnings,
            sessions,
        } = self;
        let digest = plan.digest();
        RunStarted {
            format: FORMAT_VERSION,
            run,
            plan,
            digest,
            task,
            policy,
            budget,
            parent_session,
            directory,
            asks,
            attachments,
            metadata,
            forked_from: None,
            warnings,
            sessions,
        }
    }
}

impl Engine {
    /// Starts a run: names it, journals its beginning, and drives it.
    ///
    /// Returns once the run is durable. Dropping the future does not stop what has begun.
    ///
    /// # Errors
    /// The plan does not take the task, or the store failed: no run was started, unless the store kept silent.
    pub async fn start(&self, new: NewRun) -> Result<Run, EngineError> {
        let run = mint(self.0.wall.now())?;
        let engine = self.clone();
        self.to_the_end(run.clone(), async move {
            engine.begin(run.clone(), |now| Machine::begin(now, new.named(run))).await
        })
        .await
    }

    /// Takes up a run where its journal ends, with everything that was asked for meanwhile. What was in flight is
    /// probed before anything else happens. A run that is driven here already is simply handed out.
    ///
    /// # Errors
    /// Another live process drives it, the run is unknown, or the store failed.
    pub async fn resume(&self, run: &RunId) -> Result<Run, EngineError> {
        self.take_up(run, None).await
    }

    /// Begins a run, named already, with what `machine` makes of the time.
    pub(super) async fn begin(
        &self,
        run: RunId,
        machine: impl FnOnce(Timestamp) -> Result<(Machine, Batch), Rejected> + Send,
    ) -> Result<Run, EngineError> {
        let inner = &self.0;
        inner.check_open(&run)?;
        let clock = RunClock::start(&inner.wall, Timestamp(0));
        let (mut machine, batch) = machine(clock.now())?;
        failpoint!(appending(&batch.records, &[]));
        let created = inner.store.create(&run, &batch.records, &inner.owner, inner.wall.now());
        let lease = answer(created).await?;
        failpoint!(appended(&batch.records, &[]));
        let records = batch.records.clone();
        // A run that begins has nothing to do before it is taken up.
        drop(machine.commit(batch));
        Ok(self.spawn(inner.slot(&run), machine, clock, lease, Records::New(records), Opening::default()))
    }

    /// The run, driven: by the drive under way, or by a new one that begins with `command`.
    ///
    /// When another drive is under way, `command` is dropped unanswered.
    pub(super) async fn take_up(
        &self,
        run: &RunId,
        command: Option<Box<Command>>,
    ) -> Result<Run, EngineError> {
        let (engine, id) = (self.clone(), run.clone());
        self.to_the_end(run.clone(), async move { engine.acquire(&id, command).await }).await
    }

    async fn acquire(&self, run: &RunId, command: Option<Box<Command>>) -> Result<Run, EngineError> {
        let inner = &self.0;
        inner.check_open(run)?;
        let slot = inner.slot(run);
        let _taking = slot.taking.lock().await;
        if let Some(drive) = slot.current() {
            return Ok(Run::new(self.clone(), Arc::clone(&slot), drive));
        }
        failpoint!(before("acquire"));
        let lease = answer(inner.store.acquire(run, &inner.owner, inner.wall.now())).await?;
        failpoint!(after("acquire"));
        match self.read(run).await {
            Ok((machine, records, changed)) => {
                let opening = Opening { changed, command };
                let end = records.last().map_or(Timestamp(0), |record| record.at);
                let clock = RunClock::start(&inner.wall, end);
                Ok(self.spawn(Arc::clone(&slot), machine, clock, lease, Records::Old(records), opening))
            }
            Err(error) => {
                inner.ledger(lease).release().await;
                Err(error)
            }
        }
    }

    /// What the journal says, and what is different in the workflow's present definition. The lease is held meanwhile,
    /// so that a panic in what the embedder brought along is a failure like any other.
    async fn read(&self, run: &RunId) -> Result<(Machine, Vec<Record>, Option<String>), EngineError> {
        let (engine, id) = (self.clone(), run.clone());
        let read = async move {
            let (machine, records) = engine.replay(&id).await?;
            let changed = engine.0.definition_change(&records);
            Ok((machine, records, changed))
        };
        self.to_the_end(run.clone(), read).await
    }

    pub(super) async fn replay(&self, run: &RunId) -> Result<(Machine, Vec<Record>), EngineError> {
        let records = answer(self.0.store.load(run, 0)).await?;
        match Machine::replay(&records) {
            Ok(machine) => Ok((machine, records)),
            Err(source) => Err(EngineError::Journal { run: run.clone(), source }),
        }
    }

    /// Puts a machine onto a task of its own.
    fn spawn(
        &self,
        slot: Arc<Slot>,
        machine: Machine,
        clock: RunClock,
        lease: Lease,
        records: Records,
        opening: Opening,
    ) -> Run {
        let inner = &self.0;
        let run = lease.run.clone();
        let mut feed = inner.feed.of_run(run.clone());
        match records {
            Records::New(records) => {
                let events = feed.project(&records);
                feed.publish(events);
                failpoint!(published(&records));
            }
            Records::Old(records) => feed.catch_up(&records),
        }
        let machine = Arc::new(Mutex::new(machine));
        let (commands, commands_received) = mpsc::channel(BACKLOG);
        let (posted, posted_received) = mpsc::channel(BACKLOG);
        let (ended, end) = watch::channel(None);
        let activities = Activities::default();
        let owner = inner.owner_view(inner.wall.now());
        let drive = Arc::new(Drive::new(owner, Arc::clone(&machine), activities.clone(), commands, end));
        slot.set(Arc::clone(&drive));
        let handle = Run::new(self.clone(), Arc::clone(&slot), drive);
        let ledger = inner.ledger(lease);
        let inbox = Inbox::new(commands_received, posted_received);
        let work = Work::new(Arc::clone(&inner.executor));
        let mut task = Task::new(Arc::clone(&machine), ledger.clone(), clock, feed, work, inbox, activities);

        let (stopping, abandoned) = (inner.stopping.clone(), inner.abandoned.clone());
        let engine = Arc::downgrade(inner);
        let driving = {
            let (ledger, run, abandoned) = (ledger.clone(), run.clone(), abandoned.clone());
            async move {
                tokio::select! {
                    biased;
                    () = abandoned.cancelled() => Err(EngineError::ShutDown { run }),
                    // Nothing more may happen here: dropping the task ends all its calls.
                    error = ledger.keep_lease() => Err(error.into()),
                    result = task.run(opening, &stopping) => result,
                    () = ledger.watch_requests(posted) => Ok(()),
                }
            }
        };
        // On a task of its own, so that after a panic the lease is given back like after any other failure: the journal
        // is whole, and whoever takes the run up probes what was in flight.
        let driving = tokio::spawn(driving);
        inner.tasks.spawn(async move {
            let result = match driving.await {
                Ok(result) => result,
                Err(error) => {
                    tracing::error!(%run, %error, "driving the run panicked; it can be taken up again");
                    Err(EngineError::Internal { run: run.clone(), reason: error.to_string() })
                }
            };
            if abandoned.is_cancelled() {
                let _ = timeout(LAST_WORDS, ledger.release()).await;
            } else {
                ledger.release().await;
            }
            let at_rest = result.is_ok();
            ended.send_replace(Some(result));
            let expiry = lock(&machine).next_deadline().filter(|_| at_rest);
            if let Some(expiry) = expiry {
                wake_at(&engine, &run, clock, expiry);
            }
            drop(slot);
            if let Some(inner) = engine.upgrade() {
                inner.tidy();
            }
        });
        handle
    }

    /// Runs something that must not be left half done on a task of its own: the caller may be dropped.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        run: RunId,
        work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Result<T, EngineError> {
        match tokio::spawn(work).await {
            Ok(result) => result,
            Err(error) => Err(EngineError::Internal { run, reason: error.to_string() }),
        }
    }
}

impl Inner {
    fn ledger(&self, lease: Lease) -> Ledger {
        Ledger { store: Arc::clone(&self.store), lease, wall: self.wall.clone(), pulse: Pulse::new() }
    }

    /// What is different in the present definition of a journaled run.
    fn definition_change(&self, records: &[Record]) -> Option<String> {
        let RecordBody::RunStarted(started) = &records.first()?.body else { return None };
        self.changes.as_ref()?(&started.plan)
    }
}

enum Records {
    /// Not published yet.
    New(Vec<Record>),
    /// Published by whoever wrote them.
    Old(Vec<Record>),
}

/// A paused run holds no lease, but its gate may answer itself when its time is over: then it is taken up again.
fn wake_at(engine: &Weak<Inner>, run: &RunId, clock: RunClock, expiry: Timestamp) {
    let Some(inner) = engine.upgrade() else { return };
    let (stopping, abandoned) = (inner.stopping.clone(), inner.abandoned.clone());
    let (engine, run) = (Weak::clone(engine), run.clone());
    inner.tasks.spawn(async move {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = abandoned.cancelled() => return,
            () = sleep_until(clock.instant(expiry)) => {}
        }
        let Some(inner) = engine.upgrade() else { return };
        match Engine(inner).resume(&run).await {
            Ok(_) | Err(EngineError::Store(StoreError::Locked { .. } | StoreError::UnknownRun(_))) => {}
            Err(error) => {
                tracing::error!(%run, %error, "the gate's time is over, but the run cannot be taken up")
            }
        }
    });
}

/// A name that sorts by creation: milliseconds, then 64 random bits, in Crockford's base 32.
pub(super) fn mint(now: Timestamp) -> Result<RunId, EngineError> {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let random = getrandom::u64().map_err(|error| EngineError::Randomness { reason: error.to_string() })?;
    let digits = |number: u64, count: u32| {
        (0..count).rev().map(move |place| char::from(DIGITS[(number >> (5 * place)) as usize % 32]))
    };
    let name: String = digits(now.0, 10).chain(digits(random, 13)).collect();
    RunId::new(format!("run_{name}")).map_err(|error| EngineError::Randomness { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_sort_by_creation_and_differ() {
        let ids: Vec<_> = [0, 1, 31, 32, 1_700_000_000_000, 1_700_000_000_001, (1 << 50) - 1]
            .map(|ms| mint(Timestamp(ms)).unwrap())
            .into();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids[4].as_str().len(), "run_".len() + 23);
        assert_ne!(mint(Timestamp(7)).unwrap(), mint(Timestamp(7)).unwrap());
    }
}
