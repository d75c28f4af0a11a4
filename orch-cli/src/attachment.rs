//! Files that go with a run.

use std::{
    fmt,
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use orch::{Attachment, AttachmentError, workflow::attachment::MAX_BYTES};

use crate::exit::Failure;

/// A file as it is now. What is not a plain file, or too large, is not read at all.
pub(crate) fn attachment(path: &Path) -> Result<Attachment, Failure> {
    let refused = |reason: &dyn fmt::Display| {
        let message = format!("attach {}: {reason}", path.display());
        Failure::usage("orch::cli::attachment", message)
    };
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let about = fs::metadata(path).map_err(|error| refused(&error))?;
    if !about.is_file() {
        return Err(
            refused(&"it is no file").help("attach its files one by one, or name the directory in the task")
        );
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    if about.len() > MAX_BYTES as u64 {
        let bytes = usize::try_from(about.len()).unwrap_or(usize::MAX);
        return Err(orch::Error::from(AttachmentError::TooLarge { name: name.into_owned(), bytes }).into());
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(|error| refused(&error))?;
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut content).map_err(|error| refused(&error))?;
    Attachment::new(name, &content).map_err(|error| orch::Error::from(error).into())
}
