//! One line about a step, the same in notices, views and terminals.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::text::{counted, duration, pass, plain};

/// The longest step id or session in a line.
const WORD_CHARS: usize = 64;

/// Where a step of a run stands, as data; displayed as
/// `3/4 review (2nd pass): error, 12.3 s, ses_…, 2 attempts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct StepLine {
    /// Its place in the plan, from 1; 0 when the plan is not known.
    pub position: usize,
    /// How many steps the plan has; 0 when it is not known.
    pub total: usize,
    /// The step.
    pub step: String,
    /// The pass of its group, from 1.
    pub iteration: u32,
    /// One word: the outcome of its latest attempt, or where it stands when there is none.
    pub state: String,
    /// Time spent on it so far, all attempts of all passes together; `None` before the first has settled.
    pub ms: Option<u64>,
    /// The worker's session.
    pub session: Option<String>,
    /// How many attempts it took so far in this pass.
    pub attempts: usize,
}

impl StepLine {
    /// `3/4 review (2nd pass)`: without the place when the plan is not known, and without the pass in the first one.
    #[must_use]
    pub fn name(&self) -> String {
        let mut step = plain(&self.step, WORD_CHARS);
        if self.iteration > 1 {
            step = format!("{step} ({})", pass(self.iteration));
        }
        match self.position {
            0 => step,
            position => format!("{position}/{} {step}", self.total),
        }
    }

    /// What is known of it beside its name, in order of interest: outcome, time, session, attempts.
    #[must_use]
    pub fn facts(&self) -> Vec<String> {
        let mut facts = vec![self.state.clone()];
        facts.extend(self.ms.map(duration));
        facts.extend(self.session.as_deref().map(|session| plain(session, WORD_CHARS)));
        if self.attempts > 1 {
            facts.push(counted(self.attempts, "attempt"));
        }
        facts
    }
}

impl fmt::Display for StepLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.facts().join(", "))
    }
}
