//! A store that lives as long as its process: for tests, demos and runs that nobody wants to keep.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    Holder, LEASE_MS, Lease, Owner, RequestId, RunEntry, RunStore, StoreError, check_continues, finished_at,
};
use crate::{
    attempt::{RunId, Timestamp},
    decision::{Reply, Request},
    record::Record,
};

/// A store in memory. Several engines may share one; it ends with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    runs: Mutex<BTreeMap<RunId, Run>>,
}

#[derive(Debug, Default)]
struct Run {
    records: Vec<Record>,
    requests: Vec<(Request, Option<Reply>)>,
    epoch: u64,
    held: Option<Held>,
}

#[derive(Debug, Clone)]
struct Held {
    owner: Owner,
    since: Timestamp,
    expires: Timestamp,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<RunId, Run>> {
        // No method leaves a run half changed, so a panic elsewhere has spoilt nothing.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        run: &RunId,
        act: impl FnOnce(&mut Run) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut runs = self.runs();
        act(runs.get_mut(run).ok_or_else(|| StoreError::UnknownRun(run.clone()))?)
    }
}

impl Run {
    fn end(&self) -> u64 {
        self.records.last().map_or(0, |record| record.seq)
    }

    fn holder(&self, now: Timestamp) -> Option<Holder> {
        let held = self.held.clone()?;
        Some(Holder::noted(held.owner, held.since, held.expires, now))
    }

    fn take(&mut self, run: &RunId, owner: &Owner, now: Timestamp) -> Lease {
        self.epoch += 1;
        self.held = Some(Held { owner: owner.clone(), since: now, expires: now.plus_ms(LEASE_MS) });
        Lease { run: run.clone(), epoch: self.epoch }
    }

    fn held_by(&mut self, lease: &Lease) -> Result<&mut Held, StoreError> {
        let epoch = self.epoch;
        self.held
            .as_mut()
            .filter(|_| epoch == lease.epoch)
            .ok_or_else(|| StoreError::Fenced(lease.run.clone()))
    }
}

#[async_trait]
impl RunStore for MemoryStore {
    async fn create(
        &self,
        run: &RunId,
        records: &[Record],
        owner: &Owner,
        now: Timestamp,
    ) -> Result<Lease, StoreError> {
        check_continues(run, 0, records)?;
        let mut runs = self.runs();
        if runs.contains_key(run) {
            return Err(StoreError::Exists(run.clone()));
        }
        let mut created = Run { records: records.to_vec(), ..Run::default() };
        let lease = created.take(run, owner, now);
        runs.insert(run.clone(), created);
        Ok(lease)
    }

    async fn append(
        &self,
        lease: &Lease,
        records: &[Record],
        replies: &[(RequestId, Reply)],
    ) -> Result<(), StoreError> {
        self.with(&lease.run, |run| {
            run.held_by(lease)?;
            check_continues(&lease.run, run.end(), records)?;
            run.records.extend_from_slice(records);
            for (id, reply) in replies {
                let index = usize::try_from(id.0).unwrap_or(usize::MAX);
                if let Some((_, answered)) = run.requests.get_mut(index) {
                    answered.get_or_insert_with(|| reply.clone());
                }
            }
            Ok(())
        })
    }

    async fn load(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.with(run, |run| Ok(run.records.iter().filter(|record| record.seq > after).cloned().collect()))
    }

    async fn list(&self) -> Result<Vec<RunEntry>, StoreError> {
        let runs = self.runs();
        let entries = runs.iter().rev();
        Ok(entries.map(|(id, run)| RunEntry::new(id.clone(), finished_at(&run.records))).collect())
    }

    async fn remove(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        let mut runs = self.runs();
        match runs.get(run).and_then(|run| run.holder(now)) {
            Some(holder) if holder.alive => Err(holder.locked(run)),
            _ => {
                runs.remove(run);
                Ok(())
            }
        }
    }

    async fn acquire(&self, run: &RunId, owner: &Owner, now: Timestamp) -> Result<Lease, StoreError> {
        self.with(run, |found| {
            if let Some(holder) = found.holder(now) {
                holder.yield_to(run, owner, now)?;
            }
            Ok(found.take(run, owner, now))
        })
    }

    async fn renew(&self, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
        self.with(&lease.run, |run| {
            run.held_by(lease)?.expires = now.plus_ms(LEASE_MS);
            Ok(())
        })
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        match self.runs().get_mut(&lease.run) {
            Some(run) if run.epoch == lease.epoch => run.held = None,
            _ => {}
        }
        Ok(())
    }

    async fn holder(&self, run: &RunId, now: Timestamp) -> Result<Option<Holder>, StoreError> {
        self.with(run, |run| Ok(run.holder(now)))
    }

    async fn post(&self, run: &RunId, request: &Request, _now: Timestamp) -> Result<RequestId, StoreError> {
        self.with(run, |run| {
            run.requests.push((request.clone(), None));
            Ok(RequestId(run.requests.len() as u64 - 1))
        })
    }

    async fn requests(&self, run: &RunId) -> Result<Vec<(RequestId, Request)>, StoreError> {
        self.with(run, |run| {
            let numbered = (0..).map(RequestId).zip(&run.requests);
            let open = numbered.filter(|(_, (_, reply))| reply.is_none());
            Ok(open.map(|(id, (request, _))| (id, request.clone())).collect())
        })
    }

    async fn reply_to(&self, run: &RunId, request: RequestId) -> Result<Option<Reply>, StoreError> {
        self.with(run, |run| {
            let index = usize::try_from(request.0).unwrap_or(usize::MAX);
            Ok(run.requests.get(index).and_then(|(_, reply)| reply.clone()))
        })
    }
}
