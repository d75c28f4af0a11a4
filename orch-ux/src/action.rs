//! What the reactor wants a frontend to do.

use orch_workflow::attempt::RunId;
use serde::Serialize;

/// One thing to do in a frontend. Doing it, or failing to, never changes a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UxAction {
    /// Show a short message for a moment.
    Toast(Toast),
    /// Put a message into a session without asking its model for an answer.
    Notice(Notice),
    /// Append to the text in the prompt box.
    PromptHint {
        /// One clean line.
        text: String,
    },
    /// Show a session.
    SelectSession {
        /// Which one.
        session: String,
    },
    /// Show the list of sessions.
    OpenSessions,
    /// Call a person who looks elsewhere, by sound or by the desktop.
    Attention {
        /// The run.
        run: RunId,
        /// Why.
        call: Call,
        /// One clean line.
        message: String,
    },
}

/// Why a person is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Call {
    /// A gate has opened.
    Decision,
    /// A worker asks for a permission.
    Permission,
    /// A worker puts a question.
    Question,
    /// The run has ended, and well.
    Success,
    /// The run has ended otherwise.
    Failure,
}

/// A short message that goes away by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Toast {
    /// What it is about, such as one gate of one run: a second toast about the same thing is a repetition.
    pub about: String,
    /// How it looks.
    pub level: Level,
    /// One clean line.
    pub title: String,
    /// One clean line.
    pub message: String,
    /// How long it stays, in milliseconds.
    pub duration_ms: u64,
}

/// How grave a toast is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Done, and well.
    Success,
    /// A person is needed, or something deserves a look.
    Warning,
    /// Something failed.
    Error,
}

/// A message in a session that asks nobody for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Notice {
    /// The run it is about.
    pub run: RunId,
    /// The session it goes to: the run's parent session.
    pub session: String,
    /// Markdown.
    pub text: String,
}

impl Notice {
    /// A notice about `run` for `session`; `text` is Markdown.
    pub fn new(run: RunId, session: impl Into<String>, text: impl Into<String>) -> Self {
        Self { run, session: session.into(), text: text.into() }
    }
}

impl Toast {
    /// A toast about one thing; title and message are one clean line each.
    pub fn new(
        about: impl Into<String>,
        level: Level,
        title: impl Into<String>,
        message: impl Into<String>,
        duration_ms: u64,
    ) -> Self {
        Self { about: about.into(), level, title: title.into(), message: message.into(), duration_ms }
    }
}
