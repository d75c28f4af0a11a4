use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// One call of the model, as its log keeps it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ModelCall {
    /// When it arrived, since the model was started.
    pub at: Duration,
    /// What the host wanted.
    pub kind: CallKind,
    /// The number of the prompt, from 1 in order of first arrival; `None` for titles and summaries.
    pub prompt: Option<usize>,
    /// Which call for this prompt this is, from 1: tool results and host-side retries call again.
    pub attempt: usize,
    /// The session, from the header `x-session-id`.
    pub session: Option<String>,
    /// The parent session, from the header `x-parent-session-id`.
    pub parent_session: Option<String>,
    /// The agent; only the simulator knows it.
    pub agent: Option<String>,
    /// The model id asked for.
    pub model: String,
    /// The system prompt.
    pub system: String,
    /// The text of the last user message.
    pub text: String,
    /// All messages, in chat-completions form.
    pub messages: Vec<Value>,
    /// The names of the tools offered.
    pub tools: Vec<String>,
    /// The sampling temperature, when the host sent one.
    pub temperature: Option<f64>,
    /// Whether a streamed answer was asked for.
    pub stream: bool,
    /// How the call ended.
    pub end: CallEnd,
    pub(crate) key: Option<SecretString>,
}

/// What a host wants from the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallKind {
    /// An answer to a user message.
    Prompt,
    /// To go on with the results of the tools it called.
    ToolResults,
    /// A title for a new root session.
    Title,
    /// A summary of a conversation that has become too long.
    Compaction,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallEnd {
    /// Still open.
    Open,
    /// The scripted answer was given in full.
    Answered,
    /// The host went away, or the model was shut down, before the answer was complete.
    Abandoned,
}

impl ModelCall {
    /// A call described by its messages, in chat-completions form.
    pub(crate) fn new(messages: Vec<Value>) -> Self {
        let system = messages
            .iter()
            .filter(|message| role(message) == "system")
            .map(text_of)
            .collect::<Vec<_>>()
            .join("\n");
        let text = messages.iter().rfind(|message| role(message) == "user").map(text_of).unwrap_or_default();
        let kind = if system.starts_with(TITLE_AGENT) {
            CallKind::Title
        } else if system.starts_with(COMPACTION_AGENT) {
            CallKind::Compaction
        } else if messages.last().is_some_and(|message| role(message) == "tool") {
            CallKind::ToolResults
        } else {
            CallKind::Prompt
        };
        Self {
            at: Duration::ZERO,
            kind,
            prompt: None,
            attempt: 1,
            session: None,
            parent_session: None,
            agent: None,
            model: String::new(),
            system,
            text,
            messages,
            tools: Vec::new(),
            temperature: None,
            stream: true,
            end: CallEnd::Open,
            key: None,
        }
    }

    /// Whether the host sent this API key. The key itself is in no log and no `Debug`.
    #[must_use]
    pub fn was_sent(&self, key: &str) -> bool {
        self.key.as_ref().is_some_and(|sent| sent.expose_secret() == key)
    }

    /// What makes two calls belong to one prompt: the session and the place and text of the last user message.
    pub(super) fn prompt_key(&self) -> PromptKey {
        let place = self.messages.iter().filter(|message| role(message) == "user").count();
        (self.session.clone(), place, self.text.clone())
    }
}

pub(super) type PromptKey = (Option<String>, usize, String);

/// How OpenCode 1.18 instructs its hidden agents `title` and `compaction`.
const TITLE_AGENT: &str = "You are a title generator";
const COMPACTION_AGENT: &str = "You are a context summarization agent";

fn role(message: &Value) -> &str {
    message["role"].as_str().unwrap_or_default()
}

/// The text of a message: plain, or the text parts of a list.
fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
