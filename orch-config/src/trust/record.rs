//! Where it is written down which projects a person trusts.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Evidence;
use crate::{
    code, document,
    private::{self, NotYours},
    prompt,
};

/// More than any evidence can come to: every text, with the worst of JSON's escapes.
const MAX_BYTES: u64 = 6 * (document::MAX_BYTES as u64 + 2 * prompt::MAX_TOTAL_BYTES);

/// A directory with a record of each project that a person trusts. It must be one that no project can write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRecords {
    directory: PathBuf,
}

/// A record that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
#[non_exhaustive]
pub struct TrustError {
    action: &'static str,
    /// The record, or the directory.
    pub path: PathBuf,
    source: io::Error,
}

impl TrustError {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match NotYours::of(&self.source) {
            Some(_) => private::CODE,
            None => code::TRUST_RECORD,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    #[serde(flatten)]
    evidence: Evidence,
}

const VERSION: u32 = 1;

impl TrustRecords {
    /// The records in this directory, which need not exist yet.
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// What a person has trusted in this project; none if they never have.
    ///
    /// # Errors
    /// There is a record that cannot be read, or the records are where the project could have put them itself.
    pub fn find(&self, project: &Path) -> Result<Option<Evidence>, TrustError> {
        let project = canonical(project);
        let path = self.path(&project);
        let failed = |source| TrustError { action: "read the trust record", path: path.clone(), source };
        self.outside(&project)?;
        let text = match private::read(&path, MAX_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let Record { version, evidence } =
            serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        if version != VERSION {
            let message = format!("it has version {version}, and this program knows {VERSION}");
            return Err(failed(io::Error::other(message)));
        }
        Ok((evidence.directory == project).then_some(evidence))
    }

    /// Whether a person has trusted exactly this.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn trusts(&self, evidence: &Evidence) -> Result<bool, TrustError> {
        Ok(self.find(&evidence.directory)?.is_some_and(|trusted| trusted == *evidence))
    }

    /// Writes down that a person trusts this, in the place of what they trusted there before.
    ///
    /// # Errors
    /// It cannot be written; what was trusted before still is.
    pub fn trust(&self, evidence: &Evidence) -> Result<(), TrustError> {
        let path = self.path(&evidence.directory);
        let failed = |source| TrustError { action: "write the trust record", path: path.clone(), source };
        self.outside(&evidence.directory)?;
        private::directory(&self.directory).map_err(failed)?;
        let record = Record { version: VERSION, evidence: evidence.clone() };
        let text = serde_json::to_string_pretty(&record).map_err(|error| failed(error.into()))?;
        // A temporary file is for its owner alone, and takes the record's name in one piece.
        let mut file = tempfile::NamedTempFile::new_in(&self.directory).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Takes trust back; says whether there was any.
    ///
    /// # Errors
    /// The record cannot be removed.
    pub fn revoke(&self, project: &Path) -> Result<bool, TrustError> {
        let path = self.path(&canonical(project));
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(TrustError { action: "remove the trust record", path, source }),
        }
    }

    fn path(&self, project: &Path) -> PathBuf {
        let digest = Sha256::digest(project.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(name).with_extension("json")
    }

    /// A project could bring a record along.
    fn outside(&self, project: &Path) -> Result<(), TrustError> {
        if !canonical(&self.directory).starts_with(project) {
            return Ok(());
        }
        let source = io::Error::other("it is inside the project, which could have brought it along");
        Err(TrustError { action: "use the trust records in", path: self.directory.clone(), source })
    }
}

/// Without symbolic links, as far as the path exists.
fn canonical(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        _ => path.to_owned(),
    }
}
