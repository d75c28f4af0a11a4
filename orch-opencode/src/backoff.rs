//! Growing, jittered waiting times, so that many clients of one host do not return all at once.

use std::time::Duration;

use crate::id::random;

/// The waiting times of one series of failures.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    first: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, first, longest }
    }

    /// The next waiting time: between half and the whole of a span that doubles up to the longest.
    pub(crate) fn wait(&mut self) -> Duration {
        let span = self.next;
        self.next = (span * 2).min(self.longest);
        let half = span / 2;
        let jitter = random() % (u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1));
        half + Duration::from_micros(jitter)
    }

    /// The series is over.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_up_to_the_longest_and_starts_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for (least, most) in [(50, 100), (100, 200), (175, 350), (175, 350)] {
            let wait = backoff.wait();
            assert!(wait >= Duration::from_millis(least) && wait <= Duration::from_millis(most), "{wait:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(100));
    }
}
