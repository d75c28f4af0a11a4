//! What is sent to a session.

use crate::catalog::ModelRef;
use crate::id::{MessageId, PartId};

/// One message for a session, with ids that the client chose.
///
/// The host is idempotent by these ids: the same prompt sent again after it succeeded gives the same answer without
/// a model call, and joins while it runs. Without part ids the text would be doubled, so every part has one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prompt {
    /// The id that answers will name as their parent.
    pub message: MessageId,
    /// The content, in order.
    pub parts: Vec<PromptPart>,
    /// The agent; an unknown one is accepted by the host and then nothing happens, so check it first.
    pub agent: Option<String>,
    /// The model; the same warning applies.
    pub model: Option<ModelRef>,
    /// Added to the system prompt, for this turn only.
    pub system: Option<String>,
    /// Store the message and start no turn.
    pub no_reply: bool,
}

impl Prompt {
    /// A text prompt with freshly minted ids.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(MessageId::mint(), vec![PromptPart::text(text)])
    }

    /// A prompt of these parts under this message id.
    pub fn new(message: MessageId, parts: Vec<PromptPart>) -> Self {
        Self { message, parts, agent: None, model: None, system: None, no_reply: false }
    }

    /// The same prompt for this agent and model.
    #[must_use]
    pub fn by(mut self, agent: Option<String>, model: Option<ModelRef>) -> Self {
        self.agent = agent;
        self.model = model;
        self
    }
}

/// A part of a [`Prompt`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PromptPart {
    /// Text.
    Text {
        /// The client's id for this part.
        id: PartId,
        /// The text.
        text: String,
        /// Not typed by a person: not shown as such, but the model reads it.
        synthetic: bool,
        /// Shown to people; the model does not read it.
        ignored: bool,
    },
    /// A file.
    File {
        /// The client's id for this part.
        id: PartId,
        /// For example `text/plain`.
        mime: String,
        /// A `file:` or `data:` URL.
        url: String,
        /// The name shown to people.
        filename: Option<String>,
    },
}

impl PromptPart {
    /// Text under a freshly minted id.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { id: PartId::mint(), text: text.into(), synthetic: false, ignored: false }
    }

    /// Text that the model reads and that is not shown as a person's.
    pub fn synthetic(text: impl Into<String>) -> Self {
        Self::Text { id: PartId::mint(), text: text.into(), synthetic: true, ignored: false }
    }

    /// A file under a freshly minted id.
    pub fn file(mime: impl Into<String>, url: impl Into<String>) -> Self {
        Self::File { id: PartId::mint(), mime: mime.into(), url: url.into(), filename: None }
    }

    /// The id of the part.
    pub fn id(&self) -> &PartId {
        match self {
            Self::Text { id, .. } | Self::File { id, .. } => id,
        }
    }
}
