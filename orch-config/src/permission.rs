//! Permission rules in OpenCode's own shape.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a matching rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PermissionAction {
    /// The tool runs without a question.
    Allow,
    /// Somebody is asked first.
    Ask,
    /// The tool is refused.
    Deny,
}

/// One rule. Of the rules that match, the last one decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PermissionRule {
    /// The host's name of what is asked for: `bash`, `edit`, `webfetch`, `*`, …
    pub permission: String,
    /// What it is asked for, with `*` and `?`: `git *`, `src/**`, `*`, …
    pub pattern: String,
    /// What the rule decides.
    pub action: PermissionAction,
}

impl PermissionRule {
    /// A rule for one pattern.
    #[must_use]
    pub fn new(permission: impl Into<String>, pattern: impl Into<String>, action: PermissionAction) -> Self {
        Self { permission: permission.into(), pattern: pattern.into(), action }
    }

    /// Refuses everything that is asked for under this name.
    #[must_use]
    pub fn deny(permission: impl Into<String>) -> Self {
        Self::new(permission, "*", PermissionAction::Deny)
    }
}

/// The permission that guards a tool, as the host maps it: everything that writes files is `edit`.
#[must_use]
pub fn of_tool(tool: &str) -> &str {
    match tool {
        "write" | "patch" | "multiedit" => "edit",
        tool => tool,
    }
}

impl fmt::Display for PermissionAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        })
    }
}
