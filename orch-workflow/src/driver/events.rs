//! What happens in the runs that an engine drives, for anybody who listens.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::{
    attempt::{DispatchId, RunId, Timestamp},
    event::{Event, EventBody, Projector, StepProgress},
    record::{Record, RunStarted},
};

/// How many events a subscriber may lag behind before it misses some.
const CAPACITY: usize = 4096;

/// The events of every run that the engine drives, from the subscription on: journaled ones once they are durable,
/// and live progress.
///
/// It can never slow a run. Dropping it ends the subscription.
#[derive(Debug)]
pub struct EventStream {
    events: broadcast::Receiver<Arc<Event>>,
}

/// What an [`EventStream`] gives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Received {
    /// The next event.
    Event(Arc<Event>),
    /// So many events were missed, because they were not taken in time. Take a snapshot, or replay the journaled
    /// ones from the last number that was seen.
    Lagged(u64),
}

impl EventStream {
    /// The next event, or the gap before it; `None` once the engine is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Received> {
        match self.events.recv().await {
            Ok(event) => Some(Received::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Received::Lagged(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The engine's end of all [`EventStream`]s.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    events: broadcast::Sender<Arc<Event>>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { events: broadcast::Sender::new(CAPACITY) }
    }

    pub(super) fn subscribe(&self) -> EventStream {
        EventStream { events: self.events.subscribe() }
    }

    pub(super) fn of_run(&self, started: Arc<RunStarted>) -> RunFeed {
        RunFeed { run: started.run.clone(), events: self.events.clone(), projector: Projector::of(started) }
    }
}

/// Turns one run's records into events.
#[derive(Debug)]
pub(super) struct RunFeed {
    run: RunId,
    events: broadcast::Sender<Arc<Event>>,
    projector: Projector,
}

impl RunFeed {
    /// The events of the next records. Every record of the run goes through here once, in order, whether or not its
    /// event is published.
    pub(super) fn project(&mut self, records: &[Record]) -> Vec<Event> {
        records.iter().flat_map(|record| self.projector.project(record)).collect()
    }

    pub(super) fn publish(&self, events: Vec<Event>) {
        for event in events {
            // Nobody listens: that is fine.
            let _ = self.events.send(Arc::new(event));
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
