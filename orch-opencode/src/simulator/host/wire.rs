//! What the host stores and sends, in the host's own shapes.

use serde::Serialize;
use serde_json::{Value, json};

/// The version that the simulated host claims: the one whose behaviour was observed.
pub(super) const VERSION: &str = "1.18.33";

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) slug: String,
    #[serde(rename = "projectID")]
    pub(super) project_id: &'static str,
    pub(super) directory: String,
    pub(super) path: String,
    #[serde(rename = "parentID", skip_serializing_if = "Option::is_none")]
    pub(super) parent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<Value>,
    pub(super) cost: f64,
    pub(super) tokens: Tokens,
    pub(super) title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<Value>,
    pub(super) version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Value>,
    pub(super) time: SessionTime,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) permission: Vec<Rule>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct SessionTime {
    pub(super) created: u64,
    pub(super) updated: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archived: Option<u64>,
}

/// One permission rule, of a session or an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(super) struct Rule {
    pub(super) permission: String,
    pub(super) pattern: String,
    pub(super) action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Allow,
    Ask,
    Deny,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tokens {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
    pub(super) cache: CacheTokens,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct CacheTokens {
    pub(super) read: u64,
    pub(super) write: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(super) struct ModelRef {
    #[serde(rename = "providerID")]
    pub(super) provider_id: String,
    #[serde(rename = "modelID")]
    pub(super) model_id: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Message {
    pub(super) info: Info,
    pub(super) parts: Vec<Part>,
}

impl Message {
    pub(super) fn id(&self) -> &str {
        match &self.info {
            Info::User(user) => &user.id,
            Info::Assistant(assistant) => &assistant.id,
        }
    }

    pub(super) fn created(&self) -> u64 {
        match &self.info {
            Info::User(user) => user.time.created,
            Info::Assistant(assistant) => assistant.time.created,
        }
    }

    /// The text parts, joined. Ignored parts are for people, not for the model.
    pub(super) fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match &part.body {
            PartBody::Text { text, ignored, .. } if *ignored != Some(true) => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(super) enum Info {
    User(UserInfo),
    Assistant(Box<AssistantInfo>),
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct UserInfo {
    pub(super) id: String,
    #[serde(rename = "sessionID")]
    pub(super) session_id: String,
    pub(super) time: Span,
    pub(super) agent: String,
    pub(super) model: ModelRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct AssistantInfo {
    pub(super) id: String,
    #[serde(rename = "sessionID")]
    pub(super) session_id: String,
    #[serde(rename = "parentID")]
    pub(super) parent_id: String,
    pub(super) mode: String,
    pub(super) agent: String,
    pub(super) path: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<bool>,
    pub(super) cost: f64,
    pub(super) tokens: Tokens,
    #[serde(rename = "modelID")]
    pub(super) model_id: String,
    #[serde(rename = "providerID")]
    pub(super) provider_id: String,
    pub(super) time: Span,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Value>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Span {
    pub(super) created: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completed: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Part {
    pub(super) id: String,
    #[serde(rename = "sessionID")]
    pub(super) session_id: String,
    #[serde(rename = "messageID")]
    pub(super) message_id: String,
    #[serde(flatten)]
    pub(super) body: PartBody,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum PartBody {
    Text {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        synthetic: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ignored: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<Value>,
    },
    Reasoning {
        text: String,
        time: Value,
    },
    StepStart {},
    StepFinish {
        reason: &'static str,
        tokens: Tokens,
        cost: f64,
    },
    Tool {
        tool: String,
        #[serde(rename = "callID")]
        call_id: String,
        state: Value,
    },
    Compaction {
        auto: bool,
        overflow: bool,
    },
    File {
        mime: String,
        url: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
    },
}

impl PartBody {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), synthetic: None, ignored: None, metadata: None, time: None }
    }

    /// A part that the model is filling since `start`; finished once `end` is known.
    pub(super) fn streamed(kind: Streamed, text: &str, start: u64, end: Option<u64>) -> Self {
        let mut time = json!({ "start": start });
        if let Some(end) = end {
            time["end"] = json!(end);
        }
        let text = text.to_owned();
        match kind {
            Streamed::Text => {
                Self::Text { text, synthetic: None, ignored: None, metadata: None, time: Some(time) }
            }
            Streamed::Reasoning => Self::Reasoning { text, time },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streamed {
    Text,
    Reasoning,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Status {
    Idle,
    Busy,
    Retry { attempt: u32, message: String, next: u64 },
}

/// A request for permission that waits for a reply.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Permission {
    pub(super) id: String,
    #[serde(rename = "sessionID")]
    pub(super) session_id: String,
    pub(super) permission: String,
    pub(super) patterns: Vec<String>,
    pub(super) metadata: Value,
    pub(super) always: Vec<String>,
    pub(super) tool: ToolRef,
}

/// A question that waits for an answer.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Question {
    pub(super) id: String,
    #[serde(rename = "sessionID")]
    pub(super) session_id: String,
    pub(super) questions: Value,
    pub(super) tool: ToolRef,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ToolRef {
    #[serde(rename = "messageID")]
    pub(super) message_id: String,
    #[serde(rename = "callID")]
    pub(super) call_id: String,
}

/// One event as it is stored in the stream; the global stream wraps it with its directory.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Event {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) properties: Value,
    #[serde(skip)]
    pub(super) directory: Option<String>,
}
