//! Why a frontend did not show something.

use std::error::Error as StdError;

/// A frontend could not carry out an action. It never matters to a run: the delivery traces it and goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The frontend refused, or could not be reached.
    #[error("show in {frontend}: {message}")]
    Frontend {
        /// Which frontend.
        frontend: String,
        /// What went wrong.
        message: String,
        /// The frontend's own error.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
}

impl Error {
    /// A failure in the frontend's own words.
    pub fn frontend(frontend: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Frontend { frontend: frontend.into(), message: message.into(), source: None }
    }

    /// A stable machine code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Frontend { .. } => "orch::ux::frontend",
        }
    }
}
