//! What can go wrong with an orchestrator, and what may be done about it.

use std::fmt;

use orch_opencode::{HostError, HostErrorKind};
use orch_ux::command;
use orch_workflow::{driver::EngineError, plan::PlanError, store::StoreError};

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call names something that does not exist, or lacks something.
    Usage,
    /// The configuration cannot be used as it is.
    Config,
    /// The host cannot be started, reached or used.
    Host,
    /// Another live process drives the run.
    Locked,
    /// The run refuses: it has ended, its gate was answered, the decision is not allowed.
    Refused,
    /// The store failed.
    Store,
}

/// A failure: what was tried, where, why, and the way out.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    help: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), help: None, source: None }
    }

    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A stable machine code, such as `orch::host::unauthorized`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The way out, where there is a general one.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        let help = match error.kind() {
            HostErrorKind::Unauthorized => {
                Some("set OPENCODE_SERVER_PASSWORD to the password that the server was started with")
            }
            HostErrorKind::Unreachable | HostErrorKind::Timeout => Some(
                "start it with `opencode serve`, or leave out the server and orch starts one for the run",
            ),
            HostErrorKind::Spawn => Some(
                "install it with `npm install -g opencode-ai`, name it with --opencode or ORCH_OPENCODE, or name a running server with --server",
            ),
            _ => None,
        };
        let wrapped = Self::new(ErrorKind::Host, error.code(), error.to_string());
        let wrapped = match help {
            Some(help) => wrapped.with_help(help),
            None => wrapped,
        };
        wrapped.caused_by(error)
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        use orch_workflow::driver::EngineErrorKind as Kind;
        let kind = match error.kind() {
            Kind::Locked => ErrorKind::Locked,
            Kind::Unknown => ErrorKind::Usage,
            Kind::Rejected => ErrorKind::Refused,
            _ => ErrorKind::Store,
        };
        let help = match &error {
            EngineError::Store(StoreError::Locked { run, .. }) => Some(format!(
                "wait for it, or ask it to stop with `{}` or `{}`",
                command::PAUSE.on(run),
                command::ABORT.on(run)
            )),
            _ => None,
        };
        let wrapped = Self::new(kind, error.code(), error.to_string());
        let wrapped = match help {
            Some(help) => wrapped.with_help(help),
            None => wrapped,
        };
        wrapped.caused_by(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::from(EngineError::from(error))
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        Self::new(ErrorKind::Config, error.code(), error.to_string()).caused_by(error)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Usage => "usage",
            Self::Config => "config",
            Self::Host => "host",
            Self::Locked => "locked",
            Self::Refused => "refused",
            Self::Store => "store",
        })
    }
}
