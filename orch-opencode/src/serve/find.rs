//! Finds the program to start.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{HostError, HostErrorKind};

/// The program of this name: a path as it is given, a bare name from the directories of `path`.
///
/// # Errors
/// `spawn`, with where it was looked for and how to get it.
pub fn find(program: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, HostError> {
    let given = Path::new(program);
    if given.components().count() > 1 {
        return if is_executable(given) {
            Ok(given.to_owned())
        } else {
            Err(missing(program, "there is no such program, or it may not be executed"))
        };
    }
    let path = path.map_or_else(OsString::new, OsStr::to_owned);
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| missing(program, "it is in no directory of PATH"))
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
    fn what_is_missing_comes_with_the_way_to_get_it() {
        for (program, path) in [("opencode-that-is-not-there", Some("/bin")), ("/nowhere/opencode", None)] {
            let error = find(OsStr::new(program), path.map(OsStr::new)).unwrap_err();
            assert_eq!(error.code(), "orch::host::spawn");
            assert!(error.to_string().contains("npm install -g opencode-ai"), "{error}");
        }
    }
}
