//! Why a worker could not take up its work, before any prompt was sent.

use std::fmt;

use orch_config::id::ProfileId;
use orch_opencode::Disposition;
use orch_workflow::attempt::{AttemptError, ErrorCode};

/// A refusal of a worker or of the pool. Nothing was sent when one of these is returned.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The classes of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No profile and no registered worker has this id.
    UnknownWorker,
    /// A subagent has no parent session and none may be created.
    NoParent,
    /// The parent session does not exist on the host.
    UnknownParent,
    /// The host did not make a child session of what was to be one.
    NotAChild,
    /// A server worker cannot be in the foreground.
    ForegroundServer,
    /// A server worker is wanted where none can be started.
    NoServerCommand,
    /// The host has no such agent.
    UnknownAgent,
    /// The host has no such model, or none that fits.
    UnknownModel,
    /// The host has no such skill.
    MissingSkill,
    /// The worker may not load a skill that it needs.
    DeniedSkill,
    /// Too many prompts wait for one session.
    QueueFull,
    /// A locator is not one of ours.
    Locator,
    /// The pool is shutting down.
    Stopping,
    /// A server could not be started.
    Spawn,
    /// An image goes with the run, and the worker's model reads none.
    NoImages,
    /// Credentials are given for a host that takes none.
    NeedlessCredentials,
}

impl Error {
    /// The class.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A stable code for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::UnknownWorker => "orch::workers::unknown-worker",
            ErrorKind::NoParent => "orch::workers::no-parent",
            ErrorKind::UnknownParent => "orch::host::unknown-parent",
            ErrorKind::NotAChild => "orch::workers::not-a-child",
            ErrorKind::ForegroundServer => "orch::workers::foreground-server",
            ErrorKind::NoServerCommand => "orch::workers::no-server-command",
            ErrorKind::UnknownAgent => "orch::workers::unknown-agent",
            ErrorKind::UnknownModel => "orch::workers::unknown-model",
            ErrorKind::NoImages => "orch::workers::no-images",
            ErrorKind::MissingSkill => "orch::workers::missing-skill",
            ErrorKind::DeniedSkill => "orch::workers::denied-skill",
            ErrorKind::QueueFull => "orch::workers::queue-full",
            ErrorKind::Locator => "orch::workers::locator",
            ErrorKind::Stopping => "orch::workers::stopping",
            ErrorKind::Spawn => "orch::workers::spawn",
            ErrorKind::NeedlessCredentials => "orch::host::needless-credentials",
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self.kind {
            ErrorKind::QueueFull | ErrorKind::Spawn => Disposition::Retry,
            _ => Disposition::Terminal,
        }
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn no_parent(worker: &ProfileId) -> Self {
        Self::new(
            ErrorKind::NoParent,
            format!(
                "subagent worker `{worker}` has no parent session: give the run one, let the pool create one \
                 (`create_parent`), or use kind `agent`"
            ),
        )
    }

    pub(crate) fn foreground_server(worker: &ProfileId) -> Self {
        Self::new(
            ErrorKind::ForegroundServer,
            format!(
                "worker `{worker}` cannot be in the foreground on a server of its own: nobody's view can show \
                 that server's sessions; use kind `agent` or `subagent`"
            ),
        )
    }

    pub(crate) fn no_server_command(worker: &ProfileId) -> Self {
        Self::new(
            ErrorKind::NoServerCommand,
            format!(
                "worker `{worker}` needs a server of its own, but no opencode command to start one with was \
                 found: install opencode, name its program, or use kind `agent` or `subagent`"
            ),
        )
    }

    pub(crate) fn unknown_parent(parent: &str, reason: &dyn fmt::Display) -> Self {
        Self::new(ErrorKind::UnknownParent, format!("use the parent session {parent}: {reason}"))
    }

    pub(crate) fn needless_credentials(host: &dyn fmt::Debug) -> Self {
        Self::new(
            ErrorKind::NeedlessCredentials,
            format!("use the credentials that were given with {host:?}: only a server takes them"),
        )
    }

    pub(crate) fn unknown_worker<'a>(
        worker: &ProfileId,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        let near = orch_config::suggest(worker.as_str(), known.clone());
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
        };
        Self::new(ErrorKind::UnknownWorker, format!("no worker is named `{worker}`: {hint}"))
    }
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            ErrorKind::UnknownModel => ErrorCode::Model,
            ErrorKind::Locator => ErrorCode::Internal,
            ErrorKind::Stopping => ErrorCode::Aborted,
            _ => ErrorCode::SpawnFailed,
        };
        Self::new(code, error.message)
    }
}
