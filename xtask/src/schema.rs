//! What is generated from the code and committed beside it, so that editors and readers have it from the repository:
//! never allowed to lag behind.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::command::cargo;
use crate::error::Error;

/// A committed file, and what writes it.
struct Generated {
    path: &'static str,
    source: Source,
}

enum Source {
    /// The schema of the types that read `orchestrator.json`.
    Configuration,
    /// What `orch` prints when it is called so.
    Orch(&'static [&'static str]),
}

const GENERATED: &[Generated] = &[
    Generated { path: "schema/orchestrator.schema.json", source: Source::Configuration },
    Generated { path: "schema/events.schema.json", source: Source::Orch(&["schema", "--events"]) },
    Generated { path: "schema/openapi.json", source: Source::Orch(&["schema", "--openapi"]) },
    Generated { path: "docs/cli.md", source: Source::Orch(&["man", "--markdown"]) },
];

/// Writes every file as the code is now.
pub(crate) fn write() -> Result<(), Error> {
    for each in GENERATED {
        let (path, text) = (each.path(), each.text()?);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| Error::File {
                action: "create",
                path: folder.to_owned(),
                source,
            })?;
        }
        fs::write(&path, text).map_err(|source| Error::File {
            action: "write",
            path: path.clone(),
            source,
        })?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Fails when a committed file is not the generated one.
pub(crate) fn check() -> Result<(), Error> {
    for each in GENERATED {
        let path = each.path();
        let committed = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Error::File { action: "read", path, source }),
        };
        if let Some(line) = first_difference(&committed, &each.text()?) {
            return Err(Error::Check(format!(
                "{} differs from the code in line {line}: run `cargo xtask schema` and commit the result",
                path.display()
            )));
        }
    }
    Ok(())
}

impl Generated {
    fn path(&self) -> PathBuf {
        crate::workspace::root().join(self.path)
    }

    fn text(&self) -> Result<String, Error> {
        match self.source {
            Source::Configuration => Ok(orch_config::schema::json()),
            Source::Orch(arguments) => {
                let mut command = cargo(["run", "--quiet", "--package", "orch-cli", "--"]);
                output(command.args(arguments))
            }
        }
    }
}

/// Standard output of a command that must end well; what it has to complain about goes where ours does.
fn output(command: &mut Command) -> Result<String, Error> {
    let shown = || "cargo run --package orch-cli".to_owned();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start { command: shown(), source })?;
    if !output.status.success() {
        return Err(Error::Failed { command: shown(), status: output.status });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The number of the first line, from 1, in which two texts differ.
fn first_difference(left: &str, right: &str) -> Option<usize> {
    if left == right {
        return None;
    }
    let same =
        left.split_inclusive('\n').zip(right.split_inclusive('\n')).take_while(|(left, right)| left == right);
    Some(same.count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2), "another line");
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2), "a line more");
        assert_eq!(first_difference("a\nb", "a\nb\n"), Some(2), "the newline at the end");
        assert_eq!(first_difference("", "a\n"), Some(1), "no file yet");
    }
}
