//! What can go wrong with a run beside the work itself, and what may be done about it.

use crate::{
    attempt::RunId,
    decision::Rejected,
    history::{ForkError, HistoryError},
    machine::ReplayError,
    store::{Owner, StoreError},
};

/// Why an engine could not do what it was asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The run refuses; nothing changed.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The store refuses or failed. When this ends a drive, the work in flight was aborted, unless the run had
    /// been taken over.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal does not make a run.
    #[error("the journal of run {run} cannot be replayed: {source}")]
    Journal {
        /// The run.
        run: RunId,
        /// What is wrong with it.
        source: ReplayError,
    },
    /// The run has no such past.
    #[error(transparent)]
    History(HistoryError),
    /// The run cannot be forked there.
    #[error(transparent)]
    Fork(ForkError),
    /// The process that drives the run did not take up a request in time.
    #[error(
        "process {} on {} drives run {run} and did not take up the request within {waited_ms} ms; \
         it stays posted and takes effect when the process looks again",
        .owner.pid,
        .owner.host
    )]
    NoReply {
        /// The run.
        run: RunId,
        /// Who drives it.
        owner: Box<Owner>,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// The engine was shut down; the run can be continued.
    #[error("run {run} is no longer driven here: the engine was shut down; `orch continue {run}` goes on")]
    ShutDown {
        /// The run.
        run: RunId,
    },
    /// The system gave no random numbers to name the run with.
    #[error("cannot name a new run: {reason}")]
    Randomness {
        /// The system's reason.
        reason: String,
    },
    /// A task of the engine itself failed. A defect of ours.
    #[error("driving run {run} failed: {reason}; `orch continue {run}` goes on")]
    Internal {
        /// The run.
        run: RunId,
        /// What happened.
        reason: String,
    },
}

/// The kinds of [`EngineError`] that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// No such run, or no such moment in it.
    Unknown,
    /// Another live process drives the run.
    Locked,
    /// Another process has taken the run over.
    Fenced,
    /// The run refuses.
    Rejected,
    /// The driving process did not answer in time.
    NoReply,
    /// The engine was shut down.
    ShutDown,
    /// The store failed, or what it holds is damaged.
    Store,
    /// The engine or the system under it failed.
    Internal,
}

/// What a caller may do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// Nothing changed; the same call may succeed later.
    Retry,
    /// It may have taken effect, or still take it. Look before asking again.
    InDoubt,
    /// The same call will fail again.
    Terminal,
}

impl EngineError {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> EngineErrorKind {
        match self {
            Self::Rejected(_) => EngineErrorKind::Rejected,
            Self::Store(StoreError::UnknownRun(_))
            | Self::History(_)
            | Self::Fork(ForkError::UnknownStep { .. }) => EngineErrorKind::Unknown,
            Self::Fork(ForkError::Journal(_)) => EngineErrorKind::Store,
            Self::Fork(_) => EngineErrorKind::Rejected,
            Self::Store(StoreError::Locked { .. }) => EngineErrorKind::Locked,
            Self::Store(StoreError::Fenced(_)) => EngineErrorKind::Fenced,
            Self::Store(_) | Self::Journal { .. } => EngineErrorKind::Store,
            Self::NoReply { .. } => EngineErrorKind::NoReply,
            Self::ShutDown { .. } => EngineErrorKind::ShutDown,
            Self::Randomness { .. } | Self::Internal { .. } => EngineErrorKind::Internal,
        }
    }

    /// A stable machine code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rejected(rejected) => rejected.code(),
            Self::Store(error) => error.code(),
            Self::Journal { source: ReplayError::TooNew { .. }, .. } => "orch::store::too-new",
            Self::Journal { .. } => "orch::store::corrupt",
            Self::History(_) => "orch::run::unknown-record",
            Self::Fork(error) => error.code(),
            Self::NoReply { .. } => "orch::run::no-reply",
            Self::ShutDown { .. } => "orch::run::shut-down",
            Self::Randomness { .. } => "orch::run::randomness",
            Self::Internal { .. } => "orch::run::internal",
        }
    }

    /// What may be done about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::NoReply { .. } => Disposition::InDoubt,
            Self::Store(StoreError::Locked { .. }) | Self::ShutDown { .. } | Self::Internal { .. } => {
                Disposition::Retry
            }
            Self::Store(error) if error.is_transient() => Disposition::Retry,
            Self::Rejected(_)
            | Self::Store(_)
            | Self::Journal { .. }
            | Self::History(_)
            | Self::Fork(_)
            | Self::Randomness { .. } => Disposition::Terminal,
        }
    }
}
