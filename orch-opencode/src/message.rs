//! Messages of a transcript, their parts, and why a model failed.

use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::ModelRef;
use crate::id::{MessageId, PartId, SessionId};

/// A message of a session, with its parts in order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The session it belongs to.
    pub session: SessionId,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// Who wrote it, and what only that side has.
    pub role: Role,
    /// The content.
    pub parts: Vec<Part>,
}

impl Message {
    /// A message without parts.
    pub fn new(id: MessageId, session: SessionId, created_ms: u64, role: Role) -> Self {
        Self { id, session, created_ms, role, parts: Vec::new() }
    }

    /// The assistant's side, if an assistant wrote it.
    pub fn assistant(&self) -> Option<&Assistant> {
        match &self.role {
            Role::Assistant(assistant) => Some(assistant),
            Role::User(_) => None,
        }
    }

    /// The text that people read: text parts that are neither synthetic nor ignored, joined by an empty line.
    pub fn text(&self) -> String {
        let mut texts = Vec::new();
        for part in &self.parts {
            if let Part::Text { text, synthetic: false, ignored: false, .. } = part
                && !text.is_empty()
            {
                texts.push(text.as_str());
            }
        }
        texts.join("\n\n")
    }

    /// The tool calls, in order.
    pub fn tools(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::Tool(call) => Some(call),
            _ => None,
        })
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// A person, a program, or the host on its own behalf.
    User(User),
    /// A model.
    Assistant(Assistant),
}

/// What only a user message has.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct User {
    /// The agent that was asked.
    pub agent: Option<String>,
    /// The model that was asked.
    pub model: Option<ModelRef>,
}

impl User {
    /// A message to this agent and model.
    pub fn new(agent: Option<String>, model: Option<ModelRef>) -> Self {
        Self { agent, model }
    }
}

/// What only an assistant message has. One turn is a chain of them, one for each call of the model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Assistant {
    /// The user message that it answers.
    pub parent: MessageId,
    /// Why the model stopped; absent while it runs and after an interruption.
    pub finish: Option<Finish>,
    /// Why it failed.
    pub error: Option<ModelFailure>,
    /// When it ended, in milliseconds since 1970.
    pub completed_ms: Option<u64>,
    /// Tokens and cost of this model call.
    pub usage: Usage,
    /// The agent that answered.
    pub agent: Option<String>,
    /// The model that answered.
    pub model: Option<ModelRef>,
    /// A summary that the host wrote to shorten the context; never an answer.
    pub summary: bool,
}

impl Assistant {
    /// An answer to this message that has just begun.
    pub fn new(parent: MessageId) -> Self {
        Self {
            parent,
            finish: None,
            error: None,
            completed_ms: None,
            usage: Usage::default(),
            agent: None,
            model: None,
            summary: false,
        }
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Finish {
    /// It had said everything.
    Stop,
    /// It called tools; another model call follows.
    ToolCalls,
    /// It ran into the output limit.
    Length,
    /// The provider withheld the answer.
    ContentFilter,
    /// It broke off with an error.
    Error,
    /// The provider gave no usable reason. The host calls the model again, for ever if that repeats.
    Unknown,
    /// Anything else that a provider says.
    Other(String),
}

impl Finish {
    /// The host calls the model again after this reason.
    pub fn continues(&self) -> bool {
        matches!(self, Self::ToolCalls | Self::Unknown)
    }

    /// The reason as the host writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::ToolCalls => "tool-calls",
            Self::Length => "length",
            Self::ContentFilter => "content-filter",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Other(reason) => reason,
        }
    }
}

impl From<String> for Finish {
    fn from(reason: String) -> Self {
        match reason.as_str() {
            "stop" => Self::Stop,
            "tool-calls" => Self::ToolCalls,
            "length" => Self::Length,
            "content-filter" => Self::ContentFilter,
            "error" => Self::Error,
            "unknown" => Self::Unknown,
            _ => Self::Other(reason),
        }
    }
}

impl From<Finish> for String {
    fn from(finish: Finish) -> Self {
        finish.as_str().to_owned()
    }
}

/// Why a model call failed for good; the host has already retried what it retries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ModelFailure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What the provider or the host said.
    pub message: String,
    /// The provider's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The host believes that the same call may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// How long the provider asked to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

