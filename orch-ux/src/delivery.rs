//! Brings actions to a frontend without ever waiting for it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tracing::debug;

use crate::{
    action::{Notice, UxAction},
    error::Error,
    frontend::Frontend,
};

/// So many actions may wait; what comes on top is dropped.
const QUEUE: usize = 64;
/// So many more may be held back until the frontend is no longer busy; the oldest gives way.
const HELD: usize = 16;
/// How often those are tried again. Nothing wakes up while there are none.
const RETRY: Duration = Duration::from_secs(3);
/// One action may take this long.
const CALL: Duration = Duration::from_secs(2);

/// A task that shows actions one after the other, in order.
///
/// A frontend that is slow, gone or panics costs only what it would have shown. What would disturb a place that is
/// busy is held back and tried again, in order for each session. Dropping the delivery stops it at once;
/// [`finish`](Self::finish) lets it show what is left.
#[derive(Debug)]
pub struct Delivery {
    queue: mpsc::Sender<UxAction>,
    counts: Arc<Counts>,
    /// Owns the task: it is aborted when this is dropped.
    task: JoinSet<()>,
}

/// What became of the actions of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Delivered {
    /// Shown by the frontend.
    pub shown: u64,
    /// Failed, panicked or took too long.
    pub failed: u64,
    /// Never shown: the queue was full, the frontend stayed busy, or time was up at the end.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counts {
    offered: AtomicU64,
    shown: AtomicU64,
    failed: AtomicU64,
}

impl Delivery {
    /// Starts the task.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(frontend: Arc<dyn Frontend>) -> Self {
        let (queue, actions) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let mut task = JoinSet::new();
        task.spawn(Courier::new(frontend, Arc::clone(&counts)).run(actions));
        Self { queue, counts, task }
    }

    /// Hands over an action and returns at once. When the frontend is too far behind, the action is dropped.
    pub fn offer(&self, action: UxAction) {
        self.counts.offered.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.queue.try_send(action) {
            debug!(%error, "an action for the frontend was dropped");
        }
    }

    /// Shows what is left, for at most `within`, and ends the task. What was held back is tried once more.
    ///
    /// Cancel safe: when dropped, the task ends at once.
    pub async fn finish(self, within: Duration) -> Delivered {
        let Self { queue, counts, mut task } = self;
        drop(queue);
        if timeout(within, task.join_next()).await.is_err() {
            debug!(?within, "the frontend did not show everything in time");
            task.shutdown().await;
        }
        counts.sum_up()
    }
}

impl Counts {
    fn sum_up(&self) -> Delivered {
        let shown = self.shown.load(Ordering::Relaxed);
        let failed = self.failed.load(Ordering::Relaxed);
        let dropped = self.offered.load(Ordering::Relaxed).saturating_sub(shown + failed);
        Delivered { shown, failed, dropped }
    }
}

/// The task of a delivery.
struct Courier {
    frontend: Arc<dyn Frontend>,
    counts: Arc<Counts>,
    held: VecDeque<Arc<UxAction>>,
    retry_at: Instant,
}

/// What became of one call.
#[derive(PartialEq, Eq)]
enum Call {
    Shown,
    Busy,
    Failed,
}

impl Courier {
    fn new(frontend: Arc<dyn Frontend>, counts: Arc<Counts>) -> Self {
        Self { frontend, counts, held: VecDeque::new(), retry_at: Instant::now() }
    }

    async fn run(mut self, mut actions: mpsc::Receiver<UxAction>) {
        loop {
            tokio::select! {
                action = actions.recv() => match action {
                    Some(action) => self.take(Arc::new(action)).await,
                    None => break,
                },
                () = sleep_until(self.retry_at), if !self.held.is_empty() => self.try_held().await,
            }
        }
        self.try_held().await;
    }

    async fn take(&mut self, action: Arc<UxAction>) {
        let overtakes = |held: &Arc<UxAction>| place(held).is_some() && place(held) == place(&action);
        if self.held.iter().any(overtakes) || self.show(&action).await == Call::Busy {
            self.hold(action);
        }
    }

    async fn try_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        for action in held {
            self.take(action).await;
        }
    }

    fn hold(&mut self, action: Arc<UxAction>) {
        if self.held.is_empty() {
            self.retry_at = Instant::now() + RETRY;
        }
        if self.held.len() == HELD {
            self.held.pop_front();
            debug!("an action was held back for too long and dropped");
        }
        self.held.push_back(action);
    }

    async fn show(&self, action: &Arc<UxAction>) -> Call {
        let call = call(Arc::clone(&self.frontend), Arc::clone(action)).await;
        match call {
            Call::Shown => self.counts.shown.fetch_add(1, Ordering::Relaxed),
            Call::Failed => self.counts.failed.fetch_add(1, Ordering::Relaxed),
            Call::Busy => 0,
        };
        call
    }
}

/// Where an action goes, if that is a place in which order matters.
fn place(action: &UxAction) -> Option<&str> {
    match action {
        UxAction::Notice(Notice { session, .. }) => Some(session),
        _ => None,
    }
}

/// One call, in a task of its own so that its panic ends nothing else.
async fn call(frontend: Arc<dyn Frontend>, action: Arc<UxAction>) -> Call {
    let mut call = JoinSet::new();
    call.spawn(async move { frontend.show(&action).await });
    match timeout(CALL, call.join_next()).await {
        Ok(Some(Ok(Ok(())))) => return Call::Shown,
        Ok(Some(Ok(Err(Error::Busy { place })))) => {
            debug!(place, "the frontend is busy");
            return Call::Busy;
        }
        Ok(Some(Ok(Err(error)))) => debug!(%error, code = error.code(), "the frontend failed"),
        Ok(Some(Err(error))) => debug!(%error, "the frontend broke off"),
        Ok(None) => {}
        Err(_) => debug!(limit = ?CALL, "the frontend took too long"),
    }
    Call::Failed
}
