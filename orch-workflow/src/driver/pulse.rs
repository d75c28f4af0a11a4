//! Time in which this process did not run, because it was stopped or its machine slept.
//!
//! No clock tells of it, so it is noticed by what should have happened meanwhile. What a drive does every quarter of a
//! second anyway, to look for requests, is the beat; there is no timer for this alone.

use std::{
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// The longest that a process which runs goes without a beat.
pub(super) const BEAT: Duration = Duration::from_millis(250);
/// A process that is only busy is late by less.
const LATE: Duration = Duration::from_secs(1);

/// Shared by the parts of one drive.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Mutex<Beats>>);

#[derive(Debug)]
struct Beats {
    last: Instant,
    /// What nobody has asked for yet.
    missed: Duration,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Beats { last: Instant::now(), missed: Duration::ZERO })))
    }

    /// Waits for something, and beats meanwhile. Cancel safe if `call` is.
    pub(super) async fn during<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        loop {
            let done = tokio::select! {
                biased;
                done = &mut call => Some(done),
                () = sleep(BEAT) => None,
            };
            drop(self.beat());
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// For how long the process did not run, up to now, since this was asked last; never too short.
    pub(super) fn missed(&self) -> Duration {
        mem::take(&mut self.beat().missed)
    }

    fn beat(&self) -> MutexGuard<'_, Beats> {
        let mut beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = mem::replace(&mut beats.last, Instant::now()).elapsed();
        if since >= BEAT + LATE {
            beats.missed += since;
        }
        beats
    }
}
