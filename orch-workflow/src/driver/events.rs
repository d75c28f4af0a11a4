//! What happens in the runs that an engine drives, for anybody who listens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;

use super::clock::WallClock;
use crate::{
    attempt::{DispatchId, RunId, Timestamp},
    event::{Event, EventBody, Projector, StepProgress},
    record::Record,
    status::{Status, StatusBody},
};

/// How many events a subscriber may lag behind before it misses some.
const CAPACITY: usize = 4096;

/// The events of every run that the engine drives, from the subscription on: journaled ones once they are durable,
/// and live progress; among them what workers do.
///
/// It can never slow a run. Dropping it ends the subscription.
#[derive(Debug)]
pub struct EventStream {
    events: broadcast::Receiver<Received>,
}

/// What an [`EventStream`] gives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Received {
    /// The next event.
    Event(Arc<Event>),
    /// A worker, or the host, does something else now.
    Status(Arc<Status>),
    /// So many events were missed, because they were not taken in time. Take a snapshot, or replay the journaled
    /// ones from the last number that was seen.
    Lagged(u64),
}

impl EventStream {
    /// The next event, or the gap before it; `None` once the engine is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Received> {
        match self.events.recv().await {
            Ok(received) => Some(received),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Received::Lagged(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// How far every run that is driven here was told.
type Latest = Arc<Mutex<HashMap<RunId, u64>>>;

/// Tells everybody who listens to an engine what workers do. Cheap to clone; it keeps nothing alive, and says nothing once
/// the engine is gone.
#[derive(Debug, Clone)]
pub struct Announcer {
    events: broadcast::WeakSender<Received>,
    latest: Latest,
    wall: WallClock,
}

impl Announcer {
    /// Tells it now. Never waits for anybody who listens.
    pub fn announce(&self, body: StatusBody) {
        let Some(events) = self.events.upgrade() else { return };
        // Held until it is told, so that the numbers of a run never go down.
        let latest = lock(&self.latest);
        let status = match body.run().map(|run| latest.get(run)) {
            Some(Some(seq)) => Status::new(*seq, self.wall.now(), body),
            _ => Status::new(0, self.wall.now(), body.of_no_run()),
        };
        // Nobody listens: that is fine.
        let _ = events.send(Received::Status(Arc::new(status)));
    }
}

/// The engine's end of all [`EventStream`]s.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    events: broadcast::Sender<Received>,
    latest: Latest,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { events: broadcast::Sender::new(CAPACITY), latest: Latest::default() }
    }

    pub(super) fn subscribe(&self) -> EventStream {
        EventStream { events: self.events.subscribe() }
    }

    pub(super) fn announcer(&self, wall: WallClock) -> Announcer {
        Announcer { events: self.events.downgrade(), latest: Arc::clone(&self.latest), wall }
    }

    pub(super) fn of_run(&self, run: RunId) -> RunFeed {
        RunFeed { run, feed: self.clone(), projector: Projector::new() }
    }
}

/// Turns one run's records into events.
#[derive(Debug)]
pub(super) struct RunFeed {
    run: RunId,
    feed: Feed,
    projector: Projector,
}

impl RunFeed {
    /// The events of the next records. Every record of the run goes through here once, in order, whether or not its
    /// event is published.
    pub(super) fn project(&mut self, records: &[Record]) -> Vec<Event> {
        records.iter().flat_map(|record| self.projector.project(record)).collect()
    }

    /// Takes in the records that were published by whoever wrote them.
    pub(super) fn catch_up(&mut self, records: &[Record]) {
        drop(self.project(records));
        if let Some(last) = records.last() {
            lock(&self.feed.latest).insert(self.run.clone(), last.seq);
        }
    }

    pub(super) fn publish(&self, events: Vec<Event>) {
        let mut latest = lock(&self.feed.latest);
        for event in events {
            match event.body {
                // Its last word: what its workers do from now on is for no run.
                EventBody::RunFinished { .. } => latest.remove(&self.run),
                _ => latest.insert(self.run.clone(), event.seq),
            };
            // Nobody listens: that is fine.
            let _ = self.feed.events.send(Received::Event(Arc::new(event)));
        }
    }

    pub(super) fn publish_live(
        &self,
        seq: u64,
        at: Timestamp,
        dispatch: &DispatchId,
        progress: StepProgress,
    ) {
        let (step, dispatch) = (dispatch.step.clone(), dispatch.clone());
        let body = EventBody::StepProgress { step, dispatch, progress };
        self.publish(vec![Event { seq, at, run: self.run.clone(), live: true, body }]);
    }
}

impl Drop for RunFeed {
    fn drop(&mut self) {
        lock(&self.feed.latest).remove(&self.run);
    }
}

/// A plain map stays consistent even if a holder panicked.
fn lock(latest: &Latest) -> MutexGuard<'_, HashMap<RunId, u64>> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}
