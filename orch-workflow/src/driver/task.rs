//! The one task that owns a run while it is driven.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    activity::Activities,
    clock::RunClock,
    error::EngineError,
    events::RunFeed,
    ledger::Ledger,
    requests::{Asker, Command, Inbox},
    work::{Heard, Work},
};
use crate::{
    attempt::DispatchId,
    decision::{Reply, Request},
    event::StepProgress,
    machine::{Input, Machine},
    port::Update,
    record::{Record, RecordBody, RunStatus},
    store::{RequestId, StoreError},
    view::Doing,
};

/// Signs of life are told to the machine no more often than this.
const ALIVE_EVERY: Duration = Duration::from_millis(100);
/// A deadline that stays due although the machine was told of it is told again no sooner than this.
const TICK_AGAIN: Duration = Duration::from_secs(1);

/// What a drive begins with.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// What is different in the workflow's present definition.
    pub(super) changed: Option<String>,
    /// The request that caused the drive.
    pub(super) command: Option<Box<Command>>,
}

/// One run under way.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) machine: Arc<Mutex<Machine>>,
    pub(super) ledger: Ledger,
    pub(super) feed: RunFeed,
    pub(super) work: Work,
    pub(super) inbox: Inbox,
    pub(super) clock: RunClock,
    activities: Activities,
    /// When the machine was last told of a sign of life.
    alive: HashMap<DispatchId, Instant>,
    no_tick_before: Instant,
    /// The process stood still, and what was asked for meanwhile has not been looked for yet.
    was_away: bool,
}

impl Task {
    pub(super) fn new(
        machine: Arc<Mutex<Machine>>,
        ledger: Ledger,
        clock: RunClock,
        feed: RunFeed,
        work: Work,
        inbox: Inbox,
        activities: Activities,
    ) -> Self {
        let (alive, no_tick_before) = (HashMap::new(), Instant::now());
        Self { machine, ledger, feed, work, inbox, clock, activities, alive, no_tick_before, was_away: false }
    }

    /// Drives the run until it is at rest, until it must stop because the store fails, or until `stopping`.
    ///
    /// Dropping the future leaves everything as a crash would: journaled, and ready to be taken up again.
    pub(super) async fn run(
        &mut self,
        opening: Opening,
        stopping: &CancellationToken,
    ) -> Result<(), EngineError> {
        let run = self.ledger.lease.run.clone();
        let was_over = self.machine().status().is_terminal();
        match self.drive(opening, stopping).await {
            Ok(End::AtRest) => {
                if !was_over {
                    Box::pin(self.tidy_up()).await;
                }
                Ok(())
            }
            Ok(End::Stopped) => Err(EngineError::ShutDown { run }),
            Err(error) => {
                tracing::error!(%run, %error, "the run cannot go on");
                if !is_taken_over(&error) {
                    Box::pin(self.work.abort_all()).await;
                }
                Err(error.into())
            }
        }
    }

    /// Has the sessions of a run that has just succeeded deleted, where it was started so.
    async fn tidy_up(&self) {
        let wanted = {
            let machine = self.machine();
            machine.status() == RunStatus::Success && !machine.started().sessions.is_keep()
        };
        if !wanted {
            return;
        }
        let run = self.ledger.lease.run.clone();
        match self.ledger.placed().await {
            Ok((placed, in_use)) => self.work.delete_sessions(run, placed, in_use).await,
            Err(error) => {
                tracing::warn!(%run, %error, "the sessions of the run stay: the store cannot be read")
            }
        }
    }

    async fn drive(&mut self, opening: Opening, stopping: &CancellationToken) -> Result<End, StoreError> {
        if stopping.is_cancelled() {
            return Ok(End::Stopped);
        }
        // What happens once, or now and then, would take room in every run that waits: it gets it for as long as it lasts.
        Box::pin(self.open(opening)).await?;
        loop {
            self.catch_up();
            if mem::take(&mut self.was_away) {
                Box::pin(self.take_up_left()).await?;
            }
            self.tick().await?;
            let at_rest = self.machine().at_rest() && !self.reads_an_answer();
            if at_rest {
                let posted = self.ledger.requests().await?;
                match Box::pin(self.take_up_waiting(posted)).await? {
                    Waiting::Some => continue,
                    Waiting::None => return Ok(End::AtRest),
                }
            }
            let deadline = self.deadline();
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Ok(End::Stopped),
                (request, asker) = self.inbox.next() => Box::pin(self.request(request, asker)).await?,
                heard = self.work.next() => match heard {
                    Heard::Answer(number, result) => Box::pin(self.replace(number, result)).await?,
                    Heard::Input(input) => {
                        self.note(&input);
                        self.take(input, Asker::Nobody).await?;
                    }
                    Heard::Update(dispatch, update) => {
                        if let Some(input) = self.understand(dispatch, update) {
                            self.take(input, Asker::Nobody).await?;
                        }
                    }
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
            }
        }
    }

