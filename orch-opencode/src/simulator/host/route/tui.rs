//! Calls to attached terminals: recorded, announced, and always fine.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Directory, Shared, error, web_page};
use crate::simulator::host::snapshot::TuiCall;

pub(super) async fn call(
    State(host): Shared,
    Directory(directory): Directory,
    Path(route): Path<String>,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let event = match announced(&route, &body) {
        Announced::Unknown => return web_page().await,
        Announced::Missing(key) => {
            return error::bad("Payload", &format!("Missing key\n  at [\"{key}\"]"));
        }
        Announced::Event(kind, properties) => Some((kind, properties)),
        Announced::Nothing => None,
    };
    if route == "select-session" {
        let session = body["sessionID"].as_str().unwrap_or_default();
        if host.with(|world| world.thread(session).is_none()) {
            return error::not_found("Session", session);
        }
    }
    host.record(|records| records.tui.push(TuiCall { route, body }));
    if let Some((kind, properties)) = event {
        host.with(|world| world.emit_in(Some(directory), kind, properties));
    }
    Json(true).into_response()
}

/// What the attached terminals are told.
enum Announced {
    Event(&'static str, Value),
    Nothing,
    Missing(&'static str),
    Unknown,
}

fn announced(route: &str, body: &Value) -> Announced {
    let command = |name: &str| Announced::Event("tui.command.execute", json!({ "command": name }));
    let with = |key: &'static str, kind| match body.get(key) {
        Some(value) => Announced::Event(kind, json!({ key: value })),
        None => Announced::Missing(key),
    };
    match route {
        "show-toast" => toast(body),
        "append-prompt" => with("text", "tui.prompt.append"),
        "clear-prompt" => command("prompt.clear"),
        "submit-prompt" => command("prompt.submit"),
        "open-sessions" => command("session.list"),
        "open-help" => command("help.show"),
        "open-themes" => command("theme.switch"),
        "open-models" => command("model.list"),
        "select-session" => with("sessionID", "tui.session.select"),
        // Knows only a few old names; the others reach nobody.
        "execute-command" if body.get("command").is_some() => Announced::Nothing,
        "execute-command" => Announced::Missing("command"),
        "publish" => published(body),
        _ => Announced::Unknown,
    }
}

fn toast(body: &Value) -> Announced {
    match ["message", "variant"].into_iter().find(|key| body.get(*key).is_none()) {
        Some(key) => Announced::Missing(key),
        None => {
            let mut properties = body.clone();
            if properties.get("duration").is_none() {
                properties["duration"] = json!(5000);
            }
            Announced::Event("tui.toast.show", properties)
        }
    }
}

fn published(body: &Value) -> Announced {
    let kinds = ["tui.prompt.append", "tui.command.execute", "tui.toast.show", "tui.session.select"];
    match kinds.into_iter().find(|kind| body["type"] == **kind) {
        Some(kind) => Announced::Event(kind, body["properties"].clone()),
        None => Announced::Missing("type"),
    }
}
