//! Data directories that one server at a time works on.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use orch_config::private;

/// How many data directories there are for one purpose in one project, for as many programs at once.
pub(crate) const MOST: usize = 16;
/// What holds the lock of a data directory.
const LOCK: &str = "lock";
/// Ends the name of a data directory that is being removed.
const REMOVED: &str = ".removed";

/// A data directory that no other process of ours uses until this is dropped: two servers on one could both run one
/// session (observed on OpenCode 1.18.33).
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    _lock: File,
}

impl Claim {
    /// This data directory, made when needed; `None` while somebody else uses it.
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        loop {
            private::directory(path)?;
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true);
            let lock = match private::open(&path.join(LOCK), &mut options) {
                // Whoever has removed it had claimed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                lock => lock?,
            };
            match lock.try_lock() {
                Ok(()) if is_at(&lock, &path.join(LOCK)) => {
                    return Ok(Some(Self { path: path.to_owned(), _lock: lock }));
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// The first that is free of `base`, `base-2` and so on; `None` when there are no more of them.
    pub(crate) fn first(directory: &Path, base: &str) -> io::Result<Option<Self>> {
        for number in 1..=MOST {
            let name = if number == 1 { base.to_owned() } else { format!("{base}-{number}") };
            if let Some(claim) = Self::of(&directory.join(name))? {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// Every data directory right below this one that nobody uses, of those with a name that is wanted.
    pub(crate) fn all_free(directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut free = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if name(&path).is_some_and(&wanted) && path.join(LOCK).is_file() {
                free.extend(Self::of(&path)?);
            }
        }
        Ok(free)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the data directory, also of one whose removal a crash broke off.
    pub(crate) fn name(&self) -> Option<&str> {
        name(&self.path)
    }

    /// Removes the data directory with all that is in it. It is moved aside first, so that nobody meets half of it; what a
    /// crash leaves of it is found as free, and removed, the next time.
    pub(crate) fn remove(self) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(REMOVED);
        fs::rename(&self.path, &aside)?;
        fs::remove_dir_all(&aside)
    }
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str().map(|name| name.trim_end_matches(REMOVED))
}

/// Whether this file is still the one with this name.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (Ok(ours), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    identity(ours) == identity(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_has_one_user_and_the_next_user_gets_the_next_directory() {
        let root = tempfile::tempdir().unwrap();
        let first = Claim::first(root.path(), "data").unwrap().unwrap();
        let second = Claim::first(root.path(), "data").unwrap().unwrap();
        assert_eq!((first.path(), second.path()), (&*root.path().join("data"), &*root.path().join("data-2")));
        assert!(Claim::of(first.path()).unwrap().is_none());
        drop(first);
        assert_eq!(Claim::first(root.path(), "data").unwrap().unwrap().path(), root.path().join("data"));
    }

    #[test]
    fn there_is_an_end_to_them() {
        let root = tempfile::tempdir().unwrap();
        let all: Vec<_> = (0..MOST).map(|_| Claim::first(root.path(), "data").unwrap().unwrap()).collect();
        assert!(Claim::first(root.path(), "data").unwrap().is_none());
        drop(all);
    }

    #[test]
    fn only_what_nobody_uses_is_found_and_removed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("of somebody else")).unwrap();
        let used = Claim::of(&root.path().join("used")).unwrap().unwrap();
        for name in ["free", "broken off.removed", "kept"] {
            drop(Claim::of(&root.path().join(name)).unwrap());
        }
        let mut free = Claim::all_free(root.path(), |name| name != "kept").unwrap();
        free.sort_by(|one, other| one.name().cmp(&other.name()));
        assert_eq!(free.iter().map(Claim::name).collect::<Vec<_>>(), [Some("broken off"), Some("free")]);
        free.into_iter().for_each(|claim| claim.remove().unwrap());
        let mut left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["kept", "of somebody else", "used"]);
        drop(used);
    }

    /// A lock that was opened before its directory was removed is worth nothing.
    #[test]
    fn a_directory_that_was_removed_is_claimed_anew() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let first = Claim::of(&path).unwrap().unwrap();
        fs::remove_dir_all(&path).unwrap();
        let second = Claim::of(&path).unwrap().unwrap();
        assert!(is_at(&second._lock, &path.join(LOCK)) && !is_at(&first._lock, &path.join(LOCK)));
    }
}
