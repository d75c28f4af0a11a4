//! Chat-completions shapes: requests in, whole answers out.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::simulator::script::{Ending, ModelCall, Piece, Speech, Ticket, ToolCall, Usage};

/// What a host asked, from the request's headers and body.
pub(super) fn call(headers: &HeaderMap, request: &Value) -> ModelCall {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let mut call = ModelCall::new(messages);
    call.key = header("authorization")
        .and_then(|value| value.strip_prefix("Bearer ").map(|key| key.to_owned().into()));
    call.session = header("x-session-id");
    call.parent_session = header("x-parent-session-id");
    call.model = request["model"].as_str().unwrap_or_default().to_owned();
    call.temperature = request["temperature"].as_f64();
    call.stream = request["stream"].as_bool().unwrap_or(false);
    call.tools = request["tools"]
        .as_array()
        .map(|tools| {
            tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).map(str::to_owned).collect()
        })
        .unwrap_or_default();
    call
}

/// The answer as one document, for a request without `stream`.
pub(super) async fn whole(speech: Speech, model: &str, ticket: Ticket) -> Response {
    let (mut text, mut reasoning, mut tools) = (String::new(), String::new(), Vec::new());
    for piece in &speech.pieces {
        match piece {
            Piece::Text(chunk) => text.push_str(chunk),
            Piece::Reasoning(chunk) => reasoning.push_str(chunk),
            Piece::Tool(call) => tools.push(tool_call(call, tools.len())),
            Piece::Wait(wait) => wait.pass().await,
        }
    }
    match speech.ending {
        Ending::Finished => {}
        Ending::Stalled => std::future::pending().await,
        Ending::Cut | Ending::Malformed | Ending::Overloaded => {
            ticket.answered();
            return "{\"choices\": [".into_response();
        }
    }
    let mut message = json!({ "role": "assistant", "content": text });
    if !reasoning.is_empty() {
        message["reasoning_content"] = json!(reasoning);
    }
    if !tools.is_empty() {
        message["tool_calls"] = json!(tools);
    }
    ticket.answered();
    axum::Json(json!({
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{ "index": 0, "message": message, "finish_reason": speech.finish().as_str() }],
        "usage": usage(speech.usage),
    }))
    .into_response()
}

pub(super) fn http(status: u16, headers: &[(String, String)], body: String) -> Response {
    let mut response = body.into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A tool call in wire form. The id is unique per call so that a host can tell repeated batches apart.
pub(super) fn tool_call(call: &ToolCall, index: usize) -> Value {
    let mut id = String::from("call_");
    let _ = write!(id, "{:x}_{index}", super::super::id::unique());
    json!({ "index": index, "id": id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } })
}

pub(super) fn usage(usage: Usage) -> Value {
    let prompt = usage.input + usage.cached;
    let completion = usage.output + usage.reasoning;
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": { "cached_tokens": usage.cached },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
    })
}
