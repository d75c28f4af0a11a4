//! Two clocks: the wall's, for leases and for people, and one that no jump of it can disturb, for deadlines.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use crate::attempt::Timestamp;

/// The time of day. Jumps when somebody sets it.
#[derive(Clone)]
pub(super) struct WallClock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl WallClock {
    pub(super) fn system() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        })
    }

    pub(super) fn new(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

/// The wall's time when a run was taken up, and monotonic time from there on.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunClock {
    wall: Timestamp,
    started: Instant,
}

impl RunClock {
    /// Never starts before `not_before`, the end of the journal: a run's time does not go back when the wall's does.
    pub(super) fn start(wall: &WallClock, not_before: Timestamp) -> Self {
        Self { wall: wall.now().max(not_before), started: Instant::now() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.wall.plus_ms(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// When `at` comes. The timer has a granularity of a millisecond, so it is never early.
    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        /// Far enough to mean never, near enough for every platform's timer.
        const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        self.started + Duration::from_millis(at.ms_since(self.wall)).min(FAR)
    }
}
