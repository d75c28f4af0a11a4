//! Messages and parts.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::failure::FailureInfo;
use super::whole;
use crate::catalog::ModelRef;
use crate::id::{MessageId, PartId, SessionId};
use crate::message::{Assistant, Finish, Message, Part, Role, ToolCall, ToolState, Usage, User};

#[derive(Deserialize)]
pub(crate) struct MessageWithParts {
    info: MessageInfo,
    #[serde(default)]
    parts: Vec<PartInfo>,
}

impl From<MessageWithParts> for Message {
    fn from(whole: MessageWithParts) -> Self {
        let mut message = Self::from(whole.info);
        message.parts = whole.parts.into_iter().map(Part::from).collect();
        message
    }
}

#[derive(Deserialize)]
pub(crate) struct MessageInfo {
    id: MessageId,
    #[serde(rename = "sessionID")]
    session: SessionId,
    time: MessageTime,
    #[serde(flatten)]
    role: RoleInfo,
}

#[derive(Deserialize)]
struct MessageTime {
    created: f64,
    completed: Option<f64>,
}

#[derive(Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum RoleInfo {
    User(UserInfo),
    Assistant(AssistantInfo),
}

#[derive(Deserialize)]
struct UserInfo {
    agent: Option<String>,
    model: Option<PromptModel>,
}

