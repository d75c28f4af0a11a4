//! Permissions and questions.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ask::{CallRef, Choice, PermissionAsk, Question, QuestionAsk};
use crate::id::{MessageId, PermissionId, QuestionId, SessionId};

#[derive(Deserialize)]
pub(crate) struct PermissionRequest {
    id: PermissionId,
    #[serde(rename = "sessionID")]
    session: SessionId,
    permission: String,
    #[serde(default)]
    patterns: Vec<String>,
    #[serde(default)]
    always: Vec<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    tool: Option<CallInfo>,
}

#[derive(Deserialize)]
struct CallInfo {
    #[serde(rename = "messageID")]
    message: MessageId,
    #[serde(rename = "callID")]
    call: String,
}

impl From<CallInfo> for CallRef {
    fn from(info: CallInfo) -> Self {
        Self { message: info.message, call: info.call }
    }
}

impl From<PermissionRequest> for PermissionAsk {
    fn from(request: PermissionRequest) -> Self {
        let mut ask = Self::new(request.id, request.session, request.permission, request.patterns);
        ask.always = request.always;
        ask.metadata = request.metadata;
        ask.call = request.tool.map(CallRef::from);
        ask
    }
}

#[derive(Deserialize)]
pub(crate) struct QuestionRequest {
    id: QuestionId,
    #[serde(rename = "sessionID")]
    session: SessionId,
    #[serde(default)]
    questions: Vec<QuestionInfo>,
    tool: Option<CallInfo>,
}

#[derive(Deserialize)]
struct QuestionInfo {
    question: String,
    #[serde(default)]
    header: String,
    #[serde(default)]
    options: Vec<OptionInfo>,
    multiple: Option<bool>,
    custom: Option<bool>,
}

#[derive(Deserialize)]
struct OptionInfo {
    label: String,
    #[serde(default)]
    description: String,
}

impl From<QuestionRequest> for QuestionAsk {
    fn from(request: QuestionRequest) -> Self {
        let questions = request.questions.into_iter().map(Question::from).collect();
        let mut ask = Self::new(request.id, request.session, questions);
        ask.call = request.tool.map(CallRef::from);
        ask
    }
}

impl From<QuestionInfo> for Question {
    fn from(info: QuestionInfo) -> Self {
        let choices = info.options.into_iter();
        let options =
            choices.map(|option| Choice { label: option.label, description: option.description }).collect();
        let mut question = Self::new(info.question, info.header, options);
        question.multiple = info.multiple.unwrap_or_default();
        question.custom = info.custom.unwrap_or(true);
        question
    }
}
