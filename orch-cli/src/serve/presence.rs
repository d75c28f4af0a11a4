//! Who needs the service: requests, open event streams, runs at work. With nobody left it ends.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Counts who is here.
#[derive(Debug, Clone)]
pub(super) struct Presence(Arc<watch::Sender<State>>);

#[derive(Debug, Clone, Copy)]
struct State {
    here: usize,
    /// When somebody last came or went.
    changed_at: Instant,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State { here: 0, changed_at: Instant::now() })))
    }

    /// Somebody is here as long as this is held.
    pub(super) fn enter(&self) -> Stay {
        self.change(|here| here + 1);
        Stay(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.borrow().here
    }

    /// Returns when nobody has been here for this long.
    pub(super) async fn empty_for(&self, linger: Duration) {
        let mut states = self.0.subscribe();
        loop {
            let State { here, changed_at } = *states.borrow_and_update();
            let enough = async {
                match here {
                    0 => sleep_until(changed_at + linger).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                () = enough => return,
                // It cannot close: the sender is ours.
                _ = states.changed() => {}
            }
        }
    }

    fn change(&self, count: impl FnOnce(usize) -> usize) {
        self.0.send_modify(|state| *state = State { here: count(state.here), changed_at: Instant::now() });
    }
}

/// A place taken.
#[derive(Debug)]
pub(super) struct Stay(Presence);

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.change(|here| here.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_the_last_one_has_been_gone_for_long_enough() {
        let presence = Presence::new();
        let (one, other) = (presence.enter(), presence.enter());
        let begun = Instant::now();
        let gone = tokio::spawn({
            let presence = presence.clone();
            async move { presence.empty_for(LINGER).await }
        });
        tokio::time::sleep(LINGER * 10).await;
        drop(one);
        tokio::time::sleep(LINGER * 10).await;
        assert!(!gone.is_finished());
        drop(other);
        tokio::time::sleep(LINGER / 2).await;
        drop(presence.enter());
        gone.await.unwrap();
        assert_eq!(begun.elapsed(), LINGER * 20 + LINGER / 2 + LINGER);
        assert_eq!(presence.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_nobody_ever_needed_ends_too() {
        let begun = Instant::now();
        Presence::new().empty_for(LINGER).await;
        assert_eq!(begun.elapsed(), LINGER);
    }
}