impl ModelFailure {
    /// A failure of this kind with this message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, retryable: false, retry_after: None }
    }

    /// The same failure with the provider's HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Somebody stopped the turn.
    pub fn is_abort(&self) -> bool {
        self.kind == FailureKind::Aborted
    }
}

/// The kinds of [`ModelFailure`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The provider refused the credentials, or there are none.
    Auth,
    /// The provider answered with an error.
    Api,
    /// The transcript does not fit into the model's context.
    ContextOverflow,
    /// The provider withheld the answer.
    ContentFilter,
    /// The answer did not fit into the output limit.
    Length,
    /// Somebody stopped the turn.
    Aborted,
    /// An error that the host names otherwise, for instance an unknown model.
    Other(String),
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text {
        /// Its id.
        id: PartId,
        /// The text so far.
        text: String,
        /// Written by the host or a program.
        synthetic: bool,
        /// Not shown to the model.
        ignored: bool,
    },
    /// What the model thought.
    Reasoning {
        /// Its id.
        id: PartId,
        /// The text so far.
        text: String,
    },
    /// A tool call.
    Tool(ToolCall),
    /// A file.
    File {
        /// Its id.
        id: PartId,
        /// For example `image/png`.
        mime: String,
        /// The name shown to people.
        filename: Option<String>,
        /// A `file:` or `data:` URL.
        url: String,
    },
    /// One model call has ended.
    StepFinish {
        /// Its id.
        id: PartId,
        /// Why.
        reason: Finish,
        /// Tokens and cost of the call.
        usage: Usage,
    },
    /// The host was asked, by itself or by a person, to shorten the context.
    Compaction {
        /// Its id.
        id: PartId,
    },
    /// A part that this crate has no use for.
    Other {
        /// Its id.
        id: PartId,
        /// The host's name for its type.
        kind: String,
    },
}

impl Part {
    /// The id of the part.
    pub fn id(&self) -> &PartId {
        match self {
            Self::Text { id, .. }
            | Self::Reasoning { id, .. }
            | Self::File { id, .. }
            | Self::StepFinish { id, .. }
            | Self::Compaction { id }
            | Self::Other { id, .. } => id,
            Self::Tool(call) => &call.id,
        }
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToolCall {
    /// The id of the part.
    pub id: PartId,
    /// The provider's id of the call; permissions and questions name it.
    pub call: String,
    /// The tool's name.
    pub tool: String,
    /// How far it is.
    pub state: ToolState,
    /// The session that a `task` call runs in.
    pub child: Option<SessionId>,
    /// When it began to run, in milliseconds since 1970; absent while the model is still writing it.
    pub started_ms: Option<u64>,
    /// When it ended, in milliseconds since 1970.
    pub ended_ms: Option<u64>,
}

impl ToolCall {
    /// A call of this tool in this state.
    pub fn new(id: PartId, call: impl Into<String>, tool: impl Into<String>, state: ToolState) -> Self {
        let (call, tool) = (call.into(), tool.into());
        Self { id, call, tool, state, child: None, started_ms: None, ended_ms: None }
    }
}

/// How far a tool call is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ToolState {
    /// The model is still writing it.
    Pending,
    /// It runs, or waits for a permission.
    Running {
        /// The arguments.
        input: Map<String, Value>,
    },
    /// It ended well. A command that exits with an error is completed too.
    Completed {
        /// The arguments.
        input: Map<String, Value>,
        /// What the model reads.
        output: String,
        /// A line for people.
        title: String,
    },
    /// It did not run, or broke off.
    Failed {
        /// The arguments.
        input: Map<String, Value>,
        /// Why, as the model reads it.
        message: String,
    },
}

/// Tokens and money.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens read, without cached ones.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Tokens thought.
    pub reasoning: u64,
    /// Tokens read from the provider's cache.
    pub cache_read: u64,
    /// Tokens written to the provider's cache.
    pub cache_write: u64,
    /// Dollars, as the host computes them; 0 when it knows no price.
    pub cost_usd: f64,
}

impl Usage {
    /// Input, output and reasoning tokens, with everything else zero.
    pub fn tokens(input: u64, output: u64, reasoning: u64) -> Self {
        Self { input, output, reasoning, ..Self::default() }
    }

    /// At least as much as `other`, kind by kind.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            reasoning: self.reasoning.max(other.reasoning),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
            cost_usd: self.cost_usd.max(other.cost_usd),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.cost_usd += other.cost_usd;
    }
}
