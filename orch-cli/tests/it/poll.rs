//! Looks at what tells nobody that it has changed.

use std::time::Duration;

/// Seldom enough to leave the machine to what is being waited for.
const PACE: Duration = Duration::from_millis(50);

/// Ticks whenever it is time to look again, the first time at once.
pub(crate) fn looks() -> tokio::time::Interval {
    tokio::time::interval(PACE)
}

/// Looks again and again until there is something. A time limit is the caller's.
pub(crate) async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut looks = looks();
    loop {
        looks.tick().await;
        if let Some(seen) = look().await {
            return seen;
        }
    }
}

/// Looks again and again until it is so.
pub(crate) async fn until_so(mut look: impl AsyncFnMut() -> bool) {
    until(async || look().await.then_some(())).await;
}
