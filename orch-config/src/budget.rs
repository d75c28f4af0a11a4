//! Bounds of tokens, money and time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run or a step may spend. A bound that is not given does not bind.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Budget {
    /// Tokens of all kinds that the provider bills, child sessions included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// US dollars, as the host reports them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<f64>,
    /// Time at work, in milliseconds: waiting for people and limits does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_active_ms: Option<u64>,
}

impl Budget {
    /// The same, but no bound above that of `cap`.
    #[must_use]
    pub fn capped(self, cap: Self) -> Self {
        let lower = |own: Option<u64>, cap: Option<u64>| own.into_iter().chain(cap).min();
        Self {
            max_tokens: lower(self.max_tokens, cap.max_tokens),
            max_cost_usd: self.max_cost_usd.into_iter().chain(cap.max_cost_usd).reduce(f64::min),
            max_active_ms: lower(self.max_active_ms, cap.max_active_ms),
        }
    }

    /// This budget with the bounds of `later` in the place of its own.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            max_tokens: later.max_tokens.or(self.max_tokens),
            max_cost_usd: later.max_cost_usd.or(self.max_cost_usd),
            max_active_ms: later.max_active_ms.or(self.max_active_ms),
        }
    }

    /// Whether every bound is a number above nothing.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.max_tokens != Some(0)
            && self.max_active_ms != Some(0)
            && self.max_cost_usd.is_none_or(|cost| cost.is_finite() && cost > 0.0)
    }

    /// Whether nothing is bounded.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }
}
