//! One run's journal and lease, from its owner's side, with patience for a store that fails for a moment.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    clock::WallClock,
    pulse::{self, Pulse},
};
use crate::{
    attempt::RunId,
    decision::{Reply, Request},
    port::Locator,
    record::{Record, RecordBody},
    store::{HEARTBEAT_MS, Lease, RequestId, RunStore, StoreError},
};

/// How long one call may take before it counts as failed.
const CALL_LIMIT_MS: u64 = 6_000;
/// How long a failing store is tried again: well below the time after which the lease would expire.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often the store is asked for requests of other processes.
const LOOK: Duration = pulse::BEAT;

/// The owner's side of one run in a store.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) store: Arc<dyn RunStore>,
    pub(super) lease: Lease,
    pub(super) wall: WallClock,
    /// Beaten by the looks for requests.
    pub(super) pulse: Pulse,
}

impl Ledger {
    /// Makes records and replies durable. A store that fails for a moment is tried again for a while.
    pub(super) async fn append(
        &self,
        records: &[Record],
        replies: &[(RequestId, Reply)],
    ) -> Result<(), StoreError> {
        failpoint!(appending(records, replies));
        self.append_patiently(records, replies).await?;
        failpoint!(appended(records, replies));
        Ok(())
    }

    async fn append_patiently(
        &self,
        records: &[Record],
        replies: &[(RequestId, Reply)],
    ) -> Result<(), StoreError> {
        let mut patience = Patience::new();
        let mut tried = false;
        loop {
            let error = match answer(self.store.append(&self.lease, records, replies)).await {
                Ok(()) => return Ok(()),
                // An earlier try got through although its answer did not.
                Err(StoreError::Conflict { .. }) if tried && self.holds(records).await => return Ok(()),
                Err(error) => error,
            };
            tried = true;
            if !patience.lasts(&error).await {
                return Err(error);
            }
            tracing::warn!(run = %self.lease.run, %error, "the store failed; trying again");
        }
    }

    /// Gives the lease back, as well as it can be done.
    pub(super) async fn release(&self) {
        failpoint!(before("release"));
        self.release_patiently().await;
        failpoint!(after("release"));
    }

    async fn release_patiently(&self) {
        let mut patience = Patience::new();
        while let Err(error) = answer(self.store.release(&self.lease)).await {
            if !patience.lasts(&error).await {
                tracing::warn!(run = %self.lease.run, %error, "the lease could not be given back; it will expire");
                return;
            }
        }
    }

    /// Renews the lease for ever. Returns only when the run has been taken over or is gone.
    pub(super) async fn keep_lease(&self) -> StoreError {
        loop {
            sleep(Duration::from_millis(HEARTBEAT_MS)).await;
            failpoint!(before("renew"));
            let renewed = answer(self.store.renew(&self.lease, self.wall.now())).await;
            failpoint!(after("renew"));
            match renewed {
                Ok(()) => {}
                Err(error @ (StoreError::Fenced(_) | StoreError::UnknownRun(_))) => return error,
                // Every write is fenced by itself, so nothing is lost if this goes on.
                Err(error) => {
                    tracing::warn!(run = %self.lease.run, %error, "the lease could not be renewed");
                }
            }
        }
    }

    /// Where the prompts of this run went, and where those of all other runs went that have not ended.
    pub(super) async fn placed(&self) -> Result<(Vec<Locator>, Vec<Locator>), StoreError> {
        let own = locators(&*self.store, &self.lease.run).await?;
        let mut others = Vec::new();
        for entry in answer(self.store.list()).await? {
            if entry.run != self.lease.run && entry.finished_at.is_none() {
                others.extend(locators(&*self.store, &entry.run).await?);
            }
        }
        Ok((own, others))
    }

    /// What other processes have posted and nobody has replied to.
    pub(super) async fn requests(&self) -> Result<Vec<(RequestId, Request)>, StoreError> {
        answer(self.store.requests(&self.lease.run)).await
    }

    /// Looks for posted requests for ever, and passes them on, again and again until they are replied to.
    pub(super) async fn watch_requests(&self, found: mpsc::Sender<Box<(RequestId, Request)>>) {
        let (pulse, mut readable) = (&self.pulse, true);
        loop {
            pulse.during(sleep(LOOK)).await;
            let requests = pulse.during(self.requests()).await;
            if let Err(error) = &requests
                && readable
            {
                tracing::warn!(run = %self.lease.run, %error, "posted requests cannot be read");
            }
            readable = requests.is_ok();
            for request in requests.unwrap_or_default() {
                // The task that listens ends this future when it ends.
                let _ = pulse.during(found.send(Box::new(request))).await;
            }
        }
    }

    async fn holds(&self, records: &[Record]) -> bool {
        let Some(first) = records.first() else { return true };
        let found = answer(self.store.load(&self.lease.run, first.seq.saturating_sub(1))).await;
        found.is_ok_and(|found| found == records)
    }
}

/// Where the prompts of a run went, in the words of whoever placed them, oldest first.
pub(super) async fn locators(store: &dyn RunStore, run: &RunId) -> Result<Vec<Locator>, StoreError> {
    let placed = |record: Record| match record.body {
        RecordBody::Placed { locator, .. } => Some(locator),
        _ => None,
    };
    Ok(answer(store.load(run, 0)).await?.into_iter().filter_map(placed).collect())
}

/// The store's answer, or [`StoreError::Silent`] when it takes too long.
pub(super) async fn answer<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(Duration::from_millis(CALL_LIMIT_MS), call).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Silent { waited_ms: CALL_LIMIT_MS }),
    }
}

/// How often and how long a failing store is tried again.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { until: Instant::now() + PATIENCE, pause: FIRST_PAUSE }
    }

    /// Whether to try again after `error`; waits before it says yes.
    async fn lasts(&mut self, error: &StoreError) -> bool {
        if !error.is_transient() || Instant::now() + self.pause >= self.until {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}
