//! Files that go with a run.

use std::{fmt, fs::OpenOptions, io::Read as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use nix::fcntl::OFlag;
use orch::{Attachment, AttachmentError, workflow::attachment::MAX_BYTES};

use crate::exit::Failure;

/// A file as it is now. What is not a plain file, or too large, is not read at all, however it is exchanged meanwhile: what
/// is looked at is what was opened. A pipe without a writer is opened at once, and then found to be no file.
pub(crate) fn attachment(path: &Path) -> Result<Attachment, Failure> {
    let refused = |reason: &dyn fmt::Display| {
        let message = format!("attach {}: {reason}", path.display());
        Failure::usage("orch::cli::attachment", message)
    };
    let at_once = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = OpenOptions::new().read(true).custom_flags(at_once).open(path);
    let file = file.map_err(|error| refused(&error))?;
    let about = file.metadata().map_err(|error| refused(&error))?;
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
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut content).map_err(|error| refused(&error))?;
    Attachment::new(name, &content).map_err(|error| orch::Error::from(error).into())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::{
            atomic::{AtomicBool, Ordering},
            mpsc,
        },
        thread,
        time::Duration,
    };

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    /// Between a look at a file and the opening of it, it may become a pipe that nobody writes to.
    #[test]
    fn a_file_that_is_exchanged_meanwhile_is_not_waited_for() {
        const LOOKS: usize = 2_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.md");
        fs::write(&path, "notes").unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let next = folder.path().join("next");
                while !done.load(Ordering::Relaxed) {
                    mkfifo(&next, Mode::S_IRWXU).unwrap();
                    fs::rename(&next, &path).unwrap();
                    fs::write(&next, "notes").unwrap();
                    fs::rename(&next, &path).unwrap();
                }
            });
            let (looks, seen) = mpsc::channel();
            let looked_at = path.clone();
            // Not in the scope: one that waits for ever is left behind.
            thread::spawn(move || (0..LOOKS).try_for_each(|_| looks.send(attachment(&looked_at))));
            let seen: Vec<_> =
                (0..LOOKS).map_while(|_| seen.recv_timeout(Duration::from_secs(30)).ok()).collect();
            done.store(true, Ordering::Relaxed);
            let (taken, refused): (Vec<_>, Vec<_>) = seen.into_iter().partition(Result::is_ok);
            assert_eq!(taken.len() + refused.len(), LOOKS, "one was waited for");
            assert!(!taken.is_empty() && !refused.is_empty(), "{} {}", taken.len(), refused.len());
            for taken in taken.into_iter().flatten() {
                assert_eq!(taken.bytes(), "notes".len());
            }
            for refused in refused.into_iter().filter_map(Result::err) {
                assert!(refused.message.ends_with("it is no file"), "{}", refused.message);
            }
        });
    }
}
