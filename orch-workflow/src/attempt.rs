//! What workers and the engine say to each other about one try of a step.

mod failure;

use std::{fmt, ops::AddAssign, str::FromStr, sync::Arc};

use orch_config::id::StepId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::failure::{AttemptError, ErrorCode};

/// Milliseconds since the Unix epoch, on the driver's clock.
///
/// The driver derives it from one reading of the wall clock plus monotonic time, so that a jump of the wall
/// clock can neither fire nor starve a deadline.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time plus `ms` milliseconds, saturating.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Longest suffix of a run's id, in characters.
const MAX_SUFFIX: usize = 60;

/// One execution of a workflow, `run_` and a unique suffix that sorts by creation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(Arc<str>);

impl RunId {
    /// Accepts `run_` followed by 1 to 60 characters of `[0-9A-Za-z_-]`.
    ///
    /// # Errors
    /// The text itself, when it is anything else.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidRunId> {
        text.into().parse()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for RunId {
    type Error = InvalidRunId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl FromStr for RunId {
    type Err = InvalidRunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text.strip_prefix("run_").is_some_and(|rest| {
            (1..=MAX_SUFFIX).contains(&rest.len())
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        });
        if valid { Ok(Self(text.into())) } else { Err(InvalidRunId(text.to_owned())) }
    }
}

/// The text is not a run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a run id: expected `run_` and letters, digits, `_` or `-`; `orch runs` lists them")]
pub struct InvalidRunId(pub String);

/// One prompt of one attempt. Derived, never random, so that replaying a run names the same work again.
///
/// As text: `run_…/implement/1/2/1`, that is run, step, iteration, attempt, turn, the counters from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct DispatchId {
    /// The run it belongs to.
    pub run: RunId,
    /// The step it tries.
    pub step: StepId,
    /// Which pass of the enclosing group, from 1; 1 outside groups.
    pub iteration: u32,
    /// Which try of the step in this iteration, from 1.
    pub attempt: u32,
    /// Which prompt of the attempt, from 1: the prompt, a repair, a hand-off.
    pub turn: u32,
}

impl fmt::Display for DispatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, step, iteration, attempt, turn } = self;
        write!(f, "{run}/{step}/{iteration}/{attempt}/{turn}")
    }
}

impl From<DispatchId> for String {
    fn from(id: DispatchId) -> Self {
        id.to_string()
    }
}

/// The text is not a dispatch id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a dispatch id: expected `run/step/iteration/attempt/turn`")]
pub struct InvalidDispatchId(pub String);

impl TryFrom<String> for DispatchId {
    type Error = InvalidDispatchId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parse = || {
            let mut parts = text.split('/');
            let id = Self {
                run: parts.next()?.parse().ok()?,
                step: parts.next()?.parse().ok()?,
                iteration: parts.next()?.parse().ok()?,
                attempt: parts.next()?.parse().ok()?,
                turn: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(id)
        };
        parse().ok_or_else(|| InvalidDispatchId(text.clone()))
    }
}

/// How an attempt ended, in the three classes that the gate table knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An answer, and nothing to remark.
    Ok,
    /// An answer, with at least one warning.
    Warning,
    /// No usable answer.
    Error,
}

/// Why an answer deserves a second look. Only these raise [`Outcome::Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WarningCode {
    /// A tool call ended in error and was not repeated with success.
    ToolFailed,
    /// A permission was denied because nobody could be asked, or by a rule.
    PermissionDenied,
    /// A permission was granted by a rule.
    PermissionAuto,
    /// A question of the worker found nobody to answer it.
    QuestionUnanswered,
    /// No sign of life for the step's `idleWarningMs`.
    Idle,
    /// The structured output needed a repair.
    OutputRepaired,
    /// The carry was trimmed to its limits.
    CarryTrimmed,
    /// The worker's output was cut at a cap.
    OutputTruncated,
    /// A transient failure was retried.
    Retried,
    /// The result was adopted after a restart or a lost connection.
    Reconciled,
    /// The worker's process was restarted.
    WorkerRestarted,
    /// One turn answered our message together with others.
    AnsweredTogether,
    /// Four fifths of a budget are spent.
    BudgetLow,
    /// The answer has a non-empty `Warnings` section.
    Declared,
}

impl WarningCode {
    /// All of them, in the order of this page.
    pub const ALL: [Self; 14] = [
        Self::ToolFailed,
        Self::PermissionDenied,
        Self::PermissionAuto,
        Self::QuestionUnanswered,
        Self::Idle,
        Self::OutputRepaired,
        Self::CarryTrimmed,
        Self::OutputTruncated,
        Self::Retried,
        Self::Reconciled,
        Self::WorkerRestarted,
        Self::AnsweredTogether,
        Self::BudgetLow,
        Self::Declared,
    ];

