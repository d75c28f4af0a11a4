//! Where a project's terminal interface listens: `tui.json` in the project's state directory, true as long as its lock is
//! held.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use orch::config::private;
use serde::{Deserialize, Serialize};

use crate::token::Token;

const FILE: &str = "tui.json";
const LOCK: &str = "tui.lock";
/// The file is much smaller.
const MAX_BYTES: u64 = 64 * 1024;

/// What has to be known to work in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) url: String,
    #[serde(serialize_with = "Token::expose", deserialize_with = "Token::read")]
    pub(crate) password: Token,
}

/// The terminal interface that runs for this state directory, if one does.
pub(crate) fn find(state: &Path) -> Option<Address> {
    let lock = private::open(&state.join(LOCK), OpenOptions::new().read(true)).ok()?;
    // Whoever looks shares the lock: two that look are no interface.
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            serde_json::from_slice(&private::read(&state.join(FILE), MAX_BYTES).ok()?).ok()
        }
        _ => None,
    }
}

/// The right to be the terminal interface of a project, until it is dropped or its process ends, however that happens.
pub(super) struct Claim {
    file: PathBuf,
    _lock: File,
}

impl Claim {
    /// Nothing where another one has it.
    pub(super) fn on(state: &Path) -> io::Result<Option<Self>> {
        private::directory(state)?;
        let mut options = OpenOptions::new();
        let lock = private::open(&state.join(LOCK), options.create(true).truncate(false).write(true))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { file: state.join(FILE), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The file appears whole, and only its owner can read it.
    pub(super) fn publish(&self, address: &Address) -> io::Result<()> {
        let mut draft = tempfile::NamedTempFile::new_in(self.file.parent().unwrap_or(Path::new(".")))?;
        draft.write_all(&serde_json::to_vec_pretty(address)?)?;
        draft.persist(&self.file)?;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.file)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "tui.json could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_found_as_long_as_it_runs_and_by_its_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path().join("project");
        assert!(find(&state).is_none());
        let claim = Claim::on(&state).unwrap().unwrap();
        assert!(find(&state).is_none(), "nothing is known before it answers");
        let url = "http://127.0.0.1:1".to_owned();
        claim.publish(&Address { url: url.clone(), password: Token::random().unwrap() }).unwrap();
        assert_eq!(find(&state).unwrap().url, url);
        assert!(Claim::on(&state).unwrap().is_none(), "there is one already");
        let mode = |name| fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(FILE), mode(LOCK)), (0o600, 0o600));
        // As a process that was killed leaves it.
        let left = fs::read(state.join(FILE)).unwrap();
        drop(claim);
        assert!(!state.join(FILE).exists());
        fs::write(state.join(FILE), left).unwrap();
        assert!(find(&state).is_none());
    }
}
