//! A project on disk, and short forms of what came out.

use std::{fs, path::PathBuf};

use orch_config::{Diagnostics, LoadError, LoadOptions, Loaded, Severity, Trust, load, parse};
use tempfile::TempDir;

/// A home, a worktree and a directory in it.
pub(crate) struct Project {
    root: TempDir,
    pub(crate) options: LoadOptions,
}

impl Project {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("project");
        fs::create_dir_all(&directory).unwrap();
        let mut options = LoadOptions::new(&directory);
        options.global_file = Some(root.path().join("config/opencode/orchestrator.json"));
        Self { root, options }
    }

    /// Writes a file, by its path below the root: `project/…`, `config/…`.
    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn global(self, text: &str) -> Self {
        self.file("config/opencode/orchestrator.json", text)
    }

    pub(crate) fn project(self, text: &str) -> Self {
        self.file("project/.opencode/orchestrator.json", text)
    }

    pub(crate) fn trusted(mut self) -> Self {
        self.options.trust = Trust::Trusted;
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn load(&self) -> Result<Loaded, LoadError> {
        load(&self.options)
    }

    /// The problems of a project that is refused.
    pub(crate) fn refused(&self) -> Vec<String> {
        lines(&self.load().expect_err("the configuration loads").diagnostics)
    }
}

/// A trusted file that loads.
pub(crate) fn loaded(text: &str) -> Loaded {
    parse(text.as_bytes(), None, Trust::Trusted).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything that is said about a trusted file: `line:column level code path`.
pub(crate) fn problems(text: &str) -> Vec<String> {
    match parse(text.as_bytes(), None, Trust::Trusted) {
        Ok(loaded) => lines(&loaded.warnings),
        Err(error) => lines(&error.diagnostics),
    }
}

pub(crate) fn lines(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let position = diagnostic.line.zip(diagnostic.column);
            let position =
                position.map_or_else(|| "-".to_owned(), |(line, column)| format!("{line}:{column}"));
            let level = if diagnostic.severity == Severity::Error { "error" } else { "warning" };
            let code = diagnostic.code.trim_start_matches("orch::config::");
            format!("{position} {level} {code} {}", diagnostic.path.as_deref().unwrap_or("-"))
        })
        .collect()
}
