//! Names that people choose: profiles, workflows, steps. Cheap to clone: they are in everything that a run does.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

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

pub(crate) fn check(text: &str) -> Result<(), InvalidId> {
    let reason = if text.trim().is_empty() {
        "it is empty"
    } else if text.chars().count() > MAX_CHARS {
        "it has more than 64 characters"
    } else if text.chars().any(char::is_control) {
        "it has control characters"
    } else if text.contains(['/', '\\']) {
        "it has path separators"
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
            /// Accepts 1 to 64 printable characters without path separators.
            ///
            /// # Errors
            /// The text and what is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text.into()))
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
                Self::new(text)
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
