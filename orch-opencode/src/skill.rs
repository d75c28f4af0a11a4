//! The skills of a host, and where it looks for them.

use std::path::PathBuf;

/// A skill that the agents of a host may load.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skill {
    /// The name that the `skill` tool takes: the one in the file's front matter.
    pub name: String,
    /// When to use it, if its file says so.
    pub description: Option<String>,
    /// Its `SKILL.md`, or `<built-in>`.
    pub location: String,
}

impl Skill {
    /// A skill without a description.
    pub fn new(name: impl Into<String>, location: impl Into<String>) -> Self {
        Self { name: name.into(), description: None, location: location.into() }
    }
}

/// What a host lists for one directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Skills {
    /// The skills, in the host's order.
    pub found: Vec<Skill>,
    /// The directories that the host looks through, those of the project first; there need not be any of them. For
    /// people: what counts is `found`, because a host can be told to leave some of them out.
    pub places: Vec<PathBuf>,
}

impl Skills {
    /// These skills, looked for in these directories.
    pub fn new(found: Vec<Skill>, places: Vec<PathBuf>) -> Self {
        Self { found, places }
    }

    /// The skill of this name.
    pub fn find(&self, name: &str) -> Option<&Skill> {
        self.found.iter().find(|skill| skill.name == name)
    }
}
