//! Where a host looks for skills.

use std::path::{Path, PathBuf};

/// Below a directory of the project, or above it up to its worktree, and below the home directory.
const SHARED: [&str; 2] = [".claude/skills", ".agents/skills"];
/// Below a configuration directory of the host.
const OWN: [&str; 2] = ["skill", "skills"];

/// Where the host looks, as observed on 1.18.33: every directory from the project's up to its worktree, then the home
/// directory and the user's configuration, then what its configuration adds.
pub(super) fn places(paths: &Paths<'_>, configured: &[String]) -> Vec<PathBuf> {
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
pub(super) struct Paths<'a> {
    pub(super) directory: &'a Path,
    pub(super) worktree: &'a Path,
    pub(super) config: &'a Path,
    pub(super) home: &'a Path,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_places_come_first_and_stop_at_the_worktree() {
        let paths = Paths {
            directory: Path::new("/projects/tree/crate"),
            worktree: Path::new("/projects/tree"),
            config: Path::new("/home/me/.config/opencode"),
            home: Path::new("/home/me"),
        };
        let configured = ["team".to_owned(), "~/shared".to_owned(), "/opt/skills".to_owned()];
        let places = places(&paths, &configured);
        let expected = [
            "/projects/tree/crate/.opencode/skill",
            "/projects/tree/crate/.opencode/skills",
            "/projects/tree/crate/.claude/skills",
            "/projects/tree/crate/.agents/skills",
            "/projects/tree/.opencode/skill",
            "/projects/tree/.opencode/skills",
            "/projects/tree/.claude/skills",
            "/projects/tree/.agents/skills",
            "/home/me/.config/opencode/skill",
            "/home/me/.config/opencode/skills",
            "/home/me/.opencode/skill",
            "/home/me/.opencode/skills",
            "/home/me/.claude/skills",
            "/home/me/.agents/skills",
            "/projects/tree/crate/team",
            "/home/me/shared",
            "/opt/skills",
        ];
        assert_eq!(places, expected.map(PathBuf::from));
    }
}
