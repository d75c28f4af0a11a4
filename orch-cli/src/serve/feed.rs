//! The events of all runs of the project in one order, whoever drives them.
//!
//! What is driven here comes as it happens. What another process drives is read from the journal, while somebody listens.
//! The journal is the truth: the feed remembers only the order in which it told the events.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use orch::{
    Event, Orchestrator, Received, RunId, RunView, Runs,
    workflow::{attempt::Timestamp, status::Status},
};
use tokio::{
    sync::{Notify, broadcast},
    time::{Instant, sleep},
};

use super::service::now;

/// How many events a listener may lag behind before it misses some.
const LAG: usize = 1024;
/// Of how many events the order is remembered.
const ORDER: usize = 4_096;
/// How often the journal is looked at for what other processes do.
const LOOK: Duration = Duration::from_millis(500);
/// How many of the newest runs are looked at although they have ended: they may be new.
const NEWEST: usize = 8;
/// Looking takes at most this share of the time.
const SHARE: u32 = 20;

/// What listeners are told.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// An event with its number in this service; live progress has none.
    Event(Option<u64>, Arc<Event>),
    /// What a worker, or the host, does now.
    Status(Arc<Status>),
}

/// Cheap to clone; all clones are one feed.
#[derive(Debug, Clone)]
pub(super) struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    listeners: broadcast::Sender<Told>,
    joined: Notify,
    begun_at: Timestamp,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the latest event.
    last: u64,
    /// What was told, up to the latest.
    order: VecDeque<Place>,
    known: HashMap<RunId, Known>,
    /// Those that had not ended when they were last looked at.
    open: HashSet<RunId>,
}

impl State {
    /// Takes a run for told as far as it has come.
    fn know(&mut self, run: &RunId, view: &RunView) {
        self.known.insert(run.clone(), Known { seq: view.seq, told: 0, whole: true });
        self.note(view);
    }

    fn note(&mut self, view: &RunView) {
        if view.status.is_terminal() {
            self.open.remove(&view.id);
        } else {
            self.open.insert(view.id.clone());
        }
    }
}

/// Where an event stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) run: RunId,
    pub(super) seq: u64,
    /// Which one of those with this number, from 0.
    pub(super) nth: usize,
}

/// How far a run was told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    seq: u64,
    /// How many events of record `seq` were told.
    told: usize,
    /// Whether it has no more than these.
    whole: bool,
}

impl Known {
    /// Whether the event `nth` of record `seq` was told.
    pub(super) fn has(self, seq: u64, nth: usize) -> bool {
        seq < self.seq || seq == self.seq && (self.whole || nth < self.told)
    }
}

/// A listener, and what there was before.
pub(super) struct Joined {
    pub(super) events: broadcast::Receiver<Told>,
    /// The number of the latest event before the first of `events`.
    pub(super) last: u64,
    /// How far the runs that were asked for had been told.
    pub(super) known: Vec<Known>,
}

impl Feed {
    pub(super) fn new() -> Self {
        let listeners = broadcast::Sender::new(LAG);
        Self(Arc::new(Inner { listeners, joined: Notify::new(), begun_at: now(), state: Mutex::default() }))
    }