#[derive(Deserialize)]
struct PromptModel {
    #[serde(rename = "providerID")]
    provider: String,
    #[serde(rename = "modelID")]
    model: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
struct AssistantInfo {
    #[serde(rename = "parentID")]
    parent: MessageId,
    finish: Option<Finish>,
    error: Option<FailureInfo>,
    cost: Option<f64>,
    tokens: Option<TokenInfo>,
    agent: Option<String>,
    #[serde(rename = "providerID")]
    provider: Option<String>,
    #[serde(rename = "modelID")]
    model: Option<String>,
    summary: Option<bool>,
}

impl From<MessageInfo> for Message {
    fn from(info: MessageInfo) -> Self {
        let role = match info.role {
            RoleInfo::User(user) => Role::User(User::new(user.agent, user.model.map(ModelRef::from))),
            RoleInfo::Assistant(answer) => Role::Assistant(answer.into_domain(&info.time)),
        };
        Self::new(info.id, info.session, whole(info.time.created), role)
    }
}

impl From<PromptModel> for ModelRef {
    fn from(model: PromptModel) -> Self {
        let mut reference = Self::new(model.provider, model.model);
        reference.variant = model.variant;
        reference
    }
}

impl AssistantInfo {
    fn into_domain(self, time: &MessageTime) -> Assistant {
        let mut assistant = Assistant::new(self.parent);
        assistant.finish = self.finish;
        assistant.error = self.error.map(Into::into);
        assistant.completed_ms = time.completed.map(whole);
        assistant.usage = TokenInfo::usage(self.tokens.as_ref(), self.cost);
        assistant.agent = self.agent;
        assistant.model =
            self.provider.zip(self.model).map(|(provider, model)| ModelRef::new(provider, model));
        assistant.summary = self.summary.unwrap_or_default();
        assistant
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct TokenInfo {
    input: f64,
    output: f64,
    reasoning: f64,
    cache: CacheInfo,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CacheInfo {
    read: f64,
    write: f64,
}

impl TokenInfo {
    pub(crate) fn usage(tokens: Option<&Self>, cost: Option<f64>) -> Usage {
        let mut usage = Usage { cost_usd: cost.unwrap_or_default(), ..Usage::default() };
        if let Some(tokens) = tokens {
            usage.input = whole(tokens.input);
            usage.output = whole(tokens.output);
            usage.reasoning = whole(tokens.reasoning);
            usage.cache_read = whole(tokens.cache.read);
            usage.cache_write = whole(tokens.cache.write);
        }
        usage
    }
}

#[derive(Deserialize)]
pub(crate) struct PartInfo {
    id: PartId,
    #[serde(rename = "messageID")]
    pub(crate) message: MessageId,
    #[serde(flatten)]
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Known(Box<Known>),
    Unknown {
        #[serde(rename = "type")]
        kind: String,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Known {
    Text {
        #[serde(default)]
        text: String,
        synthetic: Option<bool>,
        ignored: Option<bool>,
    },
    Reasoning {
        #[serde(default)]
        text: String,
    },
    Tool {
        #[serde(rename = "callID")]
        call: String,
        tool: String,
        state: Box<StateInfo>,
    },
    File {
        #[serde(default)]
        mime: String,
        filename: Option<String>,
        #[serde(default)]
        url: String,
    },
    StepFinish {
        reason: Finish,
        cost: Option<f64>,
        tokens: Option<TokenInfo>,
    },
    Compaction {},
}

impl From<PartInfo> for Part {
    fn from(info: PartInfo) -> Self {
        match info.content {
            Content::Known(known) => known.into_part(info.id),
            Content::Unknown { kind } => Self::Other { id: info.id, kind },
        }
    }
}

impl Known {
    fn into_part(self, id: PartId) -> Part {
        match self {
            Self::Text { text, synthetic, ignored } => Part::Text {
                id,
                text,
                synthetic: synthetic.unwrap_or_default(),
                ignored: ignored.unwrap_or_default(),
            },
            Self::Reasoning { text } => Part::Reasoning { id, text },
            Self::File { mime, filename, url } => Part::File { id, mime, filename, url },
            Self::Compaction {} => Part::Compaction { id },
            Self::StepFinish { reason, cost, tokens } => {
                Part::StepFinish { id, reason, usage: TokenInfo::usage(tokens.as_ref(), cost) }
            }
            Self::Tool { call, tool, state } => {
                let child = state.metadata.as_ref().and_then(child_session);
                let time = state.time.unwrap_or_default();
                let mut call = ToolCall::new(id, call, tool, (*state).into());
                call.child = child;
                call.started_ms = time.start.map(whole);
                call.ended_ms = time.end.map(whole);
                Part::Tool(call)
            }
        }
    }
}

/// The `task` tool leaves the id of its session in its metadata.
fn child_session(metadata: &Map<String, Value>) -> Option<SessionId> {
    SessionId::parse(metadata.get("sessionId")?.as_str()?).ok()
}

#[derive(Deserialize)]
struct StateInfo {
    status: String,
    #[serde(default)]
    input: Map<String, Value>,
    #[serde(default)]
    output: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    error: String,
    metadata: Option<Map<String, Value>>,
    time: Option<StateTime>,
}

#[derive(Deserialize, Default, Clone, Copy)]
struct StateTime {
    start: Option<f64>,
    end: Option<f64>,
}

impl From<StateInfo> for ToolState {
    fn from(info: StateInfo) -> Self {
        let input = info.input;
        match info.status.as_str() {
            "completed" => {
                Self::Completed { input, output: info.output, title: info.title.unwrap_or_default() }
            }
            "error" => Self::Failed { input, message: info.error },
            "running" => Self::Running { input },
            _ => Self::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_call_knows_when_it_ran() {
        let part = |state: Value| {
            let part = serde_json::json!({ "id": "prt_1", "messageID": "msg_1", "type": "tool", "callID": "c", "tool": "bash",
                "state": state });
            match Part::from(serde_json::from_value::<PartInfo>(part).unwrap()) {
                Part::Tool(call) => (call.started_ms, call.ended_ms),
                other => panic!("{other:?}"),
            }
        };
        let time = serde_json::json!({ "start": 1_000, "end": 1_250.0 });
        let ended = serde_json::json!({ "status": "completed", "input": {}, "output": "", "title": "", "time": time });
        assert_eq!(part(ended), (Some(1_000), Some(1_250)));
        assert_eq!(part(serde_json::json!({ "status": "pending", "input": {} })), (None, None));
    }

    #[test]
    fn an_unknown_part_is_kept_by_name() {
        let text = r#"{"id":"prt_1","messageID":"msg_1","sessionID":"ses_1","type":"hologram","depth":3}"#;
        let part: PartInfo = serde_json::from_str(text).unwrap();
        assert_eq!(
            Part::from(part),
            Part::Other { id: PartId::parse("prt_1").unwrap(), kind: "hologram".into() }
        );
    }

    #[test]
    fn numbers_saturate() {
        assert_eq!(whole(12.9), 12);
        assert_eq!(whole(-1.0), 0);
        assert_eq!(whole(f64::NAN), 0);
    }
}
