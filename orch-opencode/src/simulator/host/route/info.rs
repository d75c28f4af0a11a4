//! What the host is and what it offers.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::{Directory, Shared};
use crate::simulator::host::wire::VERSION;

pub(super) async fn health() -> Json<Value> {
    Json(json!({ "healthy": true, "version": VERSION }))
}

pub(super) async fn description(State(host): Shared) -> Response {
    const RECORDED: &str = include_str!("../../../../tests/fixtures/opencode-1.18.33/openapi.json");
    match &host.options.description {
        Some(document) => Json(document).into_response(),
        None => ([(header::CONTENT_TYPE, "application/json")], RECORDED).into_response(),
    }
}

pub(super) async fn agents(State(host): Shared) -> Json<Vec<Value>> {
    Json(host.options.agents.iter().map(|agent| agent.wire()).collect())
}

pub(super) async fn skills(State(host): Shared, Directory(directory): Directory) -> Json<Vec<Value>> {
    let own = json!({
        "name": "customize-opencode",
        "description": "Use ONLY when the user is editing or creating opencode's own configuration.",
        "location": "<built-in>",
        "content": "(simulated)",
    });
    let of_project = host.options.skills.iter().map(|name| {
        json!({
            "name": name,
            "description": format!("The simulated skill {name}."),
            "location": format!("{directory}/.opencode/skill/{name}/SKILL.md"),
            "content": "(simulated)",
        })
    });
    Json(std::iter::once(own).chain(of_project).collect())
}

pub(super) async fn providers(State(host): Shared) -> Json<Value> {
    let providers: Vec<_> = host.options.providers.iter().map(|provider| provider.wire()).collect();
    let defaults = host.options.providers.iter().filter_map(|provider| {
        provider.default_model().map(|model| (provider.id().to_owned(), json!(model)))
    });
    Json(json!({ "providers": providers, "default": defaults.collect::<Map<_, _>>() }))
}

/// Of the configuration, what chooses a model: the first provider's first.
pub(super) async fn config(State(host): Shared) -> Json<Value> {
    let first = host.options.providers.first();
    let model = first.and_then(|provider| Some(format!("{}/{}", provider.id(), provider.default_model()?)));
    Json(match model {
        Some(model) => json!({ "model": model, "small_model": model }),
        None => json!({}),
    })
}

pub(super) async fn path(Directory(directory): Directory) -> Json<Value> {
    Json(json!({
        "home": "/home/simulated",
        "state": "/home/simulated/.local/state/opencode",
        "config": "/home/simulated/.config/opencode",
        "worktree": "/",
        "directory": directory,
    }))
}
