//! Why a chore stopped.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line of `cargo xtask` makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A check of our own found something; the text says what and where.
    #[error("{0}")]
    Check(String),
    #[error("`{command}` ended with {status}")]
    Failed { command: String, status: ExitStatus },
    #[error("cannot start `{command}`")]
    Start { command: String, source: io::Error },
    #[error("cannot {action} {}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot read the workspace with `cargo metadata`")]
    Metadata(#[from] cargo_metadata::Error),
}

/// The error and its causes in one line.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
