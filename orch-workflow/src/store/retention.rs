//! How long finished runs are kept.

use super::{RunStore, StoreError};
use crate::attempt::{RunId, Timestamp};

/// How long finished runs are kept. A run that is not finished is kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// The age since its end after which a run is forgotten, in milliseconds.
    pub max_age_ms: Option<u64>,
    /// How many finished runs are kept; the oldest go first.
    pub max_runs: Option<usize>,
}

/// Forgets the finished runs that `retention` no longer keeps, and names them.
///
/// # Errors
/// The store failed; what was removed until then stays removed.
pub async fn prune(
    store: &dyn RunStore,
    retention: Retention,
    now: Timestamp,
) -> Result<Vec<RunId>, StoreError> {
    let mut finished: Vec<_> = store
        .list()
        .await?
        .into_iter()
        .filter_map(|entry| entry.finished_at.map(|at| (at, entry.run)))
        .collect();
    finished.sort_by(|one, other| other.cmp(one));
    let mut removed = Vec::new();
    for (place, (at, run)) in finished.into_iter().enumerate() {
        let too_old = retention.max_age_ms.is_some_and(|max| now.ms_since(at) > max);
        let too_many = retention.max_runs.is_some_and(|max| place >= max);
        if !too_old && !too_many {
            continue;
        }
        match store.remove(&run, now).await {
            Ok(()) => removed.push(run),
            // Its driver is about to let go of it; the next time will do.
            Err(StoreError::Locked { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}
