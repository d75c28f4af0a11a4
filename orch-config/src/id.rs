//! Names that people choose: profiles, workflows, steps. Cheap to clone: they are in everything that a run does.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::text::is_invisible;

/// Longest id, in characters.
pub const MAX_CHARS: usize = 64;

/// The text cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid id: {reason}")]
pub struct InvalidId {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What is a path although it has no separator.
pub(crate) const PLACES: [&str; 2] = [".", ".."];

/// What [`is_hidden`] in the notation of patterns. The tags from U+E0000 on are not in it: there is no notation for them that
/// every reader of a schema knows.
pub(crate) const HIDDEN: &str = r"\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb";

/// Whether a character cannot be seen on a line, or ends it.
fn is_hidden(char: char) -> bool {
    char.is_control() || is_invisible(char) || matches!(char, '\u{2028}' | '\u{2029}')
}

pub(crate) fn check(text: &str) -> Result<(), InvalidId> {
    let reason = if text.trim().is_empty() {
        "it is empty"
    } else if text.chars().count() > MAX_CHARS {
        "it has more than 64 characters"
    } else if text.chars().any(is_hidden) {
        "it has control or invisible characters"
    } else if text.contains(['/', '\\']) {
        "it has path separators"
    } else if PLACES.contains(&text) {
        "it names a directory"
    } else {
        return Ok(());
    };
    Err(InvalidId { text: text.to_owned(), reason })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts 1 to 64 visible characters without path separators, but not `.` and `..`.
            ///
            /// # Errors
            /// The text and what is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                text.into().parse()
            }

            /// For the names in this crate's own source.
            pub(crate) fn literal(text: &'static str) -> Self {
                debug_assert!(check(text).is_ok());
                Self(text.into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                check(text)?;
                Ok(Self(text.into()))
            }
        }
    )*};
}

ids! {
    /// Names an agent of OpenCode.
    AgentName;
    /// Names a worker profile.
    ProfileId;
    /// Names a workflow.
    WorkflowId;
    /// Names a step of a workflow.
    StepId;
}
