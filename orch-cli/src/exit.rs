//! How a command ends: the documented exit codes, and errors that name the way out.

use std::{fmt::Write as _, process::ExitCode};

use console::style;
use orch::{
    config::{
        Diagnostic, LoadError, Severity,
        private::{self, NotYours},
    },
    ux::text::printable,
    workflow::driver::EngineError,
};
use serde::Serialize;

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The run, or the command, succeeded.
    Success = 0,
    /// The run, or the command, failed.
    Error = 1,
    /// The call or the configuration is wrong.
    Usage = 2,
    /// The run waits at a gate.
    Paused = 3,
    /// Another process drives the run.
    Locked = 4,
    /// Ctrl-C; the run is left paused and can be continued.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure of a command, ready to be shown to a person or a program.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    /// A stable machine code.
    pub(crate) code: String,
    /// What went wrong, and where.
    pub(crate) message: String,
    /// The way out.
    pub(crate) help: Option<String>,
    /// The same for people, with source excerpts.
    #[serde(skip)]
    detail: Option<String>,
    #[serde(skip)]
    pub(crate) exit: Exit,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), help: None, detail: None, exit }
    }

    pub(crate) fn usage(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The way out as a whole, beside what each excerpt advises.
    #[must_use]
    pub(crate) fn way_out(mut self, help: impl Into<String>) -> Self {
        let help = help.into();
        if let Some(detail) = &mut self.detail {
            detail.push_str(&advice(&help));
        }
        self.help(help)
    }

    /// For a terminal.
    pub(crate) fn render(&self) -> String {
        if let Some(detail) = &self.detail {
            return detail.clone();
        }
        let mut text = String::new();
        let label = style("error").red().bold().for_stderr();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label}: {}", printable(&self.message));
        if let Some(help) = &self.help {
            text.push_str(&advice(help));
        }
        text
    }
}

fn advice(help: &str) -> String {
    format!("{}: {}\n", style("help").cyan().for_stderr(), printable(help))
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let code = NotYours::of(&error).map_or("orch::cli::io", |_| private::CODE);
        Self::new(Exit::Error, code, format!("read or write: {error}"))
    }
}

impl From<orch::Error> for Failure {
    fn from(error: orch::Error) -> Self {
        let exit = match error.kind() {
            orch::ErrorKind::Locked => Exit::Locked,
            orch::ErrorKind::Usage | orch::ErrorKind::Config => Exit::Usage,
            _ => Exit::Error,
        };
        let failure = Self::new(exit, error.code(), error.to_string());
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::from(orch::Error::from(error))
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let errors = error.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        let message: Vec<_> = errors.clone().map(placed).collect();
        let help = errors.clone().find_map(|diagnostic| diagnostic.help.clone());
        Self::usage(error.code(), message.join("; "))
            .help(help.unwrap_or_else(|| "mend it, then look again with `orch config check`".to_owned()))
            .detail(crate::report::diagnostics(&error.diagnostics, &error.files))
    }
}

/// `FILE:LINE:COLUMN: what is wrong`, as far as there is a place.
fn placed(diagnostic: &Diagnostic) -> String {
    let Diagnostic { file, line, column, message, .. } = diagnostic;
    match (file, line, column) {
        (Some(file), Some(line), Some(column)) => format!("{}:{line}:{column}: {message}", file.display()),
        (Some(file), ..) => format!("{}: {message}", file.display()),
        (None, ..) => message.clone(),
    }
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        let text = error.to_string();
        let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message = message.strip_prefix("error: ").unwrap_or(message).trim_end();
        let failure = Self::usage("orch::cli::usage", message);
        match rest.trim_end() {
            "" => failure,
            rest => failure.help(rest.trim_start()),
        }
    }
}
