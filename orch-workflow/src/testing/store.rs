//! A store that fails on demand.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    attempt::{RunId, Timestamp},
    decision::{Reply, Request},
    record::Record,
    store::{Holder, Lease, Owner, RequestId, RunEntry, RunStore, StoreError},
};

/// Another store, with faults on top.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn RunStore>,
    faults: Mutex<HashMap<u64, StoreFault>>,
    appends: AtomicU64,
    full: AtomicBool,
    severed: watch::Sender<bool>,
}

/// What happens to one append.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StoreFault {
    /// It fails like this; nothing is written.
    Fails(StoreError),
    /// It panics; nothing is written.
    Panics,
    /// It never returns; nothing is written.
    Hangs,
    /// It is written, but never returns.
    LosesItsAnswer,
    /// It is not written, and nothing reaches the store any more, as if the process had died here.
    CrashesBefore,
    /// It is written, but nothing that follows is, as if the process had died here.
    CrashesAfter,
}

impl FaultyStore {
    /// `inner` without faults.
    pub fn new(inner: Arc<dyn RunStore>) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
            appends: AtomicU64::new(0),
            full: AtomicBool::new(false),
            severed: watch::Sender::new(false),
        }
    }

    /// The same store with a fault at its append number `number`, from 1. Tries are counted one by one.
    #[must_use]
    pub fn with(self, number: u64, fault: StoreFault) -> Self {
        self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(number, fault);
        self
    }

    /// How often an append was tried: commits, as long as nothing fails.
    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::SeqCst)
    }

    /// Fills the disk: every append fails until [`make_room`](Self::make_room).
    pub fn fill(&self) {
        self.full.store(true, Ordering::SeqCst);
    }

    /// Ends what [`fill`](Self::fill) began.
    pub fn make_room(&self) {
        self.full.store(false, Ordering::SeqCst);
    }

    /// Cuts the connection: no call returns any more, and none does anything.
    pub fn sever(&self) {
        self.severed.send_replace(true);
    }

    /// Waits until the connection was cut.
    pub async fn severed(&self) {
        // The sender is in this very store, so the wait can only end with what it waits for.
        let _ = self.severed.subscribe().wait_for(|severed| *severed).await;
    }

    async fn reach(&self) -> &dyn RunStore {
        if *self.severed.borrow() {
            std::future::pending::<()>().await;
        }
        &*self.inner
    }
}

#[async_trait]
#[expect(clippy::panic, reason = "a scripted panic")]
impl RunStore for FaultyStore {
    async fn append(
        &self,
        lease: &Lease,
        records: &[Record],
        replies: &[(RequestId, Reply)],
    ) -> Result<(), StoreError> {
        let store = self.reach().await;
        let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable {
                action: "write",
                path: "/full".into(),
                reason: "no space left on device".to_owned(),
                transient: true,
            });
        }
        let fault = self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&number);
        match fault {
            None => store.append(lease, records, replies).await,
            Some(StoreFault::Fails(error)) => Err(error),
            Some(StoreFault::Panics) => panic!("scripted in append"),
            Some(StoreFault::Hangs) => std::future::pending().await,
            Some(StoreFault::LosesItsAnswer) => {
                store.append(lease, records, replies).await?;
                std::future::pending().await
            }
            Some(StoreFault::CrashesBefore) => {
                self.sever();
                std::future::pending().await
            }
            Some(StoreFault::CrashesAfter) => {
                store.append(lease, records, replies).await?;
                self.sever();
                std::future::pending().await
            }
        }
    }

    async fn create(
        &self,
        run: &RunId,
        records: &[Record],
        owner: &Owner,
        now: Timestamp,
    ) -> Result<Lease, StoreError> {
        self.reach().await.create(run, records, owner, now).await
    }

    async fn load(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.reach().await.load(run, after).await
    }

    async fn list(&self) -> Result<Vec<RunEntry>, StoreError> {
        self.reach().await.list().await
    }

    async fn remove(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        self.reach().await.remove(run, now).await
    }

    async fn acquire(&self, run: &RunId, owner: &Owner, now: Timestamp) -> Result<Lease, StoreError> {
        self.reach().await.acquire(run, owner, now).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
        self.reach().await.renew(lease, now).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.reach().await.release(lease).await
    }

    async fn holder(&self, run: &RunId, now: Timestamp) -> Result<Option<Holder>, StoreError> {
        self.reach().await.holder(run, now).await
    }

    async fn post(&self, run: &RunId, request: &Request, now: Timestamp) -> Result<RequestId, StoreError> {
        self.reach().await.post(run, request, now).await
    }

    async fn requests(&self, run: &RunId) -> Result<Vec<(RequestId, Request)>, StoreError> {
        self.reach().await.requests(run).await
    }

    async fn reply_to(&self, run: &RunId, request: RequestId) -> Result<Option<Reply>, StoreError> {
        self.reach().await.reply_to(run, request).await
    }
}
