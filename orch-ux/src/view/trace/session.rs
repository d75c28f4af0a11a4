//! A session of the host: its messages, tools, times and cost.

use std::{future::Future, pin::Pin};

use orch_opencode::{
    HostError, Message, OpenCode, Part, Role, Session, SessionId, ToolCall, ToolState, Usage,
};
use schemars::JsonSchema;
use serde::Serialize;

/// The longest input or output of a tool that a trace keeps, in characters.
const TOOL_CHARS: usize = 4_000;
/// How deep children are followed.
const DEPTH: usize = 4;

/// A session and the sessions of its `task` calls. The serialised form is that of `orch trace <session> --json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct SessionTrace {
    /// Its id.
    pub session: String,
    /// Its title.
    pub title: String,
    /// The session it is a child of.
    pub parent: Option<String>,
    /// The directory it works in.
    pub directory: String,
    /// When it was created, in milliseconds since 1970.
    pub created_at: u64,
    /// When it last changed, in milliseconds since 1970.
    pub updated_at: u64,
    /// What all its messages took, without its children.
    #[schemars(with = "UsageShape")]
    pub usage: Usage,
    /// Its messages, oldest first.
    pub messages: Vec<MessageTrace>,
    /// Its child sessions, in the order of their creation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<SessionTrace>,
}

