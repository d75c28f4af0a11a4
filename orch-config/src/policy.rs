//! When a run stops to ask.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a run goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Execution {
    /// Stop after every step.
    Step,
    /// Go on by itself.
    #[default]
    Auto,
}

/// When a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Intervene {
    /// Never: an error ends the run.
    Never,
    /// On a warning or an error.
    OnWarning,
    /// On an error.
    #[default]
    OnError,
    /// After every step.
    Always,
}

/// The policy in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Whether the run goes on by itself.
    pub execution: Execution,
    /// When a person is asked.
    pub intervene: Intervene,
}

/// A change of policy: what is absent stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct PolicyPatch {
    /// The new execution, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
    /// The new intervene policy, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervene: Option<Intervene>,
}

impl PolicyPatch {
    /// `policy` with this change.
    #[must_use]
    pub fn apply(self, policy: Policy) -> Policy {
        Policy {
            execution: self.execution.unwrap_or(policy.execution),
            intervene: self.intervene.unwrap_or(policy.intervene),
        }
    }

    /// This change, and `later` on top of it.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self { execution: later.execution.or(self.execution), intervene: later.intervene.or(self.intervene) }
    }
}

/// The text names no such value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not one of {expected}")]
pub struct UnknownValue {
    /// What was given.
    pub text: String,
    /// The known values.
    pub expected: &'static str,
}

macro_rules! words {
    ($name:ident, $expected:literal, $($variant:ident = $word:literal),*) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),* })
            }
        }

        impl FromStr for $name {
            type Err = UnknownValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownValue { text: text.to_owned(), expected: $expected }),
                }
            }
        }
    };
}

words!(Execution, "step, auto", Step = "step", Auto = "auto");
words!(
    Intervene,
    "never, on-warning, on-error, always",
    Never = "never",
    OnWarning = "on-warning",
    OnError = "on-error",
    Always = "always"
);
