//! A problem before it is known where in which file it is.

use crate::{
    diagnostic::{Diagnostic, Severity},
    expression::ExpressionError,
    path::Path,
};

/// How many problems of one look at a file are told: nobody reads more, and a file of nothing else would have thousands.
pub(crate) const MOST: usize = 100;

/// Leaves so many that they can be told, errors before warnings. The last one says how many there are beside it.
pub(crate) fn limit<T>(found: &mut Vec<T>, issue: impl Fn(&mut T) -> &mut Issue) {
    let Some(more) = found.len().checked_sub(MOST).filter(|more| *more > 0) else { return };
    let mut by_severity: Vec<_> = found.drain(..).map(|mut each| (issue(&mut each).severity, each)).collect();
    by_severity.sort_by_key(|(severity, _)| *severity);
    found.extend(by_severity.into_iter().map(|(_, each)| each).take(MOST));
    if let Some(last) = found.last_mut().map(issue) {
        last.message = format!("{}; problems that are not shown: {more}", last.message);
    }
}

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