/// The serialised form of the host's [`Usage`], for the schema: how the host is spoken to knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename = "HostUsage")]
#[expect(dead_code, reason = "only its shape is used")]
struct UsageShape {
    /// Tokens read, without cached ones.
    input: u64,
    /// Tokens written.
    output: u64,
    /// Tokens thought.
    reasoning: u64,
    /// Tokens read from the provider's cache.
    cache_read: u64,
    /// Tokens written to the provider's cache.
    cache_write: u64,
    /// US dollars; 0 when the host knows no price.
    cost_usd: f64,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Speaker {
    /// A person, a program, or the host on its own behalf.
    User,
    /// A model.
    Assistant,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct MessageTrace {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub from: Speaker,
    /// When it began, in milliseconds since 1970.
    pub at: u64,
    /// How long it took, in milliseconds; `None` for what was not written bit by bit, or is not complete.
    pub ms: Option<u64>,
    /// The agent that was asked, or that answered.
    pub agent: Option<String>,
    /// The model, as `provider/model`.
    pub model: Option<String>,
    /// What people read of it, whole.
    pub text: String,
    /// Whether the text was written by a program and is shown to the model only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// How many characters were thought.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_chars: usize,
    /// The names of its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Its tool calls, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolTrace>,
    /// Tokens and cost of this call of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<UsageShape>")]
    pub usage: Option<Usage>,
    /// Why the model stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct ToolTrace {
    /// The tool's name.
    pub tool: String,
    /// `pending`, `running`, `completed` or `error`.
    pub state: String,
    /// A line for people, where the host has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Its arguments as JSON, at most 4,000 characters of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub input: String,
    /// What the model read of it, or why it failed, at most 4,000 characters of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// How many characters the output has.
    pub output_chars: usize,
    /// How long it ran, in milliseconds.
    pub ms: Option<u64>,
    /// The session that a `task` call ran in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// The trace of a session from what the host says of it, without its children.
#[must_use]
pub fn session_trace(session: &Session, messages: &[Message]) -> SessionTrace {
    let mut usage = Usage::default();
    for assistant in messages.iter().filter_map(Message::assistant) {
        usage += assistant.usage;
    }
    SessionTrace {
        session: session.id.to_string(),
        title: session.title.clone(),
        parent: session.parent.as_ref().map(ToString::to_string),
        directory: session.directory.clone(),
        created_at: session.created_ms,
        updated_at: session.updated_ms,
        usage,
        messages: messages.iter().map(message).collect(),
        children: Vec::new(),
    }
}

impl SessionTrace {
    /// Asks the host for a session and its children. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// The host does not have it, or does not answer.
    pub async fn read(host: &dyn OpenCode, session: &SessionId) -> Result<Self, HostError> {
        read(host, session, DEPTH).await
    }

    /// What the session and all its children took.
    #[must_use]
    pub fn whole_usage(&self) -> Usage {
        let mut usage = self.usage;
        for child in &self.children {
            usage += child.whole_usage();
        }
        usage
    }
}

type Reading<'a> = Pin<Box<dyn Future<Output = Result<SessionTrace, HostError>> + Send + 'a>>;

fn read<'a>(host: &'a dyn OpenCode, session: &'a SessionId, depth: usize) -> Reading<'a> {
    Box::pin(async move {
        let about = host.session(session).await?;
        let mut trace = session_trace(&about, &host.messages(session).await?);
        if depth > 0 {
            let mut children = host.children(session).await?;
            children.sort_by_key(|child| child.created_ms);
            for child in children {
                trace.children.push(read(host, &child.id, depth - 1).await?);
            }
        }
        Ok(trace)
    })
}

fn message(message: &Message) -> MessageTrace {
    let (text, synthetic) = match message.text() {
        text if text.is_empty() => (for_the_model(message), true),
        text => (text, false),
    };
    let files = message.parts.iter().filter_map(|part| match part {
        Part::File { filename, mime, .. } => Some(filename.clone().unwrap_or_else(|| mime.clone())),
        _ => None,
    });
    let reasoning = message.parts.iter().map(|part| match part {
        Part::Reasoning { text, .. } => text.chars().count(),
        _ => 0,
    });
    let mut trace = MessageTrace {
        id: message.id.to_string(),
        from: Speaker::User,
        at: message.created_ms,
        ms: None,
        agent: None,
        model: None,
        synthetic: synthetic && !text.is_empty(),
        text,
        reasoning_chars: reasoning.sum(),
        files: files.collect(),
        tools: message.tools().map(tool).collect(),
        usage: None,
        finish: None,
        error: None,
    };
    match &message.role {
        Role::User(user) => {
            trace.agent.clone_from(&user.agent);
            trace.model = user.model.as_ref().map(ToString::to_string);
        }
        Role::Assistant(answer) => {
            trace.from = Speaker::Assistant;
            trace.ms = answer.completed_ms.map(|end| end.saturating_sub(message.created_ms));
            trace.agent.clone_from(&answer.agent);
            trace.model = answer.model.as_ref().map(ToString::to_string);
            trace.usage = Some(answer.usage);
            trace.finish = answer.finish.as_ref().map(|finish| finish.as_str().to_owned());
            trace.error = answer.error.as_ref().map(ToString::to_string);
        }
        _ => {}
    }
    trace
}

/// What only the model reads: the hand-offs and summaries that programs put into a session.
fn for_the_model(message: &Message) -> String {
    let texts = message.parts.iter().filter_map(|part| match part {
        Part::Text { text, synthetic: true, ignored: false, .. } if !text.is_empty() => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

fn tool(call: &ToolCall) -> ToolTrace {
    let json = |input: &serde_json::Map<String, serde_json::Value>| {
        if input.is_empty() { String::new() } else { serde_json::to_string(input).unwrap_or_default() }
    };
    let (state, title, input, output) = match &call.state {
        ToolState::Running { input } => ("running", "", json(input), ""),
        ToolState::Completed { input, output, title } => {
            ("completed", title.as_str(), json(input), output.as_str())
        }
        ToolState::Failed { input, message } => ("error", "", json(input), message.as_str()),
        _ => ("pending", "", String::new(), ""),
    };
    ToolTrace {
        tool: call.tool.clone(),
        state: state.to_owned(),
        title: title.to_owned(),
        input: excerpt(&input),
        output: excerpt(output),
        output_chars: output.chars().count(),
        ms: call.started_ms.zip(call.ended_ms).map(|(start, end)| end.saturating_sub(start)),
        session: call.child.as_ref().map(ToString::to_string),
    }
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(TOOL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
