//! The right to drive a run, and the one rule by which it passes on.

use super::{Owner, StoreError, owner::Presence};
use crate::attempt::{RunId, Timestamp};

/// How long a lease lasts without a sign of life of its owner, in milliseconds.
pub const LEASE_MS: u64 = 15_000;

/// How often an owner renews its lease, in milliseconds.
pub const HEARTBEAT_MS: u64 = 5_000;

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
    /// When the lease ends unless it is renewed.
    pub expires: Timestamp,
    /// Whether it must be taken as alive: the process is there, or the lease has not expired.
    pub alive: bool,
}

impl Holder {
    /// What a store has noted down about a lease, as it stands at `now`. For stores.
    #[must_use]
    pub fn noted(owner: Owner, since: Timestamp, expires: Timestamp, now: Timestamp) -> Self {
        let alive = match owner.presence() {
            Presence::Present => true,
            Presence::Gone => false,
            Presence::Unknown => now < expires,
        };
        Self { owner, since, expires, alive }
    }

    /// When the lease ends by itself, where the owner's process is out of sight and only time can tell.
    #[must_use]
    pub fn expires_unseen(&self) -> Option<Timestamp> {
        (self.owner.presence() == Presence::Unknown).then_some(self.expires)
    }

    /// Whether `owner` may take the lease over at `now`. For stores.
    ///
    /// From a dead owner, at once. From oneself, once it has expired: then nobody in this process renews it.
    ///
    /// # Errors
    /// [`StoreError::Locked`].
    pub fn yield_to(self, run: &RunId, owner: &Owner, now: Timestamp) -> Result<(), StoreError> {
        let ours_and_expired = self.owner == *owner && now >= self.expires;
        if self.alive && !ours_and_expired {
            return Err(self.locked(run));
        }
        Ok(())
    }

    /// The refusal that names this holder. For stores.
    #[must_use]
    pub fn locked(self, run: &RunId) -> StoreError {
        StoreError::Locked { run: run.clone(), owner: Box::new(self.owner), since: self.since }
    }
}
