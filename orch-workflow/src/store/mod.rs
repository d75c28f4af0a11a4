//! Where journals live. Small on purpose: a store that passes the conformance suite needs nothing else.
//!
//! A store keeps three things for a run: its journal, the lease of the one process that drives it, and the
//! requests that other processes have left for that process. It never looks into a record, but for one fact:
//! whether the record ends the run.

#[cfg(feature = "testing")]
pub mod conformance;
mod error;
mod lease;
mod memory;
mod owner;
mod retention;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    attempt::{RunId, Timestamp},
    decision::{Reply, Request},
    record::{Record, RecordBody},
};

pub use error::StoreError;
pub use lease::{HEARTBEAT_MS, Holder, LEASE_MS, Lease};
pub use memory::MemoryStore;
pub use owner::Owner;
pub use retention::{Retention, prune};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// Keeps the journals, leases and requests of many runs.
///
/// Times are the caller's: a store has no clock. Every method is all or nothing. Dropping a future does not undo
/// a write that has begun; [`StoreError::Conflict`] on the next append tells whether it took place.
#[async_trait]
pub trait RunStore: Send + Sync + fmt::Debug {
    /// Begins a run's journal with its first records and takes the run's lease, in one atomic write.
    ///
    /// # Errors
    /// [`StoreError::Exists`], or the store cannot be written; nothing was written.
    async fn create(
        &self,
        run: &RunId,
        records: &[Record],
        owner: &Owner,
        now: Timestamp,
    ) -> Result<Lease, StoreError>;

    /// Appends to a journal and replies to posted requests, in one atomic write: a request takes effect together
    /// with its reply, so that it can never take effect twice. Durable when this returns. Either may be empty;
    /// a reply to a request that has one already changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours, [`StoreError::Conflict`] when the journal does
    /// not end at the record before the first of these; nothing was written in either case.
    async fn append(
        &self,
        lease: &Lease,
        records: &[Record],
        replies: &[(RequestId, Reply)],
    ) -> Result<(), StoreError>;

    /// The records of a run after number `after`, in order and without gaps.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], [`StoreError::Corrupt`], or the store cannot be read.
    async fn load(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError>;

    /// The runs, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn list(&self) -> Result<Vec<RunEntry>, StoreError>;

    /// Forgets a run with everything that belongs to it. A run that is already gone is fine.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when a live process drives it, or the store cannot be written.
    async fn remove(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError>;

    /// Takes the right to drive a run.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with its owner, when a live process has it.
    async fn acquire(&self, run: &RunId, owner: &Owner, now: Timestamp) -> Result<Lease, StoreError>;

    /// Says that the owner lives.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when somebody else has taken over.
    async fn renew(&self, lease: &Lease, now: Timestamp) -> Result<(), StoreError>;

    /// Gives the right to drive back. A lease that is already gone is fine.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;

    /// Who drives a run, dead or alive, and whether that owner still lives. `None` for a run at rest.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], or the store cannot be read.
    async fn holder(&self, run: &RunId, now: Timestamp) -> Result<Option<Holder>, StoreError>;

    /// Leaves a request for the run's owner, or for whoever drives it next.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], or the store cannot be written.
    async fn post(&self, run: &RunId, request: &Request, now: Timestamp) -> Result<RequestId, StoreError>;

    /// The requests that nobody has replied to, oldest first.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], or the store cannot be read.
    async fn requests(&self, run: &RunId) -> Result<Vec<(RequestId, Request)>, StoreError>;

    /// What became of a request; `None` while nobody has replied to it.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], or the store cannot be read.
    async fn reply_to(&self, run: &RunId, request: RequestId) -> Result<Option<Reply>, StoreError>;
}

/// Names one posted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// A run in a store's list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunEntry {
    /// The run.
    pub run: RunId,
    /// When it ended; `None` while it may go on.
    pub finished_at: Option<Timestamp>,
}

impl RunEntry {
    /// An entry, for stores.
    #[must_use]
    pub fn new(run: RunId, finished_at: Option<Timestamp>) -> Self {
        Self { run, finished_at }
    }
}

/// When the last of `records` ends the run: at what time. For stores, to fill [`RunEntry::finished_at`].
#[must_use]
pub fn finished_at(records: &[Record]) -> Option<Timestamp> {
    let last = records.last()?;
    matches!(last.body, RecordBody::Finished { .. }).then_some(last.at)
}

/// Whether `records` continue a journal that ends at number `end`. For stores, to check an append.
///
/// # Errors
/// [`StoreError::Conflict`] when they start elsewhere, or have gaps.
pub fn check_continues(run: &RunId, end: u64, records: &[Record]) -> Result<(), StoreError> {
    for (expected, record) in (end + 1..).zip(records) {
        if record.seq != expected {
            let expected = record.seq.saturating_sub(1);
            return Err(StoreError::Conflict { run: run.clone(), expected, found: end });
        }
    }
    Ok(())
}
