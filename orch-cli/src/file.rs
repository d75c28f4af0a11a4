//! Files that are read within bounds, and written whole or not at all.
//!
//! A project may be somebody else's, with links that lead anywhere: of its files nothing is read, written or removed but
//! below its directory, however its links change meanwhile. A person's own files are wherever their links lead.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, File, OpenOptions, OpenOptionsExt as _},
};
use nix::fcntl::OFlag;

use crate::exit::{Exit, Failure};

/// No file of settings is larger.
const MAX_BYTES: u64 = 1024 * 1024;

/// What could not be done to a file, and why.
fn failed(action: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Error, "orch::cli::io", format!("{action} {}: {error}", file.display()))
}

/// The files below a folder, and how far its links are followed.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    folder: PathBuf,
    links: Links,
}

#[derive(Debug, Clone, Copy)]
enum Links {
    Within,
    Anywhere,
}

/// What is found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// Also a link, where those of a project are concerned.
    Other,
}

impl Files {
    /// Those of a project: no link leads out of its directory.
    pub(crate) fn of_project(directory: &Path) -> Self {
        Self { folder: directory.to_owned(), links: Links::Within }
    }

    /// A person's own.
    pub(crate) fn own(folder: PathBuf) -> Self {
        Self { folder, links: Links::Anywhere }
    }

    pub(crate) fn path(&self, name: &Path) -> PathBuf {
        self.folder.join(name)
    }

    /// What is there under this name; nothing where there is nothing.
    pub(crate) fn kind(&self, name: &Path) -> Result<Option<Kind>, Failure> {
        let look = || {
            let (is_file, is_folder) = match self.links {
                Links::Within => {
                    let found = self.open()?.symlink_metadata(name)?;
                    (found.is_file(), found.is_dir())
                }
                Links::Anywhere => {
                    let found = fs::metadata(self.path(name))?;
                    (found.is_file(), found.is_dir())
                }
            };
            Ok(match (is_file, is_folder) {
                (true, _) => Kind::File,
                (_, true) => Kind::Folder,
                _ => Kind::Other,
            })
        };
        present(look()).map_err(|error| self.failed("look at", name, &error))
    }

    /// The text of a file; none where there is no such file. What is no file is not waited for, and of what is too large
    /// no more than that is read.
    pub(crate) fn text(&self, name: &Path) -> Result<Option<String>, Failure> {
        let read = || {
            let (folder, name) = self.reach(name)?;
            take(folder.open_with(name, &without_waiting())?)
        };
        present(read()).map_err(|error| self.failed("read", name, &error))
    }

    /// Replaces a file, or makes it, with the folders that it needs.
    pub(crate) fn put(&self, name: &Path, text: &str) -> Result<(), Failure> {
        match self.create(name, text)? {
            true => Ok(()),
            false => self.replace(name, text),
        }
    }

    /// Makes a file, with the folders that it needs; says whether its name was free.
    pub(crate) fn create(&self, name: &Path, text: &str) -> Result<bool, Failure> {
        let parent = name.parent().unwrap_or(Path::new(""));
        let make = || match self.links {
            Links::Within => {
                let folder = self.open()?;
                match folder.create_dir_all(parent) {
                    // What is in the way of the folder is told when the file is opened in it.
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
                folder
                    .open_with(name, OpenOptions::new().write(true).create_new(true))?
                    .write_all(text.as_bytes())
            }
            Links::Anywhere => {
                fs::create_dir_all(self.path(parent))?;
                fs::File::create_new(self.path(name))?.write_all(text.as_bytes())
            }
        };
        match make() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(self.failed("write", name, &error)),
        }
    }

    /// The new text is in place whole or not at all, under the old permissions; a link stays a link.
    pub(crate) fn replace(&self, name: &Path, text: &str) -> Result<(), Failure> {
        let write = || {
            let (folder, name) = self.reach(name)?;
            let real = folder.canonicalize(name)?;
            let (folder, name) = match (real.parent(), real.file_name()) {
                (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => {
                    (folder.open_dir(parent)?, name)
                }
                _ => (folder, real.as_os_str()),
            };
            replace_in(&folder, Path::new(name), text)
        };
        write().map_err(|error| self.failed("write", name, &error))
    }

    /// Removes a file, or the link that stands for it; says whether there was one.
    pub(crate) fn remove(&self, name: &Path) -> Result<bool, Failure> {
        let removed = match self.links {
            Links::Within => self.open().and_then(|folder| folder.remove_file(name)),
            Links::Anywhere => fs::remove_file(self.path(name)),
        };
        let removed = present(removed).map_err(|error| self.failed("remove", name, &error))?;
        Ok(removed.is_some())
    }

    /// Removes a folder, where there is one and nothing is left in it. A link to one stays.
    pub(crate) fn remove_empty(&self, name: &Path) -> Result<(), Failure> {
        use io::ErrorKind::{DirectoryNotEmpty, NotADirectory, NotFound};
        let removed = match self.links {
            Links::Within => self.open().and_then(|folder| folder.remove_dir(name)),
            Links::Anywhere => fs::remove_dir(self.path(name)),
        };
        match removed {
            Err(error) if !matches!(error.kind(), NotFound | DirectoryNotEmpty | NotADirectory) => {
                Err(self.failed("remove", name, &error))
            }
            _ => Ok(()),
        }
    }

    fn open(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.folder, ambient_authority())
    }

    /// The folder out of which nothing leads, and the name of a file that exists in it.
    fn reach(&self, name: &Path) -> io::Result<(Dir, PathBuf)> {
        match self.links {
            Links::Within => Ok((self.open()?, name.to_owned())),
            Links::Anywhere => {
                let real = self.path(name).canonicalize()?;
                let folder = Dir::open_ambient_dir(real.parent().unwrap_or(&real), ambient_authority())?;
                Ok((folder, real.file_name().unwrap_or_default().into()))
            }
        }
    }

    fn failed(&self, action: &str, name: &Path, error: &io::Error) -> Failure {
        let file = self.path(name);
        if !leads_out(error) {
            return failed(action, &file, error);
        }
        let (file, folder) = (file.display(), self.folder.display());
        Failure::usage("orch::cli::link", format!("{action} {file}: a link there leads out of {folder}"))
            .help("look where it leads; then put a file or a folder of the project's own in its place")
    }
}

/// A refusal of ours, not of the system.
fn leads_out(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A pipe without a writer is opened at once, and then found to be no file.
pub(crate) fn without_waiting() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
    options
}

fn take(file: File) -> io::Result<String> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it has more than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(text)
}

/// Whatever the name stands for by now, it and nothing else is replaced.
fn replace_in(folder: &Dir, name: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let make = |path: &Path| folder.open_with(path.file_name().unwrap_or_default(), &options);
    // Its path is one below this folder, wherever that is by now: it is removed below it, too.
    let mut draft = tempfile::Builder::new().disable_cleanup(true).make_in("", make)?;
    let drawn = PathBuf::from(draft.path().file_name().unwrap_or_default());
    let mut write = || {
        draft.write_all(text.as_bytes())?;
        draft.as_file().set_permissions(folder.metadata(name)?.permissions())?;
        draft.as_file().sync_all()?;
        folder.rename(&drawn, folder, name)
    };
    let written = write();
    if written.is_err() {
        // The draft is of no consequence; why it could not be used is what is told.
        let _ = folder.remove_file(&drawn);
    }
    written
}