    /// Listens from now on.
    pub(super) fn join<'r>(&self, runs: impl IntoIterator<Item = &'r RunId>) -> Joined {
        let state = self.state();
        let known = runs.into_iter().map(|run| state.known.get(run).copied().unwrap_or_default());
        let joined =
            Joined { events: self.0.listeners.subscribe(), last: state.last, known: known.collect() };
        self.0.joined.notify_one();
        joined
    }

    /// What was told after `number`, as far as it is remembered; `None` where some of it is forgotten.
    pub(super) fn since(&self, number: u64) -> Option<Vec<(u64, Place)>> {
        let state = self.state();
        let first = state.last + 1 - state.order.len() as u64;
        if number > state.last || number + 1 < first {
            return None;
        }
        let skip = usize::try_from(number + 1 - first).unwrap_or(usize::MAX);
        Some((number + 1..).zip(state.order.iter().skip(skip).cloned()).collect())
    }

    /// Tells what this orchestrator drives, until it is gone.
    pub(super) fn follow(&self, orchestrator: &Orchestrator) {
        let (feed, mut events) = (self.clone(), orchestrator.subscribe());
        tokio::spawn(async move {
            while let Some(received) = events.next().await {
                match received {
                    Received::Event(event) => feed.tell(event),
                    // Nobody listens: that is fine.
                    Received::Status(status) => drop(feed.0.listeners.send(Told::Status(status))),
                    // What was missed is in the journal, and is read from there.
                    Received::Lagged(missed) => tracing::warn!(missed, "the feed fell behind"),
                    _ => {}
                }
            }
        });
    }

    /// Reads what other processes do, while somebody listens.
    pub(super) async fn watch(&self, look: impl AsyncFn() -> Orchestrator) -> Infallible {
        loop {
            if self.0.listeners.receiver_count() == 0 {
                self.0.joined.notified().await;
                continue;
            }
            let begun = Instant::now();
            self.read(&look().await).await;
            sleep(LOOK.max(begun.elapsed() * SHARE)).await;
        }
    }

    /// Takes what there is for known, without telling it.
    pub(super) async fn begin(&self, orchestrator: &Orchestrator) -> Result<(), orch::Error> {
        for (run, view) in orchestrator.runs(Runs::OpenAndNewest(NEWEST)).await? {
            if let Ok(view) = view {
                self.state().know(&run, &view);
            }
        }
        Ok(())
    }

    /// Tells what the runs have that can have moved on: those that are open, or were a moment ago, and new ones.
    async fn read(&self, orchestrator: &Orchestrator) {
        let runs = match orchestrator.runs(Runs::OpenAndNewest(NEWEST)).await {
            Ok(runs) => runs,
            Err(error) => return tracing::warn!(%error, "the runs cannot be looked at"),
        };
        let ended: Vec<_> = {
            let looked: HashSet<_> = runs.iter().map(|(run, _)| run).collect();
            self.state().open.iter().filter(|run| !looked.contains(run)).cloned().collect()
        };
        for (run, view) in runs {
            self.read_run(orchestrator, &run, view).await;
        }
        for run in ended {
            let view = orchestrator.view(&run).await;
            self.read_run(orchestrator, &run, view).await;
        }
    }

    async fn read_run(&self, orchestrator: &Orchestrator, run: &RunId, view: Result<RunView, orch::Error>) {
        // A damaged journal is told by the dashboard; it has no events. A run that was forgotten has none either.
        let Ok(view) = view else {
            self.state().open.remove(run);
            return;
        };
        let known = self.state().known.get(run).copied().unwrap_or_default();
        if view.seq <= known.seq {
            return;
        }
        match orchestrator.events(run, known.seq).await {
            Ok(events) => {
                self.catch_up(run, events, view.seq);
                self.state().note(&view);
            }
            Err(error) => tracing::warn!(%run, %error, "the events cannot be read"),
        }
    }

    /// Makes sure that a run is known which somebody asks about. One that ended before this service began is not told.
    pub(super) async fn look_at(&self, orchestrator: &Orchestrator, run: &RunId) -> Result<(), orch::Error> {
        if self.state().known.contains_key(run) {
            return Ok(());
        }
        let view = orchestrator.view(run).await?;
        if view.finished_at.is_some_and(|at| at < self.0.begun_at) {
            self.state().know(run, &view);
        } else {
            self.read_run(orchestrator, run, Ok(view)).await;
        }
        Ok(())
    }

    /// Tells what the journal of this run has and nobody was told. The last record that was read has the number `end`,
    /// whether or not it has an event.
    fn catch_up(&self, run: &RunId, events: Vec<Event>, end: u64) {
        let mut state = self.state();
        let known = state.known.get(run).copied().unwrap_or_default();
        let end = events.last().map_or(end, |event| event.seq.max(end));
        for (nth, event) in numbered(events) {
            if !known.has(event.seq, nth) {
                self.append(&mut state, Arc::new(event));
            }
        }
        let known = state.known.entry(run.clone()).or_default();
        if known.seq <= end {
            *known = Known { seq: end, told: 0, whole: true };
        }
    }

    fn tell(&self, event: Arc<Event>) {
        let mut state = self.state();
        if event.live {
            // Nobody listens: that is fine.
            let _ = self.0.listeners.send(Told::Event(None, event));
            return;
        }
        let known = state.known.get(&event.run).copied().unwrap_or_default();
        // The stream of one orchestrator says nothing twice: what repeats a number is the record's next event.
        let nth = if event.seq == known.seq { known.told } else { 0 };
        if !known.has(event.seq, nth) {
            self.append(&mut state, event);
        }
    }

    fn append(&self, state: &mut State, event: Arc<Event>) {
        let known = state.known.entry(event.run.clone()).or_default();
        let nth = if known.seq == event.seq { known.told } else { 0 };
        *known = Known { seq: event.seq, told: nth + 1, whole: false };
        state.last += 1;
        state.order.push_back(Place { run: event.run.clone(), seq: event.seq, nth });
        if state.order.len() > ORDER {
            state.order.pop_front();
        }
        let _ = self.0.listeners.send(Told::Event(Some(state.last), event));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each event with its place among those of the same record.
pub(super) fn numbered(events: Vec<Event>) -> impl Iterator<Item = (usize, Event)> {
    let mut before = (0, 0);
    events.into_iter().map(move |event| {
        let nth = if before.0 == event.seq { before.1 + 1 } else { 0 };
        before = (event.seq, nth);
        (nth, event)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The order of a bounded number of events is remembered; whoever asks for more is told that some is forgotten.
    #[test]
    fn what_was_told_too_long_ago_is_forgotten() {
        let feed = Feed::new();
        let all = ORDER as u64 + 2;
        for seq in 1..=all {
            let event = json!({ "seq": seq, "at": 0, "run": "run_1", "type": "run.paused" });
            feed.tell(Arc::new(serde_json::from_value(event).unwrap()));
        }
        assert_eq!(feed.since(1), None, "the second is forgotten");
        let kept = feed.since(2).unwrap();
        assert_eq!((kept.len(), kept[0].0, kept[ORDER - 1].0), (ORDER, 3, all));
        assert_eq!(kept[0].1.seq, 3);
        assert_eq!(feed.since(all), Some(Vec::new()));
        assert_eq!(feed.since(all + 1), None, "what was never told is of no service that is known");
    }
}
