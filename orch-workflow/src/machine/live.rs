//! What this process knows of the work in flight beside the journal: clocks, signs of life, what is being tried.
//!
//! None of it is durable. A process that takes a run over starts with nothing here and probes.

use crate::{
    attempt::{DispatchId, Timestamp, Usage},
    machine::effect::Effect,
    view::{ActivityView, Doing},
};

/// One dispatch that this process has an effect under way for.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    pub(crate) dispatch: DispatchId,
    pub(crate) step: usize,
    pub(crate) phase: Phase,
    pub(crate) clock: Clock,
    /// The latest sign of life.
    pub(crate) alive_at: Timestamp,
    /// The worker waits for something that costs no active time.
    pub(crate) waiting: bool,
    /// What it has used so far, as the worker says.
    pub(crate) used: Usage,
    /// How often it was sent and probed. A worker that goes round in circles is found out.
    pub(crate) sends: u32,
    pub(crate) probes: u32,
}

/// What is being tried with a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Placing,
    Working,
    Probing,
    Aborting { since: Timestamp },
}

/// Active time: runs while the worker works, stands still while it waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    spent_ms: u64,
    running_since: Option<Timestamp>,
}

impl Follow {
    pub(crate) fn new(dispatch: DispatchId, step: usize, spent_ms: u64, now: Timestamp) -> Self {
        Self {
            dispatch,
            step,
            phase: Phase::Placing,
            clock: Clock { spent_ms, running_since: None },
            alive_at: now,
            waiting: false,
            used: Usage::default(),
            sends: 0,
            probes: 0,
        }
    }

    /// An effect for this dispatch is released.
    pub(crate) fn begin(&mut self, effect: &Effect, now: Timestamp) {
        match effect {
            Effect::Place(_) => self.phase = Phase::Placing,
            Effect::Send(..) => {
                self.phase = Phase::Working;
                self.sends += 1;
            }
            Effect::Probe(..) => {
                self.phase = Phase::Probing;
                self.probes += 1;
                self.waiting = false;
            }
            Effect::Abort(..) => self.phase = Phase::Aborting { since: now },
            Effect::Answer(..) => {}
        }
        self.alive_at = now;
    }

    /// Says what the journal does not know of it.
    pub(crate) fn tell(&self, activity: &mut ActivityView) {
        match self.phase {
            Phase::Placing | Phase::Working => {}
            Phase::Probing => (activity.doing, activity.since) = (Doing::Probing, self.alive_at),
            Phase::Aborting { since } => (activity.doing, activity.since) = (Doing::Aborting, since),
        }
        activity.alive_at = Some(self.alive_at);
    }

    /// Lets the clock run or stand, as the worker works or waits.
    pub(crate) fn set_clock(&mut self, asks_open: bool, now: Timestamp) {
        let works = !self.waiting && !asks_open && !matches!(self.phase, Phase::Aborting { .. });
        match (works, self.clock.running_since) {
            (true, None) => {
                self.clock.running_since = Some(now);
                self.alive_at = now;
            }
            (false, Some(since)) => {
                self.clock.spent_ms += now.ms_since(since);
                self.clock.running_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Time up to `now` in which nobody could hear of it counts for none of its clocks.
    pub(crate) fn leave_out(&mut self, ms: u64, now: Timestamp) {
        let later = |at: Timestamp| at.plus_ms(ms).min(now);
        self.alive_at = later(self.alive_at);
        self.clock.running_since = self.clock.running_since.map(later);
        if let Phase::Aborting { since } = &mut self.phase {
            *since = later(*since);
        }
    }

    /// When its time at work runs out, if nothing happens.
    pub(crate) fn timeout_at(&self, limit_ms: u64) -> Option<Timestamp> {
        Some(self.clock.running_since?.plus_ms(limit_ms.saturating_sub(self.clock.spent_ms)))
    }

    /// When its silence is worth a remark, if it lasts.
    pub(crate) fn idle_at(&self, idle_ms: u64) -> Option<Timestamp> {
        self.clock.running_since.map(|_| self.alive_at.plus_ms(idle_ms))
    }
}

impl Clock {
    /// Time at work up to `running_since`.
    pub(crate) fn spent_ms(&self) -> u64 {
        self.spent_ms
    }

    /// Since when it has been running, if it runs.
    pub(crate) fn running_since(&self) -> Option<Timestamp> {
        self.running_since
    }

    pub(crate) fn active_ms(&self, now: Timestamp) -> u64 {
        self.spent_ms + self.running_since.map_or(0, |since| now.ms_since(since))
    }
}
