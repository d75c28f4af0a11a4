//! Sessions: what the host tells about one, and what it takes to make or change one.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::ModelRef;
use crate::id::SessionId;
use crate::message::Usage;

/// Deeper than any tree of sessions that a host makes.
pub(crate) const DEEPEST: usize = 32;

/// A session of the host.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The session it is a child of. A fork has none.
    pub parent: Option<SessionId>,
    /// The title shown in session lists.
    pub title: String,
    /// The directory it works in.
    pub directory: String,
    /// The agent of its last prompt.
    pub agent: Option<String>,
    /// The model of its last prompt.
    pub model: Option<ModelRef>,
    /// Permission rules of its own, on top of the agent's.
    pub permission: Vec<PermissionRule>,
    /// Whatever its creator left there.
    pub metadata: Map<String, Value>,
    /// Tokens and cost of all its answers, without its children.
    pub usage: Usage,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it last changed, in milliseconds since 1970.
    pub updated_ms: u64,
}

impl Session {
    /// A fresh root session.
    pub fn new(id: SessionId, title: impl Into<String>, directory: impl Into<String>) -> Self {
        Self {
            id,
            parent: None,
            title: title.into(),
            directory: directory.into(),
            agent: None,
            model: None,
            permission: Vec::new(),
            metadata: Map::new(),
            usage: Usage::default(),
            created_ms: 0,
            updated_ms: 0,
        }
    }
}

/// What [`create_session`](crate::OpenCode::create_session) makes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewSession {
    /// Make a child of this session.
    pub parent: Option<SessionId>,
    /// The title; the host invents one otherwise.
    pub title: Option<String>,
    /// The agent shown for the session until a prompt names one.
    pub agent: Option<String>,
    /// The model shown for the session until a prompt names one.
    pub model: Option<ModelRef>,
    /// Permission rules for every prompt of the session; the last matching rule wins.
    pub permission: Vec<PermissionRule>,
    /// Free data that stays with the session.
    pub metadata: Map<String, Value>,
}

/// What to change about a session. `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionChange {
    /// A new title.
    pub title: Option<String>,
    /// Replaces all metadata.
    pub metadata: Option<Map<String, Value>>,
    /// Appended to the rules that are there; the host cannot take rules away.
    pub permission: Option<Vec<PermissionRule>>,
}

/// Which sessions to list; by default the newest hundred of the directory, children included.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SessionQuery {
    /// Only sessions without a parent.
    pub roots: bool,
    /// Only titles that contain this text.
    pub search: Option<String>,
    /// Only sessions changed at or after this time, in milliseconds since 1970.
    pub start_ms: Option<u64>,
    /// At most this many; the host's default is 100.
    pub limit: Option<u32>,
}

/// What happens when a permission rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermissionAction {
    /// Go on.
    Allow,
    /// Refuse; the model reads why.
    Deny,
    /// Ask; the turn waits for the reply.
    Ask,
}

/// One permission rule in OpenCode's own shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PermissionRule {
    /// A permission such as `bash`, `edit` or `external_directory`; `*` matches all.
    pub permission: String,
    /// What it applies to, with wildcards.
    pub pattern: String,
    /// What happens.
    pub action: PermissionAction,
}

impl PermissionRule {
    /// A rule for this permission, pattern and action.
    pub fn new(permission: impl Into<String>, pattern: impl Into<String>, action: PermissionAction) -> Self {
        Self { permission: permission.into(), pattern: pattern.into(), action }
    }
}

/// Sessions that are at work, by id. A session that is not listed is at rest, **or has not started yet**, or lives in
/// another directory: absence alone proves nothing.
pub type Statuses = HashMap<SessionId, SessionStatus>;

/// What a session does at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionStatus {
    /// At rest.
    Idle,
    /// A turn is running.
    Busy,
    /// The provider failed; the host waits and then tries again by itself.
    Retry {
        /// How often it has failed, from 1.
        attempt: u32,
        /// What the provider said.
        message: String,
        /// When the next try is due, in milliseconds since 1970.
        next_ms: u64,
    },
}
