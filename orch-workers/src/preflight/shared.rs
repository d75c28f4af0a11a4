//! The offer of a host, looked at once for all workers on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orch_opencode::{HostError, OpenCode};

use super::Offer;

/// What a host offered when it was last asked; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedOffer(Arc<Mutex<Option<Offer>>>);

impl SharedOffer {
    pub(crate) fn known(&self) -> Option<Offer> {
        self.lock().clone()
    }

    /// Asks the host, whatever is known.
    pub(crate) async fn ask(&self, host: &dyn OpenCode) -> Result<Offer, HostError> {
        let offer = Offer::ask(host).await?;
        *self.lock() = Some(offer.clone());
        Ok(offer)
    }

    /// The next one asks again.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    /// One value, which is whole even if a holder panicked.
    fn lock(&self) -> MutexGuard<'_, Option<Offer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