    /// A pause or a cancel that was asked for while nobody drove the run comes first, so that it holds before anything
    /// new begins. Decisions come once the run is taken up: a gate whose time is over has its answer by then. Of
    /// several the one that this drive began for is first: who is refused goes away, and whoever drives must be the
    /// one that stays. An answer to an ask has to wait until the work that asks is followed again.
    async fn open(&mut self, opening: Opening) -> Result<(), StoreError> {
        if let Some(message) = opening.changed {
            self.take(Input::DefinitionChanged { message }, Asker::Nobody).await?;
        }
        let posted = self.inbox.unseen(self.ledger.requests().await?);
        let mut requests: Vec<_> =
            posted.into_iter().chain(opening.command.map(|command| command.into_request())).collect();
        requests.sort_by_key(|(request, asker)| match (request, asker) {
            (Request::Decide(_), Asker::Here(_)) => 1,
            (Request::Decide(_), _) => 2,
            (Request::Answer { .. }, _) => 3,
            _ => 0,
        });
        let replies = requests.split_off(requests.partition_point(|(request, _)| !is_reply(request)));
        for (request, asker) in requests {
            self.request(request, asker).await?;
        }
        self.take(Input::TakenUp, Asker::Nobody).await?;
        for (request, asker) in replies {
            self.request(request, asker).await?;
        }
        Ok(())
    }

    /// Leaves out of every clock the time in which this process did not run.
    fn catch_up(&mut self) {
        let missed = self.ledger.pulse.missed();
        if missed.is_zero() {
            return;
        }
        tracing::warn!(run = %self.ledger.lease.run, ?missed, "this process stood still; no step is charged for it");
        self.was_away = true;
        let ms = u64::try_from(missed.as_millis()).unwrap_or(u64::MAX);
        // It moves clocks and nothing else: nobody can refuse it, and it makes no records.
        let _ = self.machine().handle(self.clock.now(), Input::StoodStill { ms });
    }

    /// What was asked for while this process stood still comes before what time has brought about meanwhile, as it does
    /// when a run is taken up.
    async fn take_up_left(&mut self) -> Result<(), StoreError> {
        let posted = self.ledger.requests().await.unwrap_or_else(|error| {
            // The next look finds them.
            tracing::warn!(run = %self.ledger.lease.run, %error, "posted requests cannot be read");
            Vec::new()
        });
        self.take_up_waiting(posted).await?;
        Ok(())
    }

    /// Takes up what has been asked for until now, here and, as `posted`, elsewhere.
    async fn take_up_waiting(&mut self, posted: Vec<(RequestId, Request)>) -> Result<Waiting, StoreError> {
        let mut requests = self.inbox.waiting();
        requests.extend(self.inbox.unseen(posted));
        if requests.is_empty() {
            return Ok(Waiting::None);
        }
        for (request, asker) in requests {
            self.request(request, asker).await?;
        }
        Ok(Waiting::Some)
    }

