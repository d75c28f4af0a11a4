//! The durable store: one SQLite database per directory, shared by any number of processes.
//!
//! Write-ahead log and `synchronous = FULL`: what was appended survives a power cut. Every method is one
//! transaction on a thread for blocking work; a dropped future does not stop it.

mod database;
mod journal;
mod lease;
mod requests;
mod schema;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;

use self::database::Database;
use super::{Holder, Lease, Owner, RequestId, RunEntry, RunStore, StoreError, check_continues};
use crate::{
    attempt::{RunId, Timestamp},
    decision::{Reply, Request},
    record::Record,
};

/// A store in a directory of its own, readable by its user alone: the directory has mode 0700, its files 0600.
///
/// Must be used inside a Tokio runtime.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Opens the store in `directory`, and makes both when they are not there yet.
    ///
    /// # Errors
    /// [`StoreError::TooNew`], [`StoreError::Corrupt`], or [`StoreError::Unavailable`] with the system's reason.
    pub async fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(directory.into()).await? })
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.database.path()
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path()).finish_non_exhaustive()
    }
}

#[async_trait]
impl RunStore for SqliteStore {
    async fn create(
        &self,
        run: &RunId,
        records: &[Record],
        owner: &Owner,
        now: Timestamp,
    ) -> Result<Lease, StoreError> {
        check_continues(run, 0, records)?;
        let (run, owner, rows) = (run.clone(), owner.clone(), journal::Rows::of(records)?);
        self.database
            .write(move |tx| {
                let key = journal::create(tx, &run, &rows)?;
                lease::take(tx, key, &run, &owner, now)
            })
            .await
    }

    async fn append(
        &self,
        lease: &Lease,
        records: &[Record],
        replies: &[(RequestId, Reply)],
    ) -> Result<(), StoreError> {
        if let Some(first) = records.first() {
            check_continues(&lease.run, first.seq.saturating_sub(1), records)?;
        }
        let (lease, rows, replies) = (lease.clone(), journal::Rows::of(records)?, replies.to_vec());
        self.database
            .write(move |tx| {
                let key = lease::check(tx, &lease)?;
                journal::append(tx, key, &lease.run, &rows)?;
                requests::reply(tx, key, &replies)
            })
            .await
    }

    async fn load(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        let run = run.clone();
        self.database.read(move |tx| journal::load(tx, &run, after)).await
    }

    async fn list(&self) -> Result<Vec<RunEntry>, StoreError> {
        self.database.read(journal::list).await
    }

    async fn remove(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        let run = run.clone();
        self.database
            .write(move |tx| match lease::holder(tx, &run, now) {
                Ok(Some(holder)) if holder.alive => Err(holder.locked(&run).into()),
                Ok(_) => journal::remove(tx, &run),
                Err(database::Fault::Store(StoreError::UnknownRun(_))) => Ok(()),
                Err(error) => Err(error),
            })
            .await
    }

    async fn acquire(&self, run: &RunId, owner: &Owner, now: Timestamp) -> Result<Lease, StoreError> {
        let (run, owner) = (run.clone(), owner.clone());
        self.database
            .write(move |tx| {
                if let Some(holder) = lease::holder(tx, &run, now)? {
                    holder.yield_to(&run, &owner, now)?;
                }
                let key = journal::key(tx, &run)?;
                lease::take(tx, key, &run, &owner, now)
            })
            .await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.database.write(move |tx| lease::renew(tx, &lease, now)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.database.write(move |tx| lease::release(tx, &lease)).await
    }

    async fn holder(&self, run: &RunId, now: Timestamp) -> Result<Option<Holder>, StoreError> {
        let run = run.clone();
        self.database.read(move |tx| lease::holder(tx, &run, now)).await
    }

    async fn post(&self, run: &RunId, request: &Request, now: Timestamp) -> Result<RequestId, StoreError> {
        let (run, request) = (run.clone(), request.clone());
        self.database.write(move |tx| requests::post(tx, &run, &request, now)).await
    }

    async fn requests(&self, run: &RunId) -> Result<Vec<(RequestId, Request)>, StoreError> {
        let run = run.clone();
        self.database.read(move |tx| requests::open(tx, &run)).await
    }

    async fn reply_to(&self, run: &RunId, request: RequestId) -> Result<Option<Reply>, StoreError> {
        let run = run.clone();
        self.database.read(move |tx| requests::reply_to(tx, &run, request)).await
    }
}
