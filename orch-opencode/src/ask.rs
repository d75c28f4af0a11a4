//! What makes a turn wait for somebody: permissions and questions.

use serde_json::{Map, Value};

use crate::id::{MessageId, PermissionId, QuestionId, SessionId};

/// A tool call that waits for a permission.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PermissionAsk {
    /// Its id.
    pub id: PermissionId,
    /// The session that waits; often a descendant of the one that was prompted.
    pub session: SessionId,
    /// The permission, for example `bash` or `external_directory`.
    pub permission: String,
    /// What it is wanted for.
    pub patterns: Vec<String>,
    /// The patterns that [`PermissionReply::Always`] would allow.
    pub always: Vec<String>,
    /// Details for people, for example the command.
    pub metadata: Map<String, Value>,
    /// The tool call that waits.
    pub call: Option<CallRef>,
}

impl PermissionAsk {
    /// A request for this permission, for these patterns.
    pub fn new(
        id: PermissionId,
        session: SessionId,
        permission: impl Into<String>,
        patterns: Vec<String>,
    ) -> Self {
        Self {
            id,
            session,
            permission: permission.into(),
            patterns,
            always: Vec::new(),
            metadata: Map::new(),
            call: None,
        }
    }
}

/// The tool call behind an ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRef {
    /// The assistant message that contains it.
    pub message: MessageId,
    /// The provider's id of the call.
    pub call: String,
}

/// The answer to a [`PermissionAsk`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PermissionReply {
    /// Allow this call.
    Once,
    /// Allow this and everything that matches `always`, for the whole host instance.
    Always,
    /// Refuse. Without a message the turn ends; with one the model reads it and goes on.
    Reject {
        /// What the model reads.
        message: Option<String>,
    },
}

/// Questions that the model put to a person; the turn waits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QuestionAsk {
    /// Its id.
    pub id: QuestionId,
    /// The session that waits; often a descendant of the one that was prompted.
    pub session: SessionId,
    /// The questions, answered together.
    pub questions: Vec<Question>,
    /// The tool call that waits.
    pub call: Option<CallRef>,
}

impl QuestionAsk {
    /// These questions in this session.
    pub fn new(id: QuestionId, session: SessionId, questions: Vec<Question>) -> Self {
        Self { id, session, questions, call: None }
    }
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Question {
    /// The question.
    pub text: String,
    /// A short title.
    pub header: String,
    /// The suggested answers.
    pub options: Vec<Choice>,
    /// Several options may be chosen.
    pub multiple: bool,
    /// An answer in the person's own words is allowed; the host's default.
    pub custom: bool,
}

impl Question {
    /// A question with these suggested answers, one of which, or a text of one's own, is the answer.
    pub fn new(text: impl Into<String>, header: impl Into<String>, options: Vec<Choice>) -> Self {
        Self { text: text.into(), header: header.into(), options, multiple: false, custom: true }
    }
}

/// A suggested answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What the answer is.
    pub label: String,
    /// What it means.
    pub description: String,
}

/// The answers to a [`QuestionAsk`]: for each question, in order, the labels chosen.
pub type Answers = Vec<Vec<String>>;
