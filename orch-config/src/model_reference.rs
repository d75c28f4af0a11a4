//! How a profile names its model: by name, or by what it has to be good for.

use std::fmt;

/// What a profile's `model` says. Which model of the host that is, only the host can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelReference<'a> {
    /// A model by its name: `provider/model`.
    Named(&'a str),
    /// One of the host's models, chosen by what the worker needs.
    Tag(ModelTag),
}

/// What a model has to be good for. Written `node`, `node:fast`, …; `auto` is another word for `node`, and capitals do
/// not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ModelTag {
    /// `node`: whatever the host uses by default.
    Default,
    /// `node:fast`: small tasks, answered soon.
    Fast,
    /// `node:docs`: research, which needs tools.
    Docs,
    /// `node:vision`: images.
    Vision,
}

/// The text looks like a tag, and no tag is called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a model tag: known are {}", ModelTag::list())]
pub struct UnknownModelTag {
    /// What was given.
    pub text: String,
}

impl<'a> ModelReference<'a> {
    /// Reads a `model`. Anything that is not a tag is taken for a name.
    ///
    /// # Errors
    /// It begins like a tag and is none.
    pub fn parse(text: &'a str) -> Result<Self, UnknownModelTag> {
        let text = text.trim();
        let (head, need) = text.split_once(':').unwrap_or((text, ""));
        if !["node", "auto"].iter().any(|word| head.eq_ignore_ascii_case(word)) {
            return Ok(Self::Named(text));
        }
        let known = ModelTag::ALL.iter().find(|tag| tag.need().eq_ignore_ascii_case(need));
        known.map(|tag| Self::Tag(*tag)).ok_or_else(|| UnknownModelTag { text: text.to_owned() })
    }
}

impl ModelTag {
    /// Every tag.
    pub const ALL: [Self; 4] = [Self::Default, Self::Fast, Self::Docs, Self::Vision];

    /// The tag as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "node",
            Self::Fast => "node:fast",
            Self::Docs => "node:docs",
            Self::Vision => "node:vision",
        }
    }

    /// What follows the colon.
    fn need(self) -> &'static str {
        self.as_str().split_once(':').map_or("", |(_, need)| need)
    }

    fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for ModelTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_tags_and_everything_else_is_a_name() {
        use ModelReference::{Named, Tag};
        let table = [
            ("node", Ok(Tag(ModelTag::Default))),
            ("auto", Ok(Tag(ModelTag::Default))),
            ("auto:fast", Ok(Tag(ModelTag::Fast))),
            ("Node:Docs", Ok(Tag(ModelTag::Docs))),
            (" node:vision ", Ok(Tag(ModelTag::Vision))),
            ("openai/gpt-4o", Ok(Named("openai/gpt-4o"))),
            ("ollama/qwen:7b", Ok(Named("ollama/qwen:7b"))),
            ("nodes", Ok(Named("nodes"))),
            (
                "node:banana",
                Err("\"node:banana\" is not a model tag: known are node, node:fast, node:docs, node:vision"),
            ),
        ];
        for (text, expected) in table {
            let read = ModelReference::parse(text);
            assert_eq!(read.map_err(|error| error.to_string()), expected.map_err(str::to_owned), "{text:?}");
        }
    }
}
