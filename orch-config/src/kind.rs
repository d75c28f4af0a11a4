//! What a worker runs as, and the predecessor's `backend` that it grew out of.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a worker runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerKind {
    /// An `opencode serve` of its own.
    Server,
    /// A session of its own on the given server.
    Agent,
    /// A child session of the parent session.
    Subagent,
}

/// The predecessor's worker backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// An `opencode serve` of its own.
    Server,
    /// A session on the given server.
    Agent,
}

/// Whether a person takes part in a worker's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutionMode {
    /// The view switches to the session, a person talks to the worker, then it hands off.
    Foreground,
    /// The step runs; nobody's view moves.
    #[default]
    Background,
}

impl ExecutionMode {
    /// Whether nobody's view moves.
    #[must_use]
    pub fn is_background(&self) -> bool {
        *self == Self::Background
    }
}

/// `kind` and `backend` name different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("kind {kind} cannot run on backend {backend}")]
pub struct KindBackendConflict {
    /// The kind.
    pub kind: WorkerKind,
    /// The backend.
    pub backend: Backend,
}

/// The kind of a profile, from its two fields and its built-in's kind. The whole compatibility table.
///
/// # Errors
/// The two fields contradict each other.
pub fn resolve(
    backend: Option<Backend>,
    kind: Option<WorkerKind>,
    builtin: Option<WorkerKind>,
) -> Result<WorkerKind, KindBackendConflict> {
    match (backend, kind) {
        (None, None) => Ok(builtin.unwrap_or(WorkerKind::Server)),
        (Some(Backend::Server), None | Some(WorkerKind::Server)) => Ok(WorkerKind::Server),
        (Some(Backend::Agent), None) => Ok(WorkerKind::Agent),
        (None, Some(kind))
        | (Some(Backend::Agent), Some(kind @ (WorkerKind::Agent | WorkerKind::Subagent))) => Ok(kind),
        (Some(backend), Some(kind)) => Err(KindBackendConflict { kind, backend }),
    }
}

impl fmt::Display for WorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Server => "server",
            Self::Agent => "agent",
            Self::Subagent => "subagent",
        })
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Server => "server",
            Self::Agent => "agent",
        })
    }
}
