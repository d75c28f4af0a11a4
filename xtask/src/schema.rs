//! `schema/orchestrator.schema.json`: generated from the types that read `orchestrator.json`, committed so that
//! editors can use it from the repository, and never allowed to lag behind.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::error::Error;

/// Writes the schema that belongs to the types as they are.
pub(crate) fn write() -> Result<(), Error> {
    let path = path();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| Error::File {
            action: "create",
            path: folder.to_owned(),
            source,
        })?;
    }
    fs::write(&path, orch_config::schema::json()).map_err(|source| Error::File {
        action: "write",
        path: path.clone(),
        source,
    })?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Fails when the committed schema is not the generated one.
pub(crate) fn check() -> Result<(), Error> {
    let path = path();
    let committed = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(Error::File { action: "read", path, source }),
    };
    match first_difference(&committed, &orch_config::schema::json()) {
        None => Ok(()),
        Some(line) => Err(Error::Check(format!(
            "{} differs from the types in line {line}: run `cargo xtask schema` and commit the result",
            path.display()
        ))),
    }
}

fn path() -> PathBuf {
    crate::workspace::root().join("schema/orchestrator.schema.json")
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
