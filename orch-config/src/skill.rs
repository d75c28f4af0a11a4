//! Names of skills, as OpenCode's documentation has them.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Longest name, in characters.
const MAX_CHARS: usize = 64;
/// The form of a name.
const PATTERN: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";
/// The `format` that marks such a name in the generated schema.
pub(crate) const FORMAT: &str = "orch-skill";

/// The text cannot be the name of a skill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the name of a skill: {reason}")]
pub struct InvalidSkillName {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Names a skill: lower-case letters and digits, with single hyphens between them, 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SkillName(String);

impl SkillName {
    /// Accepts what OpenCode accepts as the name of a skill.
    ///
    /// # Errors
    /// The text and what is wrong with it.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidSkillName> {
        let text = text.into();
        match reason(&text) {
            None => Ok(Self(text)),
            Some(reason) => Err(InvalidSkillName { text, reason }),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn reason(text: &str) -> Option<&'static str> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if text.is_empty() {
        Some("it is empty")
    } else if text.chars().count() > MAX_CHARS {
        Some("it has more than 64 characters")
    } else if !text.split('-').all(is_word) {
        Some("it must be lower-case letters and digits, with single hyphens between them")
    } else {
        None
    }
}

impl fmt::Display for SkillName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<SkillName> for String {
    fn from(name: SkillName) -> Self {
        name.0
    }
}

impl TryFrom<String> for SkillName {
    type Error = InvalidSkillName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl JsonSchema for SkillName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SkillName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": FORMAT,
            "minLength": 1,
            "maxLength": MAX_CHARS,
            "pattern": PATTERN,
            "examples": ["code-review"],
        })
    }
}
