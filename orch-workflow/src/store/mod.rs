//! Where journals live. Small on purpose: a store that passes the conformance suite needs nothing else.

use std::{fmt, path::PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    attempt::{RunId, Timestamp},
    decision::{Reply, Request},
    record::Record,
};

/// Keeps the journals, leases and requests of many runs.
#[async_trait]
pub trait RunStore: Send + Sync + fmt::Debug {
    /// Begins a run's journal with its first records and takes the run's lease, in one atomic write.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written.
    async fn create(
        &self,
        run: &RunId,
        records: &[Record],
        owner: &Owner,
        now: Timestamp,
    ) -> Result<Lease, StoreError>;

    /// Appends to a journal. The records are durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours, [`StoreError::Conflict`] when the journal does
    /// not end at the record before the first of these; nothing was written in either case.
    async fn append(&self, lease: &Lease, records: &[Record]) -> Result<(), StoreError>;

    /// The records of a run after number `after`, in order.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], [`StoreError::Corrupt`], or the store cannot be read.
    async fn load(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError>;

    /// The runs, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn list(&self) -> Result<Vec<RunId>, StoreError>;

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

    /// Who drives a run, dead or alive, and whether that owner still lives.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn holder(&self, run: &RunId, now: Timestamp) -> Result<Option<Holder>, StoreError>;

    /// Leaves a request for the run's owner.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], or the store cannot be written.
    async fn post(&self, run: &RunId, request: &Request, now: Timestamp) -> Result<RequestId, StoreError>;

    /// The requests that nobody has replied to, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn requests(&self, run: &RunId) -> Result<Vec<(RequestId, Request)>, StoreError>;

    /// Replies to a request; the owner does this.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    async fn reply(&self, lease: &Lease, request: RequestId, reply: &Reply) -> Result<(), StoreError>;

    /// What became of a request; `None` while nobody has taken it up.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn reply_to(&self, run: &RunId, request: RequestId) -> Result<Option<Reply>, StoreError>;
}

/// Names one posted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// A process that drives runs, described so exactly that another process on the same machine can tell whether
/// it still lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// When the process started, in the kernel's own units; a reused pid differs.
    pub process_start: Option<u64>,
    /// The boot of the machine.
    pub boot_id: Option<String>,
    /// The pid namespace.
    pub pid_namespace: Option<String>,
    /// The machine's name, for people.
    pub host: String,
}

/// The right to drive one run, until it expires or is taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// Rises with every owner; every write carries it.
    pub epoch: u64,
}

/// Who holds a run's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The owner.
    pub owner: Owner,
    /// Since when.
    pub since: Timestamp,
    /// Whether it must be taken as alive: the process is there, or the lease has not expired.
    pub alive: bool,
}

/// Why a store refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No such run.
    #[error("no run {0} in this store; `orch runs` lists them")]
    UnknownRun(RunId),
    /// The run exists already.
    #[error("run {0} exists already")]
    Exists(RunId),
    /// A live process drives the run.
    #[error("run {run} is driven by process {} on {}", .owner.pid, .owner.host)]
    Locked {
        /// The run.
        run: RunId,
        /// Who.
        owner: Box<Owner>,
        /// Since when.
        since: Timestamp,
    },
    /// The lease has passed to another process.
    #[error("run {0} has been taken over by another process")]
    Fenced(RunId),
    /// The journal has moved on.
    #[error("the journal of run {run} ends at {found}, not at {expected}")]
    Conflict {
        /// The run.
        run: RunId,
        /// Where it was expected to end.
        expected: u64,
        /// Where it ends.
        found: u64,
    },
    /// The store was written by a newer version.
    #[error("the store at {} has format {found}, this version reads up to {supported}: use a newer orch", .path.display())]
    TooNew {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        supported: u32,
    },
    /// What the store holds does not make sense.
    #[error("the store is damaged at {place}: {reason}")]
    Corrupt {
        /// Where.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The store's medium failed: full, read-only, locked, gone.
    #[error("cannot {action} the store at {}: {reason}", .path.display())]
    Unavailable {
        /// What was tried: `open`, `read`, `write`.
        action: &'static str,
        /// The store.
        path: PathBuf,
        /// The cause, in its own words.
        reason: String,
        /// Whether trying again may help.
        transient: bool,
    },
}
