//! Why a try came to nothing, and whether another one may help.

use orch_config::retry::RetryClass;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Why an attempt has no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The step's active time ran out; the abort is confirmed.
    Timeout,
    /// A person aborted the turn, in the host or here.
    Aborted,
    /// The model or its provider failed.
    Model,
    /// The provider refused for now; `reset_at` says until when.
    RateLimited,
    /// The host or the provider refused the credentials.
    Auth,
    /// The conversation no longer fits the model.
    ContextOverflow,
    /// The provider's filter withheld the answer.
    ContentFilter,
    /// The answer hit the model's output limit.
    Length,
    /// The structured output is invalid, after the repair too.
    OutputInvalid,
    /// The worker went round in circles and was stopped.
    Loop,
    /// The host cannot be reached.
    Unreachable,
    /// The secure connection failed.
    Tls,
    /// The worker was lost with the turn unfinished.
    WorkerLost,
    /// The worker could not be started.
    SpawnFailed,
    /// An expression or template failed at run time.
    Template,
    /// A defect of ours or of an embedded worker.
    Internal,
}

impl ErrorCode {
    /// All of them, in the order of this page.
    pub const ALL: [Self; 16] = [
        Self::Timeout,
        Self::Aborted,
        Self::Model,
        Self::RateLimited,
        Self::Auth,
        Self::ContextOverflow,
        Self::ContentFilter,
        Self::Length,
        Self::OutputInvalid,
        Self::Loop,
        Self::Unreachable,
        Self::Tls,
        Self::WorkerLost,
        Self::SpawnFailed,
        Self::Template,
        Self::Internal,
    ];
}

/// A typed failure of an attempt, with the cause in the failing party's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct AttemptError {
    /// Its class.
    pub code: ErrorCode,
    /// What happened and, where there is one, the way out.
    pub message: String,
    /// The provider's HTTP status, for [`ErrorCode::Model`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Whether the provider said that it has too much to do, in words and not by a status: for [`ErrorCode::Model`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overloaded: bool,
    /// When the provider will accept calls again, for [`ErrorCode::RateLimited`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<Timestamp>,
}

impl AttemptError {
    /// A failure without a status or a reset time.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: None, overloaded: false, reset_at: None }
    }

    /// The same failure with the provider's HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same failure of a provider that has too much to do.
    #[must_use]
    pub fn of_overload(mut self) -> Self {
        self.overloaded = true;
        self
    }

    /// The same failure with the time at which the provider accepts calls again.
    #[must_use]
    pub fn with_reset_at(mut self, at: Timestamp) -> Self {
        self.reset_at = Some(at);
        self
    }

    /// The class under which a step's `retry.on` may repeat it; `None` is never repeated automatically.
    #[must_use]
    pub fn retry_class(&self) -> Option<RetryClass> {
        match self.code {
            ErrorCode::Unreachable | ErrorCode::WorkerLost => Some(RetryClass::Transient),
            ErrorCode::Model if self.overloaded || self.status.is_some_and(|status| status >= 500) => {
                Some(RetryClass::Transient)
            }
            ErrorCode::RateLimited => Some(RetryClass::RateLimited),
            _ => None,
        }
    }
}
