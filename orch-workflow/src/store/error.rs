//! Why a store refuses, and what may be done about it.

use std::path::PathBuf;

use orch_config::private::{self, NotYours};

use super::Owner;
use crate::attempt::{RunId, Timestamp};

/// Why a store refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No such run.
    #[error("no run {0} in this store; `orch runs` lists them")]
    UnknownRun(RunId),
    /// The run exists already.
    #[error("run {0} exists already")]
    Exists(RunId),
    /// A live process drives the run.
    #[error("run {run} is driven by process {} on {}", .owner.pid, .owner.host)]
    Locked {
        /// The run.
        run: RunId,
        /// Who.
        owner: Box<Owner>,
        /// Since when.
        since: Timestamp,
    },
    /// The lease has passed to another process.
    #[error("run {0} has been taken over by another process")]
    Fenced(RunId),
    /// The journal has moved on.
    #[error("the journal of run {run} ends at {found}, not at {expected}")]
    Conflict {
        /// The run.
        run: RunId,
        /// Where it was expected to end.
        expected: u64,
        /// Where it ends.
        found: u64,
    },
    /// The store was written by a newer version.
    #[error("the store at {} has format {found}, this version reads up to {supported}: use a newer orch", .path.display())]
    TooNew {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        supported: u32,
    },
    /// What the store holds does not make sense.
    #[error("the store is damaged at {place}: {reason}")]
    Corrupt {
        /// Where.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The store is another user's.
    #[error("open the store: {0}")]
    NotYours(NotYours),
    /// The store's medium failed: full, read-only, locked, gone.
    #[error("cannot {action} the store at {}: {reason}", .path.display())]
    Unavailable {
        /// What was tried: `open`, `read`, `write`.
        action: &'static str,
        /// The store.
        path: PathBuf,
        /// The cause, in its own words.
        reason: String,
        /// Whether trying again may help.
        transient: bool,
    },
    /// The store did not answer in time. A write may have taken place.
    #[error("the store did not answer within {waited_ms} ms")]
    Silent {
        /// How long it was waited for.
        waited_ms: u64,
    },
}

impl StoreError {
    /// A stable machine code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRun(_) => "orch::run::unknown",
            Self::Exists(_) => "orch::run::exists",
            Self::Locked { .. } => "orch::run::locked",
            Self::Fenced(_) => "orch::run::fenced",
            Self::Conflict { .. } => "orch::store::conflict",
            Self::TooNew { .. } => "orch::store::too-new",
            Self::Corrupt { .. } => "orch::store::corrupt",
            Self::NotYours(_) => private::CODE,
            Self::Unavailable { .. } | Self::Silent { .. } => "orch::store::unavailable",
        }
    }

    /// Whether the same call may succeed a moment later, with nobody doing anything about it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { transient: true, .. } | Self::Silent { .. })
    }
}
