//! Directories in which a person trusts every project: the key `trust`, which only their own file may have.

use std::path::{Path as FilePath, PathBuf};

use crate::{code, issue::Issue, model::Root, path::Path};

/// The directories, as the person's own file names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grants(Vec<PathBuf>);

impl Grants {
    /// Takes what a person's own file grants out of it, and tells which of it cannot be granted.
    pub(crate) fn take(root: &mut Root) -> (Self, Vec<Issue>) {
        let given = root.trust.take().unwrap_or_default().into_iter().map(PathBuf::from).enumerate();
        let (granted, relative): (Vec<_>, Vec<_>) = given.partition(|(_, directory)| directory.is_absolute());
        let issues = relative.into_iter().map(|(index, directory)| {
            let message = format!("{directory:?} is not an absolute path: it could be meant from anywhere");
            let place = Path::keys("trust").index(index);
            Issue::error(code::INVALID_VALUE, place, message).help("write the whole path of the directory")
        });
        (Self(granted.into_iter().map(|(_, directory)| directory).collect()), issues.collect())
    }

    /// What is wrong with a file that is not the person's own and grants something. It is never heeded.
    pub(crate) fn refuse(root: &mut Root) -> Option<Issue> {
        let given = root.trust.take().filter(|given| !given.is_empty())?;
        let message = format!("`trust` cannot be set here: it names {} directories", given.len());
        let issue = Issue::error(code::MISPLACED_KEY, Path::keys("trust"), message);
        Some(
            issue.help("put it into your own file (orchestrator.json in OpenCode's configuration directory)"),
        )
    }

    /// The directory that covers a project, which is given without symbolic links.
    pub(crate) fn cover(&self, project: &FilePath) -> Option<&FilePath> {
        let covers = |directory: &&PathBuf| {
            directory.canonicalize().is_ok_and(|directory| project.starts_with(directory))
        };
        self.0.iter().find(covers).map(PathBuf::as_path)
    }
}
