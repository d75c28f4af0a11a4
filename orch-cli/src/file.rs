//! Files that are written whole or not at all.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use crate::exit::{Exit, Failure};

/// What could not be done to a file, and why.
pub(crate) fn failed(action: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Error, "orch::cli::io", format!("{action} {}: {error}", file.display()))
}

/// The new text is in place whole or not at all, under the old permissions; a link stays a link.
pub(crate) fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        let real = file.canonicalize()?;
        let folder = real.parent().unwrap_or(Path::new("."));
        let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
        fresh.write_all(text.as_bytes())?;
        fresh.as_file().set_permissions(fs::metadata(&real)?.permissions())?;
        fresh.as_file().sync_all()?;
        fresh.persist(&real).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| failed("write", file, &error))
}

/// Replaces a file, or makes it, with the folders that it needs.
pub(crate) fn put(file: &Path, text: &str) -> Result<(), Failure> {
    if file.symlink_metadata().is_ok() {
        return replace(file, text);
    }
    let create = || {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::OpenOptions::new().write(true).create_new(true).open(file)?.write_all(text.as_bytes())
    };
    create().map_err(|error| failed("write", file, &error))
}

/// The text of a file; none where there is no such file.
pub(crate) fn text(file: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", file, &error)),
    }
}

/// Removes a file, where there is one.
pub(crate) fn remove(file: &Path) -> Result<(), Failure> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", file, &error)),
        _ => Ok(()),
    }
}

/// Removes a folder, where there is one and nothing is left in it.
pub(crate) fn remove_empty(folder: &Path) -> Result<(), Failure> {
    use io::ErrorKind::{DirectoryNotEmpty, NotFound};
    match fs::remove_dir(folder) {
        Err(error) if !matches!(error.kind(), NotFound | DirectoryNotEmpty) => {
            Err(failed("remove", folder, &error))
        }
        _ => Ok(()),
    }
}
