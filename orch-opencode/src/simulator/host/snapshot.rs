//! What a test may see of the host.

use serde_json::{Value, json};

use super::wire::{Info, Status};
use super::world::Thread;

/// What happened to the host from outside.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) prompts: Vec<SeenPrompt>,
    pub(super) tui: Vec<TuiCall>,
    pub(super) requests: Vec<SeenRequest>,
}

/// A session as it is now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SimulatedSession {
    /// Its id.
    pub id: String,
    /// Its parent, for a child session.
    pub parent: Option<String>,
    /// Its title.
    pub title: String,
    /// Its directory.
    pub directory: String,
    /// What it is doing.
    pub status: SimulatedStatus,
    /// The whole record, as `GET /session/{id}` answers it.
    pub record: Value,
    /// Its messages with their parts, as `GET /session/{id}/message` answers them.
    pub messages: Vec<Value>,
    /// How many messages are from a user.
    pub user_messages: usize,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SimulatedStatus {
    /// Nothing.
    Idle,
    /// A turn runs.
    Busy,
    /// A turn waits before it calls the model again.
    Retry,
}

impl SimulatedSession {
    pub(super) fn of(thread: &Thread) -> Self {
        let session = &thread.session;
        Self {
            id: session.id.clone(),
            parent: session.parent_id.clone(),
            title: session.title.clone(),
            directory: session.directory.clone(),
            status: match thread.status {
                Status::Idle => SimulatedStatus::Idle,
                Status::Busy => SimulatedStatus::Busy,
                Status::Retry { .. } => SimulatedStatus::Retry,
            },
            record: json!(session),
            messages: thread.messages.iter().map(|message| json!(message)).collect(),
            user_messages: thread
                .messages
                .iter()
                .filter(|message| matches!(message.info, Info::User(_)))
                .count(),
        }
    }
}

/// A prompt that a client sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SeenPrompt {
    /// The session.
    pub session: String,
    /// The message id that the client chose, if it did.
    pub message: Option<String>,
    /// The text of its parts.
    pub text: String,
    /// Whether it asked for no answer.
    pub no_reply: bool,
    /// The request's body.
    pub body: Value,
}

/// A call of a `/tui` route.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TuiCall {
    /// What follows `/tui/`, such as `show-toast` or `publish`.
    pub route: String,
    /// The request's body, `null` without one.
    pub body: Value,
}

/// A request that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The query, without `?`.
    pub query: String,
}
