//! Bounds, and how much of them is used.

use std::fmt;

use orch_config::id::StepId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bound of a budget and how much of it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Spent {
    /// The step whose budget it is; none for the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// What is bounded.
    pub bound: Bound,
    /// The bound.
    pub limit: f64,
    /// How much is used.
    pub used: f64,
}

/// What a budget bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Bound {
    /// Tokens of all kinds.
    Tokens,
    /// US dollars.
    CostUsd,
    /// Milliseconds at work.
    ActiveMs,
}

impl Spent {
    /// `used` of a bound of the run's budget.
    #[must_use]
    pub fn of_run(bound: Bound, limit: f64, used: f64) -> Self {
        Self { step: None, bound, limit, used }
    }

    /// The same for the budget of a step.
    #[must_use]
    pub fn by_step(self, step: StepId) -> Self {
        Self { step: Some(step), ..self }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.used >= self.limit
    }

    /// Whether four fifths or more are used.
    #[must_use]
    pub fn is_most(&self) -> bool {
        self.used * 5.0 >= self.limit * 4.0
    }

    /// Whose budget of how much: `the run's budget of 1000 tokens`.
    #[must_use]
    pub fn budget(&self) -> String {
        let whose = self.step.as_ref().map_or_else(|| "the run".to_owned(), |step| format!("step {step}"));
        format!("{whose}'s budget of {}", self.bound.amount(self.limit))
    }
}

/// `the run's budget of 1000 tokens is spent: 1200 tokens are used`.
impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is spent: {} are used", self.budget(), self.bound.amount(self.used))
    }
}

impl Bound {
    /// An amount of it, for people.
    #[must_use]
    pub fn amount(self, value: f64) -> String {
        match self {
            Self::Tokens => format!("{value} tokens"),
            // Sums of small amounts have digits that nobody paid.
            Self::CostUsd => format!("{} USD", (value * 1e6).round() / 1e6),
            Self::ActiveMs => format!("{} s at work", value / 1_000.0),
        }
    }
}
