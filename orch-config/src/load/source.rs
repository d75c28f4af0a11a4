//! The bytes that layers come from, and what is told where there are none.

use std::{io, path::Path};

use crate::{
    code,
    diagnostic::{Diagnostic, Severity},
    document::{self, MAX_BYTES},
    file,
};

/// The bytes of a file, none if there is none. Never more than the cap.
pub(super) fn bytes_of(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !exists(path)? {
        return Ok(None);
    }
    file::read(path, MAX_BYTES as u64).map(Some)
}

/// The same of a file below `root`, out of which no link leads.
pub(super) fn bytes_below(root: &Path, path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !exists(path)? {
        return Ok(None);
    }
    let name = path.strip_prefix(root).unwrap_or(path);
    file::read_below(root, Path::new("."), name, MAX_BYTES as u64).map(Some)
}

fn exists(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let (message, help) = match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let (message, help) = document::too_large();
            let found = Diagnostic::new(code::TOO_LARGE, Severity::Error, message).with_help(help);
            return Diagnostic { file: Some(path.to_owned()), ..found };
        }
        io::ErrorKind::NotFound if path.is_symlink() => {
            ("the file is a link that leads nowhere".to_owned(), "repair the link, or remove it")
        }
        io::ErrorKind::NotFound => {
            ("there is no such file".to_owned(), "correct the path, or start a file with `orch config init`")
        }
        io::ErrorKind::PermissionDenied => {
            (format!("the file cannot be read: {error}"), "let yourself read it, or remove it")
        }
        _ => (format!("the file cannot be read: {error}"), "put a regular file in its place, or remove it"),
    };
    let found = Diagnostic::new(code::UNREADABLE, Severity::Error, message).with_help(help);
    Diagnostic { file: Some(path.to_owned()), ..found }
}

pub(super) fn leading_out(path: &Path, help: &str) -> Diagnostic {
    let message = "a project that is not trusted may not read files outside of it: a link here leads out";
    let found = Diagnostic::new(code::UNTRUSTED, Severity::Error, message.to_owned()).with_help(help);
    Diagnostic { file: Some(path.to_owned()), ..found }
}
