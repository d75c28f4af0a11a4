//! Files to start from: commented, valid as they are, and in force as if they were not there.

/// For a project. It says nothing that a project may not say before it is trusted.
pub const PROJECT: &str = include_str!("../starter/project.jsonc");

/// For a person, in OpenCode's configuration directory.
pub const GLOBAL: &str = include_str!("../starter/global.jsonc");
