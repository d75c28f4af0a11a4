//! Ids in the host's shapes.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that this process has not used before.
pub(super) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
