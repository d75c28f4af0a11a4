//! A problem before it is known where in which file it is.

use crate::{
    diagnostic::{Diagnostic, Severity},
    expression::ExpressionError,
    path::Path,
};

/// What is wrong at which place of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Issue {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) path: Path,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Where in the text at `path`, in bytes of the text. None: all of it.
    pub(crate) within: Option<usize>,
}

impl Issue {
    pub(crate) fn error(code: &'static str, path: Path, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, path, message: message.into(), help: None, within: None }
    }

    /// What is wrong with the condition at a place.
    pub(crate) fn of_expression(error: ExpressionError, path: Path) -> Self {
        let code = error.code;
        Self { help: error.help, within: error.offset, ..Self::error(code, path, error.message) }
    }

    pub(crate) fn warning(code: &'static str, path: Path, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, path, message) }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says which known name is near, if one is.
    #[must_use]
    pub(crate) fn suggest<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match crate::suggest(name, candidates) {
            Some(candidate) => self.help(format!("did you mean `{candidate}`?")),
            None => self,
        }
    }

    /// The problem without a file.
    pub(crate) fn unplaced(self) -> Diagnostic {
        Diagnostic {
            path: Some(self.path.to_string()),
            help: self.help,
            ..Diagnostic::new(self.code, self.severity, self.message)
        }
    }
}
