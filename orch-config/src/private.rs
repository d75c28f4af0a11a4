//! Directories and files for one person alone, as everything that orch keeps is.
//!
//! They are made for their owner alone whatever the umask is, made so where they are found wider, and refused where they
//! are another user's: what is kept there could be read, and what is read there could have been made up. What is looked at
//! is what was opened.

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions, Permissions},
    io::{self, Read as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// The stable code of [`NotYours`].
pub const CODE: &str = "orch::state::not-yours";

/// The mark of a directory in which several users keep what is theirs, as they do in `/tmp`.
const STICKY: u32 = 0o1000;

/// A directory or a file is another user's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is of user {owner}, and this is user {user}: make it yours with chown, or name a directory of your own \
     (ORCH_STATE_DIR)",
    path.display()
)]
#[non_exhaustive]
pub struct NotYours {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub owner: u32,
    /// Who wants to use it.
    pub user: u32,
}

impl NotYours {
    /// What was refused, where an error is about that.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// Refuses a directory that is another user's. One that is not there yet is nobody's, and why one cannot be looked at is
/// told by whoever opens it.
///
/// # Errors
/// [`NotYours`].
pub fn check(path: &Path) -> io::Result<()> {
    path.metadata().map_or(Ok(()), |found| refuse(user(), path, &found))
}

/// Makes a directory, with those above it that are not there yet.
///
/// # Errors
/// [`NotYours`], or it cannot be made.
pub fn directory(path: &Path) -> io::Result<()> {
    directory_of(user(), path)
}

/// The same for every directory from `root` to `path`: who may write to one of them could put another in the place of the
/// next. A path that is not below `root` is made by itself.
///
/// # Errors
/// As [`directory`].
pub fn directories(root: &Path, path: &Path) -> io::Result<()> {
    let Ok(names) = path.strip_prefix(root) else { return directory(path) };
    let mut reached = root.to_owned();
    directory(&reached)?;
    for name in names {
        reached.push(name);
        directory(&reached)?;
    }
    Ok(())
}

/// Opens a file, by options that say whether it is made.
///
/// # Errors
/// [`NotYours`], or it cannot be opened.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_of(user(), path, options)
}

/// The bytes of a file, of which so many are read.
///
/// # Errors
/// [`NotYours`], or it cannot be read.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, OpenOptions::new().read(true))?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn directory_of(user: u32, path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    keep(user, path, &File::open(path)?)
}

fn open_of(user: u32, path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let opened = options.mode(0o600).open(path)?;
    keep(user, path, &opened)?;
    Ok(opened)
}

/// Makes narrow what is the user's own, but for what is shared on purpose.
fn keep(user: u32, path: &Path, opened: &File) -> io::Result<()> {
    let found = opened.metadata()?;
    refuse(user, path, &found)?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 && !is_shared(&found) {
        opened.set_permissions(Permissions::from_mode(mode & 0o700))?;
    }
    Ok(())
}

/// What root shares out is nobody's who could exchange what is in it.
fn refuse(user: u32, path: &Path, found: &Metadata) -> io::Result<()> {
    let owner = found.uid();
    if owner == user || (owner == 0 && is_shared(found)) {
        return Ok(());
    }
    let refusal = NotYours { path: path.to_owned(), owner, user };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, refusal))
}

fn is_shared(found: &Metadata) -> bool {
    found.is_dir() && found.permissions().mode() & STICKY != 0
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{chown, symlink},
    };

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn may_give_away() -> bool {
        if user() != 0 {
            eprintln!("skipped: only root can give a file to another user");
        }
        user() == 0
    }

    #[test]
    fn what_is_found_wider_is_made_narrow() {
        let scratch = tempfile::tempdir().unwrap();
        let (root, leaf) = (scratch.path().join("state"), scratch.path().join("state/a/b"));
        fs::create_dir_all(&leaf).unwrap();
        fs::write(leaf.join("file"), "kept").unwrap();
        for path in [&root, &scratch.path().join("state/a"), &leaf] {
            set(path, 0o777);
        }
        set(&leaf.join("file"), 0o666);
        directories(&root, &leaf).unwrap();
        for path in [&root, &scratch.path().join("state/a"), &leaf] {
            assert_eq!(mode(path), 0o700, "{path:?}");
        }
        directories(&leaf, &scratch.path().join("elsewhere/a")).unwrap();
        assert_eq!(mode(&scratch.path().join("elsewhere/a")), 0o700, "as a state directory that has moved");
        assert_eq!(read(&leaf.join("file"), 10).unwrap(), b"kept");
        assert_eq!(mode(&leaf.join("file")), 0o600);
        open(&leaf.join("new"), OpenOptions::new().create(true).append(true)).unwrap();
        assert_eq!(mode(&leaf.join("new")), 0o600);
    }

    /// `/tmp` may be what somebody names, and must stay as it is.
    #[test]
    fn a_directory_that_is_shared_on_purpose_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        set(scratch.path(), 0o1777);
        directory(scratch.path()).unwrap();
        assert_eq!(mode(scratch.path()), 0o1777);
        assert_eq!(directory_of(user() + 1, scratch.path()).is_ok(), user() == 0, "only root's is anybody's");
        set(scratch.path(), 0o700);
    }

    #[test]
    fn what_is_another_users_is_refused_with_its_place_and_the_way_out() {
        let scratch = tempfile::tempdir().unwrap();
        let (folder, file) = (scratch.path().join("state"), scratch.path().join("state/file"));
        directory(&folder).unwrap();
        fs::write(&file, "").unwrap();
        set(&file, 0o644);
        let other = user() + 1;
        let refused = |path: &Path, error: io::Error| {
            let refusal = NotYours::of(&error).unwrap();
            assert_eq!((&*refusal.path, refusal.owner, refusal.user), (path, user(), other));
            let text = error.to_string();
            assert!(text.contains(&*path.to_string_lossy()) && text.contains("ORCH_STATE_DIR"), "{text}");
        };
        refused(&folder, directory_of(other, &folder).unwrap_err());
        refused(&file, open_of(other, &file, OpenOptions::new().read(true)).unwrap_err());
        assert_eq!(mode(&file), 0o644, "it is not touched");
    }

    /// Only root can give something away, so this shows it only there.
    #[test]
    fn what_was_given_to_another_user_is_refused_also_behind_a_link() {
        if !may_give_away() {
            return;
        }
        let scratch = tempfile::tempdir().unwrap();
        let (folder, link) = (scratch.path().join("state"), scratch.path().join("link"));
        directory(&folder).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        symlink(&folder, &link).unwrap();
        chown(&folder, Some(12_345), None).unwrap();
        chown(folder.join("file"), Some(12_345), None).unwrap();
        assert!(NotYours::of(&check(&link).unwrap_err()).is_some());
        for path in [&folder, &link, &link.join("below")] {
            let refused = directories(&link, path).unwrap_err();
            assert_eq!(NotYours::of(&refused).unwrap().owner, 12_345, "{path:?}");
        }
        assert!(NotYours::of(&read(&folder.join("file"), 1).unwrap_err()).is_some());
        assert!(!folder.join("below").exists());
    }
}
