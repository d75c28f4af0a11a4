//! Places in a configuration.

use std::fmt;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Into an object.
    Key(String),
    /// Into an array.
    Index(usize),
    /// Into an array, to the element with this id: where that is differs from file to file.
    Id(String),
}

/// A place in a configuration, from its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path(pub(crate) Vec<Segment>);

impl Path {
    /// The place of a profile.
    pub(crate) fn profile(id: &str) -> Self {
        Self::default().key("profiles").id(id)
    }

    /// The place of a workflow.
    pub(crate) fn workflow(id: &str) -> Self {
        Self::default().key("workflows").key("definitions").id(id)
    }

    #[must_use]
    pub(crate) fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Segment::Key(key.into()));
        self
    }

    #[must_use]
    pub(crate) fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    #[must_use]
    pub(crate) fn id(mut self, id: impl Into<String>) -> Self {
        self.0.push(Segment::Id(id.into()));
        self
    }

    /// The dotted form: `workflows.ui` is two keys.
    pub(crate) fn keys(dotted: &str) -> Self {
        Self(dotted.split('.').map(|key| Segment::Key(key.to_owned())).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for segment in &self.0 {
            match segment {
                Segment::Key(key) if is_word(key) => write!(f, ".{key}")?,
                Segment::Key(key) => write!(f, "[{}]", serde_json::Value::from(key.as_str()))?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Id(id) => write!(f, "[{}]", serde_json::Value::from(id.as_str()))?,
            }
        }
        Ok(())
    }
}

fn is_word(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '-'))
}
