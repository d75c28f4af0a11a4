//! Keeps toasts from becoming noise.

use std::collections::VecDeque;

use orch_workflow::attempt::Timestamp;

use crate::{action::Toast, command};

/// A toast about the same thing is not shown again for this long.
const REPEAT_MS: u64 = 30_000;
/// This many toasts may come at once.
const BURST: u64 = 4;
/// After a burst there is one more for each of these.
const REFILL_MS: u64 = 2_000;
/// People are called away from what they do at most once in this time.
const CALL_MS: u64 = 5_000;
/// Room that is kept for toasts that a person must act upon.
const RESERVED: u64 = 2;

/// How much a toast matters when there is no room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// A person is needed, or a run is over.
    Urgent,
    /// Good to know: the first to give way.
    Passing,
}

/// Lets a bounded number of toasts through and tells how many it held back. Time is that of the events.
#[derive(Debug)]
pub(crate) struct Throttle {
    shown: VecDeque<(Timestamp, String)>,
    budget_ms: u64,
    at: Timestamp,
    held_back: usize,
    called: Option<Timestamp>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            shown: VecDeque::new(),
            budget_ms: BURST * REFILL_MS,
            at: Timestamp(0),
            held_back: 0,
            called: None,
        }
    }

    /// The toast as it may be shown, or nothing.
    pub(crate) fn admit(&mut self, at: Timestamp, weight: Weight, mut toast: Toast) -> Option<Toast> {
        self.advance(at);
        if self.shown.iter().any(|(_, about)| *about == toast.about) {
            return None;
        }
        let needed = match weight {
            Weight::Urgent => 1,
            Weight::Passing => 1 + RESERVED,
        };
        if self.budget_ms < needed * REFILL_MS {
            self.held_back += 1;
            return None;
        }
        self.budget_ms -= REFILL_MS;
        self.shown.push_back((self.at, toast.about.clone()));
        if self.held_back > 0 {
            toast.message.push_str(&format!(" +{} more: {}", self.held_back, command::RUNS.form));
            self.held_back = 0;
        }
        Some(toast)
    }

    /// Whether a person may be called now.
    pub(crate) fn admit_call(&mut self, at: Timestamp) -> bool {
        self.advance(at);
        let quiet = self.called.is_none_or(|called| self.at.ms_since(called) >= CALL_MS);
        if quiet {
            self.called = Some(self.at);
        }
        quiet
    }

    /// Events of several runs are not ordered among each other, so time never runs backwards here.
    fn advance(&mut self, at: Timestamp) {
        let now = self.at.max(at);
        self.budget_ms = self.budget_ms.saturating_add(now.ms_since(self.at)).min(BURST * REFILL_MS);
        self.at = now;
        self.shown.retain(|(shown_at, _)| now.ms_since(*shown_at) < REPEAT_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Level;

    fn toast(about: &str) -> Toast {
        Toast {
            about: about.to_owned(),
            level: Level::Info,
            title: "title".to_owned(),
            message: "message".to_owned(),
            duration_ms: 1,
        }
    }

    fn message(throttle: &mut Throttle, at: u64, weight: Weight, about: &str) -> Option<String> {
        throttle.admit(Timestamp(at), weight, toast(about)).map(|toast| toast.message)
    }

    #[test]
    fn the_same_thing_is_told_once_within_its_window() {
        let mut throttle = Throttle::new();
        assert!(message(&mut throttle, 1_000, Weight::Urgent, "gate").is_some());
        assert!(message(&mut throttle, 30_999, Weight::Urgent, "gate").is_none());
        assert_eq!(message(&mut throttle, 31_000, Weight::Urgent, "gate").as_deref(), Some("message"));
    }

    #[test]
    fn a_burst_is_cut_off_and_the_next_toast_says_how_many_are_missing() {
        let mut throttle = Throttle::new();
        let shown =
            (0..7).filter(|n| message(&mut throttle, 0, Weight::Urgent, &n.to_string()).is_some()).count();
        assert_eq!(shown, 4);
        assert!(message(&mut throttle, 1_999, Weight::Urgent, "early").is_none());
        assert_eq!(
            message(&mut throttle, 2_000, Weight::Urgent, "next").as_deref(),
            Some("message +4 more: orch runs")
        );
        assert_eq!(message(&mut throttle, 4_000, Weight::Urgent, "later").as_deref(), Some("message"));
    }

    #[test]
    fn passing_toasts_leave_room_for_urgent_ones() {
        let mut throttle = Throttle::new();
        let shown =
            (0..7).filter(|n| message(&mut throttle, 0, Weight::Passing, &n.to_string()).is_some()).count();
        assert_eq!(shown, 2);
        assert!(message(&mut throttle, 0, Weight::Urgent, "gate").is_some());
        assert!(message(&mut throttle, 0, Weight::Urgent, "ask").is_some());
        assert!(message(&mut throttle, 0, Weight::Urgent, "end").is_none());
    }

    #[test]
    fn people_are_called_once_in_a_while() {
        let mut throttle = Throttle::new();
        let calls = [1_000, 2_000, 5_999, 6_000, 6_001].map(|at| throttle.admit_call(Timestamp(at)));
        assert_eq!(calls, [true, false, false, true, false]);
    }

    #[test]
    fn time_that_runs_backwards_refills_nothing_and_breaks_nothing() {
        let mut throttle = Throttle::new();
        for n in 0..4 {
            assert!(message(&mut throttle, 10_000, Weight::Urgent, &n.to_string()).is_some());
        }
        assert!(message(&mut throttle, 0, Weight::Urgent, "past").is_none());
        assert!(message(&mut throttle, 12_000, Weight::Urgent, "now").is_some());
    }
}