    pub(super) async fn tick(&mut self) -> Result<(), StoreError> {
        self.catch_up();
        let due = self.deadline().is_some_and(|deadline| deadline <= Instant::now());
        if due {
            self.take(Input::Tick, Asker::Nobody).await?;
            let now = Instant::now();
            if self.deadline().is_some_and(|deadline| deadline <= now) {
                self.no_tick_before = now + TICK_AGAIN;
            }
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        let at = self.machine().next_deadline()?;
        Some(self.clock.instant(at).max(self.no_tick_before))
    }

    /// Lets go of what was known of work that got lost.
    fn note(&mut self, input: &Input) {
        if let Input::Lost { dispatch, error } = input {
            tracing::warn!(%dispatch, %error, "the work got lost; probing");
            self.work.note_lost(dispatch);
            self.activities.forget(dispatch);
        }
    }

    /// Tells everybody what a worker is doing, and says what of it is for the machine.
    fn understand(&mut self, dispatch: DispatchId, update: Update) -> Option<Input> {
        Some(match update {
            Update::Progress(progress) => {
                if let Some(doing) = Doing::told_by(&progress) {
                    self.activities.note(&dispatch, doing, self.clock.now());
                }
                self.publish_live(&dispatch, StepProgress::Worker { progress });
                if !self.is_news(&dispatch) {
                    return None;
                }
                Input::Alive { dispatch }
            }
            Update::AskOpened(ask) => Input::AskOpened { dispatch, ask },
            Update::AskClosed { id, by } => Input::AskClosed { dispatch, ask: id, by },
            Update::Waiting { reason, until } => {
                let doing = Doing::Waiting { reason: reason.clone(), until };
                self.activities.note(&dispatch, doing, self.clock.now());
                self.publish_live(&dispatch, StepProgress::Waiting { reason, until });
                Input::Waiting { dispatch, waiting: true }
            }
            Update::Resumed => {
                self.activities.forget(&dispatch);
                Input::Waiting { dispatch, waiting: false }
            }
            Update::Used(usage) => {
                self.publish_live(&dispatch, StepProgress::used(usage));
                Input::Used { dispatch, usage }
            }
            Update::Warned(warning) => Input::Warned { dispatch, warning },
            Update::Settled(result) => Input::Settled { dispatch, result },
        })
    }

    /// Gives the machine an input and does what follows from it: journal, commit, publish, act, reply.
    pub(super) async fn take(&mut self, input: Input, asker: Asker) -> Result<(), StoreError> {
        self.catch_up();
        let moot_at_the_end =
            matches!(input, Input::Pause { .. } | Input::Interrupt { .. } | Input::Cancel { .. });
        let handled = self.machine().handle(self.clock.now(), input);
        let batch = match handled {
            Ok(batch) => batch,
            Err(rejected) => return self.refuse(rejected, moot_at_the_end, asker).await,
        };
        let replies = asker.posted_reply(&Reply::Accepted);
        if !batch.records.is_empty() || !replies.is_empty() {
            self.ledger.append(&batch.records, &replies).await?;
        }
        #[cfg(feature = "failpoints")]
        let written = batch.records.clone();
        let ended: Vec<_> = batch.records.iter().filter_map(ended_by).cloned().collect();
        let events = self.feed.project(&batch.records);
        let effects = self.machine().commit(batch);
        self.feed.publish(events);
        failpoint!(published(&written));
        for dispatch in &ended {
            self.work.end(dispatch);
            self.alive.remove(dispatch);
            self.activities.forget(dispatch);
        }
        for effect in effects {
            self.work.begin(effect);
        }
        asker.reply(Reply::Accepted);
        Ok(())
    }

    fn is_news(&mut self, dispatch: &DispatchId) -> bool {
        let now = Instant::now();
        match self.alive.get_mut(dispatch) {
            Some(last) if now.duration_since(*last) < ALIVE_EVERY => return false,
            Some(last) => *last = now,
            None => drop(self.alive.insert(dispatch.clone(), now)),
        }
        true
    }

    fn publish_live(&self, dispatch: &DispatchId, progress: StepProgress) {
        let seq = self.machine().seq();
        self.feed.publish_live(seq, self.clock.now(), dispatch, progress);
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        lock(&self.machine)
    }
}

/// How a drive ends, when nothing failed.
enum End {
    AtRest,
    Stopped,
}

/// Whether anybody had asked for anything.
enum Waiting {
    Some,
    None,
}

/// Locks a machine. Only the task that owns it changes it, so a panic elsewhere has spoilt nothing.
pub(super) fn lock(machine: &Mutex<Machine>) -> MutexGuard<'_, Machine> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a request replies to something that the run waits for.
fn is_reply(request: &Request) -> bool {
    matches!(request, Request::Decide(_) | Request::Answer { .. })
}

/// Whether somebody else may be driving the run: then nothing more may be done for it here.
fn is_taken_over(error: &StoreError) -> bool {
    matches!(error, StoreError::Fenced(_) | StoreError::Conflict { .. } | StoreError::UnknownRun(_))
}

/// The dispatch that has its result with this record: nothing that is said about it later counts.
fn ended_by(record: &Record) -> Option<&DispatchId> {
    match &record.body {
        RecordBody::Settled { dispatch, .. }
        | RecordBody::Answered { dispatch, .. }
        | RecordBody::InDoubt { dispatch, .. } => Some(dispatch),
        _ => None,
    }
}
