//! Files that go with a run.

use std::{
    fmt,
    io::{self, Read as _},
    path::Path,
};

use cap_std::{
    ambient_authority,
    fs::{Dir, File},
};
use orch::{Attachment, AttachmentError, workflow::attachment::MAX_BYTES};

use crate::{exit::Failure, file::without_waiting};

/// A file as it is now, wherever it leads.
pub(crate) fn attachment(path: &Path) -> Result<Attachment, Failure> {
    take(path, File::open_ambient_with(path, &without_waiting(), ambient_authority()))
}

/// A file of a project as it is now. No link leads out of the project, however it is changed meanwhile.
pub(crate) fn attachment_of(project: &Path, name: &Path) -> Result<Attachment, Failure> {
    let project_directory = Dir::open_ambient_dir(project, ambient_authority());
    take(&project.join(name), project_directory.and_then(|folder| folder.open_with(name, &without_waiting())))
}

/// What is not a plain file, or too large, is not read at all, however it is exchanged meanwhile: what is looked at is what
/// was opened.
fn take(path: &Path, opened: io::Result<File>) -> Result<Attachment, Failure> {
    let refused = |reason: &dyn fmt::Display| {
        let message = format!("attach {}: {reason}", path.display());
        Failure::usage("orch::cli::attachment", message)
    };
    let file = opened.map_err(|error| refused(&error))?;
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
        os::unix::fs::symlink,
        path::PathBuf,
        sync::{
            atomic::{AtomicBool, Ordering},
            mpsc,
        },
        thread,
        time::Duration,
    };

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    /// Attaches `notes.md` again and again while something else takes turns with it. Every attempt ends; how those ended that
    /// were refused.
    fn refused_while(
        exchange: impl Fn(&Path) + Sync,
        attach: impl Fn(PathBuf) -> Result<Attachment, Failure> + Send + 'static,
    ) -> Vec<String> {
        const LOOKS: usize = 2_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.md");
        fs::write(&path, "notes").unwrap();
        let done = AtomicBool::new(false);
        let seen: Vec<_> = thread::scope(|scope| {
            scope.spawn(|| {
                let next = folder.path().join("next");
                while !done.load(Ordering::Relaxed) {
                    exchange(&next);
                    fs::rename(&next, &path).unwrap();
                    fs::write(&next, "notes").unwrap();
                    fs::rename(&next, &path).unwrap();
                }
            });
            let (looks, looked) = mpsc::sync_channel(1);
            let looked_at = path.clone();
            // Not in the scope: one that waits for ever is left behind.
            thread::spawn(move || while looks.send(attach(looked_at.clone())).is_ok() {});
            let mut seen: Vec<Result<Attachment, Failure>> = Vec::new();
            let (mut taken, mut refused) = (false, false);
            // Whoever is busy may see one of the two for long, and both at some time.
            while seen.len() < LOOKS || !(taken && refused) {
                let Ok(look) = looked.recv_timeout(Duration::from_secs(30)) else { break };
                (taken, refused) = (taken || look.is_ok(), refused || look.is_err());
                seen.push(look);
                if seen.len() == 100 * LOOKS {
                    break;
                }
            }
            done.store(true, Ordering::Relaxed);
            seen
        });
        assert!(seen.len() >= LOOKS, "one was waited for");
        let (taken, refused): (Vec<_>, Vec<_>) = seen.into_iter().partition(Result::is_ok);
        assert!(!taken.is_empty() && !refused.is_empty(), "{} taken, {:?}", taken.len(), refused.first());
        assert!(
            taken.into_iter().flatten().all(|taken| taken.bytes() == "notes".len()),
            "something else was read"
        );
        refused.into_iter().filter_map(Result::err).map(|refused| refused.message).collect()
    }

    /// Between a look at a file and the opening of it, it may become a pipe that nobody writes to.
    #[test]
    fn a_file_that_is_exchanged_meanwhile_is_not_waited_for() {
        let refused = refused_while(|next| mkfifo(next, Mode::S_IRWXU).unwrap(), |path| attachment(&path));
        assert!(refused.iter().all(|message| message.ends_with("it is no file")), "{refused:?}");
    }

    /// Or a link to a file that the project has no business with.
    #[test]
    fn a_file_of_a_project_that_is_exchanged_meanwhile_leads_nowhere_else() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret.md");
        fs::write(&secret, "a secret of the person").unwrap();
        refused_while(
            |next| symlink(&secret, next).unwrap(),
            |path| attachment_of(path.parent().unwrap(), Path::new("notes.md")),
        );
    }
}
