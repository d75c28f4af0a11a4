//! Prompts and transcripts.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, error};
use crate::simulator::host::snapshot::SeenPrompt;
use crate::simulator::host::wire::{Message, ModelRef, PartBody};
use crate::simulator::host::world::UserMessage;
use crate::simulator::host::{Host, turn};

/// Fields that the host knows and this simulation has no use for are ignored, as unknown ones are.
#[derive(Deserialize)]
struct PromptBody {
    #[serde(rename = "messageID")]
    message_id: Option<String>,
    model: Option<ModelRef>,
    agent: Option<String>,
    #[serde(rename = "noReply", default)]
    no_reply: bool,
    system: Option<String>,
    parts: Vec<PartInput>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum PartInput {
    Text {
        id: Option<String>,
        text: String,
        synthetic: Option<bool>,
        ignored: Option<bool>,
        metadata: Option<Value>,
    },
    File {
        id: Option<String>,
        mime: String,
        url: String,
        filename: Option<String>,
    },
}

/// Answers 204 as soon as the prompt is stored. A repeated message id joins what is there: answered, it stays
/// answered; running, it runs on; aborted or failed, it runs again.
pub(super) async fn prompt(State(host): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    if host.with(|world| world.thread(&id).is_none()) {
        return error::not_found("Session", &id);
    }
    let Ok(raw) = serde_json::from_slice::<Value>(&body) else { return error::bad_request() };
    let body: PromptBody = match serde_json::from_value(raw.clone()) {
        Ok(body) => body,
        Err(cause) => return error::bad("Payload", &cause.to_string()),
    };
    if let Some(message) = body.message_id.as_ref().filter(|message| !message.starts_with("msg")) {
        let text =
            format!("Expected a string starting with \"msg\", got \"{message}\"\n  at [\"messageID\"]");
        return error::bad("Payload", &text);
    }
    let seen = SeenPrompt {
        session: id.clone(),
        message: body.message_id.clone(),
        text: text_of(&body.parts),
        no_reply: body.no_reply,
        body: raw,
    };
    host.record(|records| records.prompts.push(seen));
    admit(&host, &id, body);
    StatusCode::NO_CONTENT.into_response()
}

fn admit(host: &std::sync::Arc<Host>, session: &str, body: PromptBody) {
    let (agent, model) = host.with(|world| {
        let session = world.thread(session).map(|thread| &thread.session);
        let last_agent = session.and_then(|session| session.agent.clone());
        let last_model = session.and_then(|session| session.model.as_ref()).and_then(last_model);
        (body.agent.or(last_agent), body.model.or(last_model))
    });
    let agent = agent.unwrap_or_else(|| "build".to_owned());
    if host.options.find_agent(&agent).is_none() {
        return unknown_agent(host, session, &agent);
    }
    let Some(model) = model.or_else(|| default_model(host)) else { return };
    let message = UserMessage {
        id: body.message_id,
        agent,
        model,
        system: body.system,
        parts: body.parts.into_iter().map(PartInput::into_part).collect(),
    };
    host.with(|world| {
        world.put_user_message(session, message);
        if !body.no_reply {
            turn::ensure_running(host, world, session);
        }
    });
}

/// Nothing is stored; only an event tells.
fn unknown_agent(host: &Host, session: &str, agent: &str) {
    let visible = host.options.agents.iter().filter(|agent| !agent.is_hidden()).map(|agent| agent.name());
    let mut names: Vec<_> = visible.collect();
    names.sort_unstable();
    let message = format!("Agent not found: \"{agent}\". Available agents: {}", names.join(", "));
    host.with(|world| {
        world.session_error(session, &turn::unknown_error(&message));
        world.session_error(session, &turn::unknown_error("UnknownError: UnknownError\n    at <simulated>"));
    });
}

fn last_model(model: &Value) -> Option<ModelRef> {
    let text = |key: &str| model[key].as_str().map(str::to_owned);
    Some(ModelRef { provider_id: text("providerID")?, model_id: text("id")? })
}

fn default_model(host: &Host) -> Option<ModelRef> {
    let provider = host.options.providers.first()?;
    let (provider_id, model_id) = (provider.id().to_owned(), provider.default_model()?.to_owned());
    Some(ModelRef { provider_id, model_id })
}

impl PartInput {
    fn into_part(self) -> (Option<String>, PartBody) {
        match self {
            Self::Text { id, text, synthetic, ignored, metadata } => {
                (id, PartBody::Text { text, synthetic, ignored, metadata, time: None })
            }
            Self::File { id, mime, url, filename } => (id, PartBody::File { mime, url, filename }),
        }
    }
}

fn text_of(parts: &[PartInput]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        PartInput::Text { text, .. } => Some(text.as_str()),
        PartInput::File { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// The newest page, oldest first, and in `x-next-cursor` where the page before it ends.
pub(super) async fn list(
    State(host): Shared,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let Some(mut messages) = host.with(|world| world.thread(&id).map(|thread| thread.messages.clone()))
    else {
        return error::not_found("Session", &id);
    };
    if let Some(cursor) = query.get("before") {
        let place = read_cursor(cursor).and_then(|id| messages.iter().position(|message| message.id() == id));
        let Some(place) = place else { return error::bad("Query", "Invalid cursor") };
        messages.truncate(place);
    }
    let limit = match query.get("limit").map(|limit| limit.parse::<usize>()).transpose() {
        Ok(limit) => limit.unwrap_or(usize::MAX),
        Err(_) => return error::bad("Query", "Expected an integer, got NaN\n  at [\"limit\"]"),
    };
    let older = messages.len().saturating_sub(limit);
    let page = messages.split_off(older);
    match page.first().filter(|_| older > 0).map(cursor) {
        Some(next) => ([("x-next-cursor", next)], Json(page)).into_response(),
        None => Json(page).into_response(),
    }
}

pub(super) async fn get(State(host): Shared, Path((id, message)): Path<(String, String)>) -> Response {
    let found = host.with(|world| world.message(&id, &message).cloned());
    found.map_or_else(|| error::not_found("Message", &message), |message| Json(message).into_response())
}

fn cursor(message: &Message) -> String {
    let place = json!({ "id": message.id(), "time": message.created() });
    URL_SAFE_NO_PAD.encode(place.to_string())
}

fn read_cursor(cursor: &str) -> Option<String> {
    let place: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    Some(place["id"].as_str()?.to_owned())
}
