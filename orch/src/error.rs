//! What can go wrong with an orchestrator, and what may be done about it.

use std::{error::Error as StdError, fmt};

use orch_opencode::{HostError, HostErrorKind};
use orch_ux::command;
use orch_workers::ErrorKind as WorkersErrorKind;
pub use orch_workflow::driver::Disposition;
use orch_workflow::{
    attachment::AttachmentError,
    driver::{EngineError, EngineErrorKind},
    history::ForkError,
    plan::PlanError,
    store::StoreError,
};

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call names something that does not exist, or lacks something.
    Usage,
    /// The configuration cannot be used as it is, or not on this host.
    Config,
    /// The host cannot be started, reached or used.
    Host,
    /// Another process drives the run.
    Locked,
    /// The run refuses: it has ended, its gate was answered, the decision is not allowed.
    Refused,
    /// The store failed, or what it holds is damaged.
    Store,
    /// The orchestrator was shut down.
    ShutDown,
    /// A defect of ours, or of the system below.
    Internal,
}

/// A failure: what was tried, where, why, and the way out.
///
/// It reads as a whole: where the failure of a lower layer is behind it, the text is that one's, and
/// [`source`](StdError::source) goes on with what was behind that.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: &'static str,
    disposition: Disposition,
    message: String,
    help: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        let disposition = Disposition::Terminal;
        Self(Box::new(Inner { kind, code, disposition, message: message.into(), help: None, cause: None }))
    }

    /// The failure of a lower layer, in its own words.
    fn of(
        cause: impl StdError + Send + Sync + 'static,
        kind: ErrorKind,
        code: &'static str,
        disposition: Disposition,
    ) -> Self {
        let mut error = Self::new(kind, code, cause.to_string());
        error.0.disposition = disposition;
        error.0.cause = Some(Box::new(cause));
        error
    }

    /// All that is wrong with workers as one failure, a line each, led by the first.
    pub(crate) fn every(problems: Vec<orch_workers::Error>) -> Option<Self> {
        let message = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let mut error = Self::from(problems.into_iter().next()?);
        error.0.message = message;
        Some(error)
    }

    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// What kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// A stable machine code, such as `orch::host::unauthorized`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What the caller may do about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        self.0.disposition
    }

    /// The way out, where there is a general one.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The error of the layer that failed, such as a [`HostError`], for callers that know it.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("help", &self.0.help)
            .field("disposition", &self.0.disposition)
            .field("source", &self.source())
            .finish()
    }
}

impl StdError for Error {
    /// What was behind the layer's own error, whose text is ours: a chain says nothing twice.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_ref().and_then(|cause| cause.source())
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        use orch_opencode::Disposition as OnHost;
        let (kind, code) = (error.kind(), error.code());
        let disposition = match error.disposition() {
            OnHost::Retry => Disposition::Retry,
            OnHost::InDoubt => Disposition::InDoubt,
            _ => Disposition::Terminal,
        };
        let wrapped = Self::of(error, ErrorKind::Host, code, disposition);
        match kind {
            HostErrorKind::Unauthorized => {
                wrapped.with_help("set OPENCODE_SERVER_PASSWORD to the password that the server was started with")
            }
            HostErrorKind::Unreachable | HostErrorKind::Timeout => wrapped.with_help(
                "start it with `opencode serve`, or leave out the server and orch starts one for the run",
            ),
            HostErrorKind::Spawn => wrapped.with_help(
                "install it with `npm install -g opencode-ai`, name it with --opencode or ORCH_OPENCODE, or name a \
                 running server with --server",
            ),
            _ => wrapped,
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        use EngineErrorKind as Kind;
        let (code, disposition) = (error.code(), error.disposition());
        let kind = match error.kind() {
            Kind::Unknown => ErrorKind::Usage,
            Kind::Locked | Kind::Fenced | Kind::NoReply => ErrorKind::Locked,
            Kind::Rejected => ErrorKind::Refused,
            Kind::Store => ErrorKind::Store,
            Kind::ShutDown => ErrorKind::ShutDown,
            _ => ErrorKind::Internal,
        };
        let help = match &error {
            EngineError::Store(StoreError::Locked { run, .. }) => Some(format!(
                "wait for it, or ask it to stop with `{}` or `{}`",
                command::PAUSE.on(run),
                command::ABORT.on(run)
            )),
            EngineError::Fork(error) => fork_help(error),
            _ => None,
        };
        let mut wrapped = Self::of(error, kind, code, disposition);
        wrapped.0.help = help;
        wrapped
    }
}

/// The way out of a fork that is not possible.
fn fork_help(error: &ForkError) -> Option<String> {
    Some(match error {
        ForkError::InFlight { run, .. } => format!(
            "take it up and let it come to rest with `{}`, or end it with `{}`",
            command::CONTINUE.on(run),
            command::ABORT.on(run)
        ),
        ForkError::NoResult { run, before, .. } => {
            format!(
                "for example `{}`, or see where it stands with `{}`",
                command::forking(run, before),
                command::SHOW.on(run)
            )
        }
        ForkError::Lost { .. } => {
            "fork under the definition that the run began with: `--definition journaled`; or begin a new run"
                .to_owned()
        }
        ForkError::OtherForm { .. } => {
            "or fork under the definition that the run began with: `--definition journaled`".to_owned()
        }
        _ => return None,
    })
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::from(EngineError::from(error))
    }
}

impl From<AttachmentError> for Error {
    fn from(error: AttachmentError) -> Self {
        let code = error.code();
        Self::of(error, ErrorKind::Usage, code, Disposition::Terminal)
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        let code = error.code();
        let kind = if code == "orch::plan::unknown-workflow" { ErrorKind::Usage } else { ErrorKind::Config };
        Self::of(error, kind, code, Disposition::Terminal)
    }
}

impl From<orch_workers::Error> for Error {
    fn from(error: orch_workers::Error) -> Self {
        let code = error.code();
        let (kind, help) = match error.kind() {
            WorkersErrorKind::UnknownParent => (
                ErrorKind::Usage,
                "name a session of this project with --parent ses_…, or leave it out and one is created",
            ),
            WorkersErrorKind::NeedlessCredentials => {
                (ErrorKind::Usage, "a started server gets a password of its own, and a client brings its own")
            }
            WorkersErrorKind::Spawn => (
                ErrorKind::Host,
                "try again; `orch doctor` examines the OpenCode that servers of workers are started with",
            ),
            WorkersErrorKind::NoImages => (
                ErrorKind::Usage,
                "give the profile `supportsVision` or the model `node:vision`; `orch models` says which models read images",
            ),
            WorkersErrorKind::MissingSkill => (
                ErrorKind::Config,
                "write the skill into one of these places, or take it out of `requiredSkills` of the profile or the step",
            ),
            WorkersErrorKind::Stopping => (ErrorKind::ShutDown, "any other process can continue the run"),
            WorkersErrorKind::NoServerCommand => {
                (ErrorKind::Config, "a server worker needs a state directory: give one with `state_at`")
            }
            _ => (
                ErrorKind::Config,
                "change the worker's profile in orchestrator.json; `orch profiles` lists them",
            ),
        };
        Self::of(error, kind, code, Disposition::Terminal).with_help(help)
    }
}
