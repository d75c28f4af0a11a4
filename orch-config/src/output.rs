//! Structured answers: the JSON Schema of a step's output.

mod shape;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

pub(crate) use self::shape::Field;

/// How many violations are reported: a model needs no more to mend its answer.
const MAX_VIOLATIONS: usize = 20;

/// The longest sentence about one violation, in Unicode scalar values.
const MAX_VIOLATION_CHARS: usize = 300;

/// The largest schema, in bytes of JSON. It is part of the prompt.
const MAX_BYTES: usize = 32 * 1024;

/// A checked JSON Schema, ready to validate answers.
///
/// The draft is the one that `$schema` names, else 2020-12. References stay within the schema and never lead back to
/// themselves, and patterns are regular expressions without look-around, so that no schema can make a check slow or
/// reach outside.
#[derive(Debug)]
pub struct OutputSchema {
    schema: Value,
    validator: Validator,
}

impl OutputSchema {
    /// Checks a schema.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn new(schema: &Value) -> Result<Self, InvalidSchema> {
        if !schema.is_object() {
            return Err(InvalidSchema::new("a schema is an object"));
        }
        if schema.to_string().len() > MAX_BYTES {
            let message = format!("the schema is larger than {} KiB", MAX_BYTES / 1024);
            return Err(InvalidSchema::new(message));
        }
        shape::check_references(schema)?;
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
            .build(schema)
            .map_err(|error| {
                let place = error.instance_path().to_string();
                let message = error.masked().to_string();
                let message = if place.is_empty() { message } else { format!("at {place}: {message}") };
                InvalidSchema::new(short(&message))
            })?;
        Ok(Self { schema: schema.clone(), validator })
    }

    /// The schema as written.
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.schema
    }

    /// Whether an answer matches.
    ///
    /// # Errors
    /// The violations, one sentence each, with the place in the answer; at most 20. They may quote the answer.
    pub fn validate(&self, answer: &Value) -> Result<(), Vec<String>> {
        let sentence = |error: jsonschema::ValidationError<'_>| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "the answer".to_owned() } else { place };
            short(&format!("{place}: {error}"))
        };
        let violations: Vec<_> =
            self.validator.iter_errors(answer).take(MAX_VIOLATIONS).map(sentence).collect();
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }

    /// A value of the shape that the schema describes: every property there, one element in each list.
    ///
    /// It is good for finding out whether a reference or a comparison fits, and is not promised to be valid. Where the
    /// schema says nothing it is null.
    #[must_use]
    pub fn sample(&self) -> Value {
        shape::sample(&self.schema, &self.schema)
    }

    /// Whether a field can be there: `path` are the keys and indices from the top.
    ///
    /// Only what the schema rules out is absent: a property that is not listed where `properties` are, or a field of
    /// something that is no object.
    #[must_use]
    pub fn may_have(&self, path: &[&str]) -> bool {
        !matches!(self.field(path), Field::Absent { .. })
    }

    /// What the schema says about a field.
    pub(crate) fn field(&self, path: &[&str]) -> Field<'_> {
        shape::field(&self.schema, path)
    }

    /// The words that a field can be, if there are only some.
    pub(crate) fn words(&self, path: &[&str]) -> Option<Vec<String>> {
        match self.field(path) {
            Field::Schema(schema) => shape::words(&self.schema, schema),
            _ => None,
        }
    }

    /// Whether the schema says everything about the shape of a field.
    pub(crate) fn is_known(&self, path: &[&str]) -> bool {
        match self.field(path) {
            Field::Schema(schema) => shape::is_known(&self.schema, schema),
            _ => false,
        }
    }
}

/// Why something is no usable JSON Schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct InvalidSchema {
    /// In words.
    pub message: String,
}

impl InvalidSchema {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        crate::code::OUTPUT_SCHEMA
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_VIOLATION_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