    /// The word used everywhere outside.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToolFailed => "tool_failed",
            Self::PermissionDenied => "permission_denied",
            Self::PermissionAuto => "permission_auto",
            Self::QuestionUnanswered => "question_unanswered",
            Self::Idle => "idle",
            Self::OutputRepaired => "output_repaired",
            Self::CarryTrimmed => "carry_trimmed",
            Self::OutputTruncated => "output_truncated",
            Self::Retried => "retried",
            Self::Reconciled => "reconciled",
            Self::WorkerRestarted => "worker_restarted",
            Self::AnsweredTogether => "answered_together",
            Self::BudgetLow => "budget_low",
            Self::Declared => "declared",
        }
    }
}

/// A remark on an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// Its class.
    pub code: WarningCode,
    /// What happened, in one sentence.
    pub message: String,
}

impl Warning {
    /// A warning with its sentence.
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Tokens and money, as the host reports them, child sessions included.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read by the model.
    pub input: u64,
    /// Tokens written by the model.
    pub output: u64,
    /// Tokens spent on reasoning.
    pub reasoning: u64,
    /// Cost in US dollars.
    pub cost_usd: f64,
}

impl Usage {
    /// Tokens of all kinds.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output).saturating_add(self.reasoning)
    }

    /// At least as much as `other`, kind by kind: of two reports on the same work the later one knows more.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            reasoning: self.reasoning.max(other.reasoning),
            cost_usd: self.cost_usd.max(other.cost_usd),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
        self.cost_usd += other.cost_usd;
    }
}

/// The one result of an attempt, as a worker reports it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Settled {
    /// The worker's answer; empty when it failed before it said anything.
    pub text: String,
    /// The structured answer, when the step asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
    /// Remarks, in the order they arose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The failure, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
}

impl Settled {
    /// A plain answer.
    pub fn answer(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A failure without an answer.
    #[must_use]
    pub fn failed(error: AttemptError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// The same result with one more warning.
    #[must_use]
    pub fn with_warning(mut self, warning: Warning) -> Self {
        self.warnings.push(warning);
        self
    }

    /// The class of this result: an error outweighs warnings.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match (&self.error, self.warnings.is_empty()) {
            (Some(_), _) => Outcome::Error,
            (None, false) => Outcome::Warning,
            (None, true) => Outcome::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code that is added does not compile here before it has its place in `ALL`.
    #[test]
    fn the_lists_of_codes_are_complete() {
        let warning = |code| match code {
            WarningCode::ToolFailed => 0,
            WarningCode::PermissionDenied => 1,
            WarningCode::PermissionAuto => 2,
            WarningCode::QuestionUnanswered => 3,
            WarningCode::Idle => 4,
            WarningCode::OutputRepaired => 5,
            WarningCode::CarryTrimmed => 6,
            WarningCode::OutputTruncated => 7,
            WarningCode::Retried => 8,
            WarningCode::Reconciled => 9,
            WarningCode::WorkerRestarted => 10,
            WarningCode::AnsweredTogether => 11,
            WarningCode::BudgetLow => 12,
            WarningCode::Declared => 13,
        };
        let error = |code| match code {
            ErrorCode::Timeout => 0,
            ErrorCode::Aborted => 1,
            ErrorCode::Model => 2,
            ErrorCode::RateLimited => 3,
            ErrorCode::Auth => 4,
            ErrorCode::ContextOverflow => 5,
            ErrorCode::ContentFilter => 6,
            ErrorCode::Length => 7,
            ErrorCode::OutputInvalid => 8,
            ErrorCode::Loop => 9,
            ErrorCode::Unreachable => 10,
            ErrorCode::Tls => 11,
            ErrorCode::WorkerLost => 12,
            ErrorCode::SpawnFailed => 13,
            ErrorCode::Template => 14,
            ErrorCode::Internal => 15,
        };
        assert!(WarningCode::ALL.map(warning).into_iter().eq(0..14));
        assert!(ErrorCode::ALL.map(error).into_iter().eq(0..16));
    }

    #[test]
    fn a_run_id_of_the_longest_kind_is_one_and_one_that_is_longer_or_leads_elsewhere_is_not() {
        let of = |suffix: &str| RunId::new(format!("run_{suffix}"));
        assert!(of(&"a".repeat(MAX_SUFFIX)).is_ok());
        for suffix in
            [&*"a".repeat(MAX_SUFFIX + 1), "", "..", "../x", "a/b", "a%2fb", "a\n", "a\0", "a b", "é"]
        {
            assert!(of(suffix).is_err(), "{suffix:?}");
        }
    }
}
