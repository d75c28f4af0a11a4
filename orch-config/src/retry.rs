//! Automatic repetition of a failed step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a step is repeated by itself. One attempt means never.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub max_attempts: u32,
    /// The wait before the second attempt, in milliseconds.
    pub backoff_ms: u64,
    /// Each further wait is this many times the one before.
    pub factor: f64,
    /// The longest wait, in milliseconds.
    pub max_backoff_ms: u64,
    /// Which failures are repeated.
    pub on: Vec<RetryClass>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            backoff_ms: 1_000,
            factor: 2.0,
            max_backoff_ms: 60_000,
            on: vec![RetryClass::Transient, RetryClass::RateLimited],
        }
    }
}

impl Retry {
    /// The wait before the next attempt when so many have been made, in milliseconds.
    #[must_use]
    pub fn wait_ms(&self, tries: u32) -> u64 {
        let exponent = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = self.backoff_ms as f64 * self.factor.max(1.0).powi(exponent);
        wait.min(self.max_backoff_ms as f64) as u64
    }
}

/// The failures that may be repeated by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryClass {
    /// The host was unreachable, the worker was lost, the provider failed for the moment.
    Transient,
    /// The provider refused for now; the wait lasts until it accepts calls again.
    RateLimited,
}
