//! Sessions and their status.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::message::TokenInfo;
use super::whole;
use crate::catalog::ModelRef;
use crate::id::SessionId;
use crate::session::{PermissionRule, Session, SessionStatus};

#[derive(Deserialize)]
pub(crate) struct SessionInfo {
    id: SessionId,
    #[serde(rename = "parentID")]
    parent: Option<SessionId>,
    #[serde(default)]
    title: String,
    directory: String,
    agent: Option<String>,
    model: Option<SessionModel>,
    #[serde(default)]
    permission: Option<Vec<PermissionRule>>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    cost: Option<f64>,
    tokens: Option<TokenInfo>,
    time: SessionTime,
}

#[derive(Deserialize)]
struct SessionModel {
    id: String,
    #[serde(rename = "providerID")]
    provider: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
struct SessionTime {
    created: f64,
    updated: f64,
}

impl From<SessionInfo> for Session {
    fn from(info: SessionInfo) -> Self {
        let mut session = Self::new(info.id, info.title, info.directory);
        session.parent = info.parent;
        session.agent = info.agent;
        session.model = info.model.map(ModelRef::from);
        session.permission = info.permission.unwrap_or_default();
        session.metadata = info.metadata.unwrap_or_default();
        session.usage = TokenInfo::usage(info.tokens.as_ref(), info.cost);
        session.created_ms = whole(info.time.created);
        session.updated_ms = whole(info.time.updated);
        session
    }
}

impl From<SessionModel> for ModelRef {
    fn from(model: SessionModel) -> Self {
        let mut reference = Self::new(model.provider, model.id);
        // The host fills in `default` where nobody chose a variant.
        reference.variant = model.variant.filter(|variant| variant != "default");
        reference
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum StatusInfo {
    Idle,
    Busy,
    Retry { attempt: f64, message: String, next: f64 },
}

impl From<StatusInfo> for SessionStatus {
    fn from(info: StatusInfo) -> Self {
        match info {
            StatusInfo::Idle => Self::Idle,
            StatusInfo::Busy => Self::Busy,
            StatusInfo::Retry { attempt, message, next } => {
                Self::Retry { attempt: attempt as u32, message, next_ms: whole(next) }
            }
        }
    }
}
