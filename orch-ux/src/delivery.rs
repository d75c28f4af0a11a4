//! Brings actions to a frontend without ever waiting for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tracing::debug;

use crate::{action::UxAction, frontend::Frontend};

/// So many actions may wait; what comes on top is dropped.
const QUEUE: usize = 64;
/// One action may take this long.
const CALL: Duration = Duration::from_secs(2);

/// A task that shows actions one after the other, in order.
///
/// A frontend that is slow, gone or panics costs only what it would have shown. Dropping the delivery stops it
/// at once; [`finish`](Self::finish) lets it show what is left.
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
    /// Never tried: the queue was full, or time was up at the end.
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
        task.spawn(deliver(frontend, actions, Arc::clone(&counts)));
        Self { queue, counts, task }
    }

    /// Hands over an action and returns at once. When the frontend is too far behind, the action is dropped.
    pub fn offer(&self, action: UxAction) {
        self.counts.offered.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.queue.try_send(action) {
            debug!(%error, "an action for the frontend was dropped");
        }
    }

    /// Shows what is left, for at most `within`, and ends the task.
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

async fn deliver(frontend: Arc<dyn Frontend>, mut actions: mpsc::Receiver<UxAction>, counts: Arc<Counts>) {
    while let Some(action) = actions.recv().await {
        let shown = show(Arc::clone(&frontend), action).await;
        let count = if shown { &counts.shown } else { &counts.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// One call, in a task of its own so that its panic ends nothing else.
async fn show(frontend: Arc<dyn Frontend>, action: UxAction) -> bool {
    let mut call = JoinSet::new();
    call.spawn(async move { frontend.show(&action).await });
    match timeout(CALL, call.join_next()).await {
        Ok(Some(Ok(Ok(())))) => return true,
        Ok(Some(Ok(Err(error)))) => debug!(%error, "the frontend failed"),
        Ok(Some(Err(error))) => debug!(%error, "the frontend broke off"),
        Ok(None) => {}
        Err(_) => debug!(limit = ?CALL, "the frontend took too long"),
    }
    false
}
