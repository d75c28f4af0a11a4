//! What we send. Two fields of the host are traps and never sent: `tools` replaces the session's permission rules for
//! good, and `format` makes its transcript unreadable.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::ask::{Answers, PermissionReply};
use crate::catalog::ModelRef;
use crate::id::{self, MessageId, PartId, SessionId};
use crate::prompt::{Prompt, PromptPart};
use crate::session::{NewSession, PermissionRule, SessionChange};
use crate::toast::{Toast, ToastVariant};

#[derive(Serialize)]
pub(crate) struct CreateSession<'a> {
    #[serde(rename = "parentID", skip_serializing_if = "Option::is_none")]
    parent: Option<&'a SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<SessionModel<'a>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    permission: &'a [PermissionRule],
}

/// Here the model's key is `id`; in prompts it is `modelID`.
#[derive(Serialize)]
struct SessionModel<'a> {
    id: &'a str,
    #[serde(rename = "providerID")]
    provider: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
}

impl<'a> From<&'a NewSession> for CreateSession<'a> {
    fn from(new: &'a NewSession) -> Self {
        Self {
            parent: new.parent.as_ref(),
            title: new.title.as_deref(),
            agent: new.agent.as_deref(),
            model: new.model.as_ref().map(|model| SessionModel {
                id: &model.model,
                provider: &model.provider,
                variant: model.variant.as_deref(),
            }),
            metadata: &new.metadata,
            permission: &new.permission,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct UpdateSession<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'a [PermissionRule]>,
}

impl<'a> From<&'a SessionChange> for UpdateSession<'a> {
    fn from(change: &'a SessionChange) -> Self {
        Self {
            title: change.title.as_deref(),
            metadata: change.metadata.as_ref(),
            permission: change.permission.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Fork {
    #[serde(rename = "messageID", skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<MessageId>,
}

#[derive(Serialize)]
pub(crate) struct Replay<'a> {
    pub(crate) directory: &'a str,
    pub(crate) events: [ReplayedEvent<'a>; 1],
}

/// An event as the host keeps it.
#[derive(Serialize)]
pub(crate) struct ReplayedEvent<'a> {
    id: String,
    #[serde(rename = "aggregateID")]
    session: &'a SessionId,
    seq: usize,
    #[serde(rename = "type")]
    kind: &'static str,
    data: Value,
}

impl<'a> ReplayedEvent<'a> {
    /// The session is like this from now on; `info` is whole, in the host's own shape.
    pub(crate) fn session_updated(session: &'a SessionId, seq: usize, info: Value) -> Self {
        let data = json!({ "sessionID": session, "info": info });
        Self { id: id::ascending("evt_"), session, seq, kind: "session.updated.1", data }
    }
}

#[derive(Serialize)]
pub(crate) struct PromptRequest<'a> {
    #[serde(rename = "messageID")]
    message: &'a MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<PromptModel<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    #[serde(rename = "noReply", skip_serializing_if = "std::ops::Not::not")]
    no_reply: bool,
    parts: Vec<PartRequest<'a>>,
}

#[derive(Serialize)]
struct PromptModel<'a> {
    #[serde(rename = "providerID")]
    provider: &'a str,
    #[serde(rename = "modelID")]
    model: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum PartRequest<'a> {
    Text {
        id: &'a PartId,
        text: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        synthetic: bool,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ignored: bool,
    },
    File {
        id: &'a PartId,
        mime: &'a str,
        url: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
    },
}

impl<'a> From<&'a Prompt> for PromptRequest<'a> {
    fn from(prompt: &'a Prompt) -> Self {
        let model = prompt.model.as_ref();
        let as_model = |model: &'a ModelRef| PromptModel { provider: &model.provider, model: &model.model };
        Self {
            message: &prompt.message,
            agent: prompt.agent.as_deref(),
            model: model.map(as_model),
            variant: model.and_then(|model| model.variant.as_deref()),
            system: prompt.system.as_deref(),
            no_reply: prompt.no_reply,
            parts: prompt.parts.iter().map(PartRequest::from).collect(),
        }
    }
}

impl<'a> From<&'a PromptPart> for PartRequest<'a> {
    fn from(part: &'a PromptPart) -> Self {
        match part {
            PromptPart::Text { id, text, synthetic, ignored } => {
                Self::Text { id, text, synthetic: *synthetic, ignored: *ignored }
            }
            PromptPart::File { id, mime, url, filename } => {
                Self::File { id, mime, url, filename: filename.as_deref() }
            }
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ReplyPermission {
    reply: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl From<PermissionReply> for ReplyPermission {
    fn from(reply: PermissionReply) -> Self {
        match reply {
            PermissionReply::Once => Self { reply: "once", message: None },
            PermissionReply::Always => Self { reply: "always", message: None },
            PermissionReply::Reject { message } => Self { reply: "reject", message },
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ReplyQuestion {
    pub(crate) answers: Answers,
}

#[derive(Serialize)]
pub(crate) struct ShowToast<'a> {
    message: &'a str,
    variant: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
}

impl<'a> From<&'a Toast> for ShowToast<'a> {
    fn from(toast: &'a Toast) -> Self {
        let variant = match toast.variant {
            ToastVariant::Info => "info",
            ToastVariant::Success => "success",
            ToastVariant::Warning => "warning",
            ToastVariant::Error => "error",
        };
        let milliseconds =
            |duration: std::time::Duration| duration.as_millis().try_into().unwrap_or(u64::MAX);
        Self {
            message: &toast.message,
            variant,
            title: toast.title.as_deref(),
            duration: toast.duration.map(milliseconds),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct AppendPrompt<'a> {
    pub(crate) text: &'a str,
}

#[derive(Serialize)]
pub(crate) struct SelectSession<'a> {
    #[serde(rename = "sessionID")]
    pub(crate) session: &'a SessionId,
}

/// `/tui/execute-command` knows only a few old names; publishing the event reaches every command.
#[derive(Serialize)]
pub(crate) struct Publish<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    properties: Command<'a>,
}

#[derive(Serialize)]
struct Command<'a> {
    command: &'a str,
}

impl<'a> Publish<'a> {
    pub(crate) fn command(command: &'a str) -> Self {
        Self { kind: "tui.command.execute", properties: Command { command } }
    }
}
