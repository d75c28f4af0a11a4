//! What a scripted host does with one prompt.

use std::time::Duration;

use crate::{
    attempt::{AttemptError, Settled},
    port::Update,
};

/// The life of one prompt at a [`ScriptedHost`](super::ScriptedHost).
#[derive(Debug, Clone)]
pub struct Turn {
    pub(super) takes: Option<Duration>,
    pub(super) result: Settled,
    pub(super) updates: Vec<(Duration, Update)>,
    pub(super) fault: Option<Fault>,
}

/// What goes wrong with a prompt, or with the executor that handles it. Every fault of `send` happens once for a
/// prompt; sent again, the prompt is accepted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// `place` fails.
    PlaceFails(AttemptError),
    /// `place` panics.
    PlacePanics,
    /// `place` never returns.
    PlaceHangs,
    /// `send` is refused: the prompt certainly did not arrive.
    SendRefused(AttemptError),
    /// `send` ends in doubt.
    SendInDoubt {
        /// Whether the prompt arrived all the same.
        arrived: bool,
    },
    /// `send` panics.
    SendPanics {
        /// Whether the prompt had arrived.
        arrived: bool,
    },
    /// `send` never returns; the prompt arrives only if nobody ends the call within a minute.
    SendHangs,
    /// The task ends half-way without a result, each time; the host goes on.
    TaskEnds,
    /// `probe` cannot tell so many times.
    ProbeUnknown(u32),
    /// `probe` panics.
    ProbePanics,
    /// `abort` never returns.
    AbortHangs,
    /// `abort` fails.
    AbortFails(AttemptError),
    /// `abort` panics.
    AbortPanics,
    /// `delete_sessions` panics.
    DeletePanics,
}

impl Turn {
    /// The prompt is answered with `text` after a second.
    pub fn answers(text: impl Into<String>) -> Self {
        Self::settles(Settled::answer(text))
    }

    /// The prompt fails after a second.
    #[must_use]
    pub fn fails(error: AttemptError) -> Self {
        Self::settles(Settled::failed(error))
    }

    /// The prompt settles like this after a second.
    #[must_use]
    pub fn settles(result: Settled) -> Self {
        Self { takes: Some(Duration::from_secs(1)), result, updates: Vec::new(), fault: None }
    }

    /// The prompt is never answered.
    #[must_use]
    pub fn hangs() -> Self {
        Self { takes: None, ..Self::answers("") }
    }

    /// How long it takes.
    #[must_use]
    pub fn after(mut self, takes: Duration) -> Self {
        self.takes = Some(takes);
        self
    }

    /// What the worker reports meanwhile, and when.
    #[must_use]
    pub fn reports(mut self, at: Duration, update: Update) -> Self {
        self.updates.push((at, update));
        self
    }

    /// What goes wrong.
    #[must_use]
    pub fn but(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }
}
