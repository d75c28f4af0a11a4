//! Finds the program to start.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{HostError, HostErrorKind};

/// The program of this name, as an absolute path: a path as it is given, from the directory that this process works in; a
/// bare name from the directories of `path`. Entries that are relative (`.`, `node_modules/.bin`, an empty one) are passed
/// over: what they name belongs to whatever project one is in.
///
/// # Errors
/// `spawn`, with where it was looked for and how to get it.
pub fn find(program: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, HostError> {
    let given = Path::new(program);
    if given.components().count() > 1 {
        return match std::path::absolute(given) {
            Ok(given) if is_executable(&given) => Ok(given),
            _ => Err(missing(program, "there is no such program, or it may not be executed")),
        };
    }
    let path = path.map_or_else(OsString::new, OsStr::to_owned);
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| missing(program, "it is in no directory of PATH"))
}

/// The entries of a `PATH` that are absolute: for a program that is started in a project and looks up others, as a script
/// looks up what runs it.
#[must_use]
pub fn absolute_entries(path: &OsStr) -> OsString {
    let kept = std::env::split_paths(path).filter(|directory| directory.is_absolute());
    // What was split at the separator does not contain it.
    std::env::join_paths(kept).unwrap_or_default()
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn missing(program: &OsStr, reason: &str) -> HostError {
    HostError::new(
        HostErrorKind::Spawn,
        format!("find {}", program.display()),
        "",
        format!("{reason}; get it with `npm install -g opencode-ai`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_looked_up_and_a_path_is_taken_as_it_is() {
        let found = find(OsStr::new("sh"), Some(OsStr::new("/nowhere:/bin:/usr/bin"))).unwrap();
        assert_eq!(found.file_name(), Some(OsStr::new("sh")));
        assert_eq!(find(found.as_os_str(), None).unwrap(), found);
    }

    #[test]
    fn entries_that_are_relative_are_passed_over() {
        let here = std::env::current_dir().unwrap();
        let up: std::path::PathBuf = here.components().skip(1).map(|_| "..").collect();
        for entry in ["", ".", "bin", &up.join("bin").to_string_lossy()] {
            let path = format!("{entry}:{entry}:/nowhere");
            assert!(find(OsStr::new("sh"), Some(OsStr::new(&path))).is_err(), "{path}");
            assert_eq!(absolute_entries(OsStr::new(&path)), "/nowhere", "{path}");
        }
        assert_eq!(find(OsStr::new("sh"), Some(OsStr::new(".:/bin"))).unwrap(), Path::new("/bin/sh"));
    }

    #[test]
    fn what_is_missing_comes_with_the_way_to_get_it() {
        for (program, path) in [("opencode-that-is-not-there", Some("/bin")), ("/nowhere/opencode", None)] {
            let error = find(OsStr::new(program), path.map(OsStr::new)).unwrap_err();
            assert_eq!(error.code(), "orch::host::spawn");
            assert!(error.to_string().contains("npm install -g opencode-ai"), "{error}");
        }
    }
}
