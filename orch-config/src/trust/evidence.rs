//! What is looked at before a project is trusted.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::SourceText;

/// A project's directory, and the texts in it that have a say: its configuration and the prompts that belong to it.
///
/// They are the very texts that were loaded. Trust is bound to them whole rather than to a digest, so that a later
/// change can be shown, and so that no other text can pass for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The directory, without symbolic links.
    pub directory: PathBuf,
    /// Each file's text, by its path: relative to the directory where the file is in it.
    pub files: BTreeMap<PathBuf, SourceText>,
}

impl Evidence {
    pub(crate) fn of(directory: &Path) -> Self {
        // A directory that cannot be found has no files either.
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        Self { directory, files: BTreeMap::new() }
    }

    /// Takes in a file of the project that is found in `directory` as the caller names it. It goes by the name under
    /// which it was looked up, wherever that leads: what a link points to may change.
    pub(crate) fn add(&mut self, directory: &Path, file: &Path, text: SourceText) {
        self.files.insert(name(directory, file).to_owned(), text);
    }

    /// Whether this file has this text.
    pub(crate) fn has(&self, directory: &Path, file: &Path, text: &SourceText) -> bool {
        self.files.get(name(directory, file)) == Some(text)
    }
}

fn name<'f>(directory: &Path, file: &'f Path) -> &'f Path {
    file.strip_prefix(directory).unwrap_or(file)
}
