//! What a condition sees.

use std::collections::{BTreeMap, HashMap};

use cel::Value as Cel;
use serde_json::Value;

/// The values that a condition is about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    task: String,
    iteration: u32,
    steps: BTreeMap<String, StepFacts>,
}

impl Scope {
    /// A scope without steps.
    ///
    /// `iteration` is the pass of the group that the condition belongs to, from 1; outside of groups it is 1.
    #[must_use]
    pub fn new(task: impl Into<String>, iteration: u32) -> Self {
        Self { task: task.into(), iteration, steps: BTreeMap::new() }
    }

    /// The same with one more step.
    #[must_use]
    pub fn with_step(mut self, id: impl Into<String>, facts: StepFacts) -> Self {
        self.steps.insert(id.into(), facts);
        self
    }

    /// Adds a step.
    pub fn insert(&mut self, id: impl Into<String>, facts: StepFacts) {
        self.steps.insert(id.into(), facts);
    }

    /// The variables of a condition, with only those steps that it refers to.
    pub(super) fn variables<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a str>,
    ) -> [(&'static str, Cel); 3] {
        let found = wanted.into_iter().filter_map(|id| Some((id, self.steps.get(id)?)));
        let steps: HashMap<String, Cel> = found.map(|(id, facts)| (id.to_owned(), facts.to_cel())).collect();
        [
            ("task", Cel::from(self.task.clone())),
            ("iteration", Cel::Int(i64::from(self.iteration))),
            ("steps", Cel::from(steps)),
        ]
    }
}

/// What a condition sees of one step: the newest iteration of a step in a group.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepFacts {
    /// Its status as the contract writes it: `done`, `skipped`, `failed`, `pending`.
    pub status: String,
    /// The codes of its warnings.
    pub warnings: Vec<String>,
    /// Its structured answer; null without one.
    pub output: Value,
    /// The length of its text, in Unicode scalar values.
    pub text_chars: u64,
    /// How many attempts it took.
    pub attempts: u32,
}

impl StepFacts {
    /// A step without warnings, output, text and attempts.
    #[must_use]
    pub fn new(status: impl Into<String>) -> Self {
        Self { status: status.into(), warnings: Vec::new(), output: Value::Null, text_chars: 0, attempts: 0 }
    }

    fn to_cel(&self) -> Cel {
        let warnings: Vec<Cel> = self.warnings.iter().map(|code| Cel::from(code.clone())).collect();
        Cel::from(HashMap::from([
            ("status", Cel::from(self.status.clone())),
            ("warnings", Cel::from(warnings)),
            ("output", from_json(&self.output)),
            ("text_chars", Cel::Int(i64::try_from(self.text_chars).unwrap_or(i64::MAX))),
            ("attempts", Cel::Int(i64::from(self.attempts))),
        ]))
    }
}

/// JSON as CEL sees it. The depth is bounded by what a JSON reader accepts.
fn from_json(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(bool) => Cel::Bool(*bool),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Cel::Int(int),
            (None, Some(uint)) => Cel::UInt(uint),
            (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::from(text.clone()),
        Value::Array(items) => Cel::from(items.iter().map(from_json).collect::<Vec<_>>()),
        Value::Object(object) => Cel::from(
            object.iter().map(|(key, value)| (key.clone(), from_json(value))).collect::<HashMap<_, _>>(),
        ),
    }
}
