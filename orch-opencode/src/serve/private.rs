//! Directories and files for one person alone, whatever the umask is; another user's are refused.
//!
//! A server trusts what it finds on its data directory, and a sweep what its record says.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nix::unistd::geteuid;

/// A record is much smaller.
const MAX_BYTES: u64 = 64 * 1024;

/// Makes a directory, with those above it, or makes the one that is there narrow.
pub(super) fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    keep(geteuid().as_raw(), path, &File::open(path)?)
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    keep(geteuid().as_raw(), path, &file)?;
    file.set_len(0)?;
    file.write_all(bytes)
}

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    keep(geteuid().as_raw(), path, &file)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn keep(user: u32, path: &Path, opened: &File) -> io::Result<()> {
    let found = opened.metadata()?;
    if found.uid() != user {
        let (path, owner) = (path.display(), found.uid());
        let message = format!(
            "{path} is of user {owner}, and this is user {user}: make it yours with chown, or name a directory of your own"
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        opened.set_permissions(Permissions::from_mode(mode & 0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_found_wider_is_made_narrow_and_what_is_another_users_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let (folder, file) = (scratch.path().join("records"), scratch.path().join("records/1.json"));
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "a longer text").unwrap();
        for (path, mode) in [(&folder, 0o777), (&file, 0o666)] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        directory(&folder).unwrap();
        write(&file, b"text").unwrap();
        assert_eq!(read(&file).unwrap(), b"text");
        for (path, mode) in [(&folder, 0o700), (&file, 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
            let opened = File::open(path).unwrap();
            let refused = keep(geteuid().as_raw() + 1, path, &opened).unwrap_err().to_string();
            assert!(refused.contains(&*path.to_string_lossy()) && refused.contains("chown"), "{refused}");
        }
    }
}
