//! Why a frontend did not show something.

use std::error::Error as StdError;

use orch_opencode::{Disposition, HostError};

/// A frontend could not carry out an action. It never matters to a run: the delivery traces it and goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Showing it now would disturb; the delivery holds the action back and asks again.
    #[error("show in {place}: it is at work and would be disturbed")]
    Busy {
        /// What is at work: a session, a window.
        place: String,
    },
    /// The frontend refused, or could not be reached.
    #[error("show in {place}: {message}")]
    Frontend {
        /// Which frontend, or where in it.
        place: String,
        /// What went wrong.
        message: String,
        /// Its cause.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The OpenCode host failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Error {
    /// `place` is at work and must not be disturbed now.
    pub fn busy(place: impl Into<String>) -> Self {
        Self::Busy { place: place.into() }
    }

    /// A failure in the frontend's own words.
    pub fn frontend(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Frontend { place: place.into(), message: message.into(), source: None }
    }

    /// The same error with its cause, where the kind has room for one.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        if let Self::Frontend { source, .. } = &mut self {
            *source = Some(cause.into());
        }
        self
    }

    /// A stable machine code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "orch::ux::busy",
            Self::Frontend { .. } => "orch::ux::frontend",
            Self::Host(error) => error.code(),
        }
    }

    /// Whether a later try may help.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Busy { .. } => Disposition::Retry,
            Self::Frontend { .. } => Disposition::Terminal,
            Self::Host(error) => error.disposition(),
        }
    }
}
