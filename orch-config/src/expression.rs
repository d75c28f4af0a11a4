//! Conditions over what earlier steps gave: `when` of a step or a group, `until` of a group.
//!
//! A condition is written in [CEL](https://cel.dev) and sees `task`, `iteration` and `steps.<id>`; an id that is no
//! plain word is written `steps["first-ok"]`. What of CEL a condition may use is kept so small that no condition can
//! run for long or fill the memory, whoever wrote it: see [`Expression::parse`].

mod check;
mod fit;
mod program;
mod scope;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use self::fit::{Known, UnknownStep, unknown_output};
use self::program::Program;
pub use self::scope::{Scope, StepFacts};

/// A condition in CEL, as written. It was checked when the workflow was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expression(String);

impl Expression {
    /// The longest condition, in bytes.
    pub const MAX_BYTES: usize = 1_000;

    /// How many elements of lists and keys of objects one evaluation may look at.
    pub const MAX_ELEMENTS: u32 = 10_000;

    /// Accepts CEL over `task`, `iteration` and `steps`, with the macros `has`, `all`, `exists`, `exists_one` and
    /// `filter` and the functions `size`, `contains`, `startsWith`, `endsWith`, `int`, `uint`, `double` and `string`.
    ///
    /// Within a macro's body, lists and objects can be written down from constants only. Together with the bounds on
    /// length and elements, this keeps the time and the memory of every evaluation small.
    ///
    /// # Errors
    /// What is wrong, and where in the text.
    pub fn parse(text: impl Into<String>) -> Result<Self, ExpressionError> {
        let text = text.into();
        program::with_stack(|| Program::parse(&text).map(drop))?;
        Ok(Self(text))
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// It does not fit the values: a field that is not there, types that cannot be compared, a result that is neither
    /// true nor false.
    pub fn evaluate(&self, scope: &Scope) -> Result<bool, ExpressionError> {
        program::with_stack(|| Program::parse(&self.0)?.evaluate(scope))
    }

    /// What does not fit, given what is known of the steps; see [`fit`].
    pub(crate) fn problems(&self, known: &Known<'_>) -> Vec<ExpressionError> {
        let problems = program::with_stack(|| Ok(fit::problems(&Program::parse(&self.0)?, known)));
        problems.unwrap_or_else(|error| vec![error])
    }

    /// Whether it is false whatever the values are, because it refers to none.
    pub(crate) fn is_never(&self) -> bool {
        if check::VARIABLES.iter().any(|name| self.0.contains(name)) {
            return false;
        }
        let constant = program::with_stack(|| {
            let program = Program::parse(&self.0)?;
            Ok(check::is_closed(program.tree()) && program.evaluate(&Scope::default()) == Ok(false))
        });
        constant.unwrap_or(false)
    }

    /// For the conditions in this crate's own source; the check of the built-in configuration reads them.
    pub(crate) fn literal(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// A condition that never holds.
    pub(crate) fn never() -> Self {
        Self("false".to_owned())
    }

    /// The ids of the steps that it refers to, in the order of the text, each once.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        let steps = program::with_stack(|| Ok(Program::parse(&self.0)?.steps()));
        steps.into_iter().flatten().map(|step| step.id).collect()
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a condition cannot be used, or cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ExpressionError {
    /// The stable machine code.
    pub code: &'static str,
    /// What is wrong, in words.
    pub message: String,
    /// Where in the text, in bytes from its beginning. None: the condition as a whole.
    pub offset: Option<usize>,
    /// The way out, if there is an obvious one.
    pub help: Option<String>,
}

impl ExpressionError {
    fn new(message: impl Into<String>) -> Self {
        Self { code: crate::code::EXPRESSION, message: message.into(), offset: None, help: None }
    }

    fn at(self, offset: Option<usize>) -> Self {
        Self { offset, ..self }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
