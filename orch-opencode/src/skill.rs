//! The skills of a host, and where it looks for them.

use std::path::{Path, PathBuf};

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

/// Below a directory of the project, or above it up to its worktree, and below the home directory.
const SHARED: [&str; 2] = [".claude/skills", ".agents/skills"];
/// Below a configuration directory of the host.
const OWN: [&str; 2] = ["skill", "skills"];

/// Where the host looks, as observed on 1.18.33: every directory from the project's up to its worktree, then the home
/// directory and the user's configuration, then what its configuration adds.
#[cfg(feature = "http")]
pub(crate) fn places(paths: &Paths<'_>, configured: &[String]) -> Vec<PathBuf> {
    let below = |root: &Path, names: [&str; 2]| names.map(|name| root.join(name));
    let mut places = Vec::new();
    for directory in paths.directory.ancestors() {
        places.extend(below(&directory.join(".opencode"), OWN));
        places.extend(below(directory, SHARED));
        if directory == paths.worktree {
            break;
        }
    }
    places.extend(below(paths.config, OWN));
    places.extend(below(&paths.home.join(".opencode"), OWN));
    places.extend(below(paths.home, SHARED));
    let added = configured.iter().map(|path| match path.strip_prefix("~/") {
        Some(rest) => paths.home.join(rest),
        None => paths.directory.join(path),
    });
    places.extend(added);
    let mut seen = std::collections::HashSet::new();
    places.retain(|place| seen.insert(place.clone()));
    places
}

/// The host's own directories.
#[cfg(feature = "http")]
pub(crate) struct Paths<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) worktree: &'a Path,
    pub(crate) config: &'a Path,
    pub(crate) home: &'a Path,
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn the_projects_places_come_first_and_stop_at_the_worktree() {
        let paths = Paths {
            directory: Path::new("/work/tree/crate"),
            worktree: Path::new("/work/tree"),
            config: Path::new("/home/me/.config/opencode"),
            home: Path::new("/home/me"),
        };
        let configured = ["team".to_owned(), "~/shared".to_owned(), "/opt/skills".to_owned()];
        let places = places(&paths, &configured);
        let expected = [
            "/work/tree/crate/.opencode/skill",
            "/work/tree/crate/.opencode/skills",
            "/work/tree/crate/.claude/skills",
            "/work/tree/crate/.agents/skills",
            "/work/tree/.opencode/skill",
            "/work/tree/.opencode/skills",
            "/work/tree/.claude/skills",
            "/work/tree/.agents/skills",
            "/home/me/.config/opencode/skill",
            "/home/me/.config/opencode/skills",
            "/home/me/.opencode/skill",
            "/home/me/.opencode/skills",
            "/home/me/.claude/skills",
            "/home/me/.agents/skills",
            "/work/tree/crate/team",
            "/home/me/shared",
            "/opt/skills",
        ];
        assert_eq!(places, expected.map(PathBuf::from));
    }
}
