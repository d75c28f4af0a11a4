//! Sessions.

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Directory, Shared, error};
use crate::simulator::host::turn;
use crate::simulator::host::wire::{Rule, Session, Status};
use crate::simulator::host::world::NewSession;

const DEFAULT_LIMIT: usize = 100;

#[derive(Deserialize, Default)]
#[serde(default)]
struct CreateBody {
    #[serde(rename = "parentID")]
    parent_id: Option<String>,
    title: Option<String>,
    agent: Option<String>,
    model: Option<Value>,
    metadata: Option<Value>,
    permission: Option<Vec<Rule>>,
}

/// That the parent exists is not checked: nor does the host.
pub(super) async fn create(State(host): Shared, Directory(directory): Directory, body: Bytes) -> Response {
    let Some(body) = parse::<CreateBody>(&body) else { return error::bad_request() };
    if body.parent_id.as_ref().is_some_and(|id| !id.starts_with("ses")) {
        return error::bad_request();
    }
    let new = NewSession {
        directory,
        parent_id: body.parent_id,
        title: body.title,
        agent: body.agent,
        model: body.model,
        metadata: body.metadata,
        permission: body.permission.unwrap_or_default(),
    };
    Json(host.with(|world| world.create_session(new))).into_response()
}

pub(super) async fn list(
    State(host): Shared,
    Directory(directory): Directory,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let number = |key: &str| query.get(key).map(|value| value.parse::<u64>());
    let (limit, start) = match (number("limit").transpose(), number("start").transpose()) {
        (Ok(limit), Ok(start)) => (limit.map_or(DEFAULT_LIMIT, |limit| limit as usize), start),
        _ => return error::bad("Query", "Expected a number"),
    };
    let search = query.get("search").map(|text| text.to_lowercase());
    let wanted = |session: &Session| {
        session.directory == directory
            && (query.get("roots").is_none_or(|roots| roots != "true") || session.parent_id.is_none())
            && start.is_none_or(|start| session.time.updated >= start)
            && search.as_ref().is_none_or(|text| session.title.to_lowercase().contains(text))
    };
    let mut sessions: Vec<Session> = host.with(|world| {
        world.threads().map(|thread| &thread.session).filter(|session| wanted(session)).cloned().collect()
    });
    sessions.sort_by_key(|session| std::cmp::Reverse(session.time.updated));
    sessions.truncate(limit);
    Json(sessions).into_response()
}

pub(super) async fn get(State(host): Shared, Path(id): Path<String>) -> Response {
    if !id.starts_with("ses") {
        return error::internal();
    }
    let found = host.with(|world| world.thread(&id).map(|thread| thread.session.clone()));
    found.map_or_else(|| error::not_found("Session", &id), |session| Json(session).into_response())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PatchBody {
    title: Option<String>,
    metadata: Option<Value>,
    permission: Option<Vec<Rule>>,
    time: Option<PatchTime>,
}

#[derive(Deserialize)]
struct PatchTime {
    archived: Option<u64>,
}

pub(super) async fn patch(State(host): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    let Some(body) = parse::<PatchBody>(&body) else { return error::bad_request() };
    let changed = host.with(|world| {
        world.update_session(&id, |session| {
            if let Some(title) = body.title {
                session.title = title;
            }
            if body.metadata.is_some() {
                session.metadata = body.metadata;
            }
            if let Some(time) = body.time {
                session.time.archived = time.archived;
            }
            session.permission.extend(body.permission.unwrap_or_default());
        })
    });
    changed.map_or_else(|| error::not_found("Session", &id), |session| Json(session).into_response())
}

pub(super) async fn delete(State(host): Shared, Path(id): Path<String>) -> Response {
    let known = host.with(|world| {
        let known = world.thread(&id).is_some();
        world.delete_session(&id);
        known
    });
    if known { Json(true).into_response() } else { error::not_found("Session", &id) }
}

pub(super) async fn children(State(host): Shared, Path(id): Path<String>) -> Response {
    let children = host.with(|world| world.thread(&id).map(|_| world.children(&id)));
    children.map_or_else(|| error::not_found("Session", &id), |children| Json(children).into_response())
}

pub(super) async fn todo(State(host): Shared, Path(id): Path<String>) -> Response {
    let todos = host.with(|world| world.thread(&id).map(|thread| thread.todos.clone()));
    todos.map_or_else(|| error::not_found("Session", &id), |todos| Json(todos).into_response())
}

/// The sessions of this directory that are not at rest.
pub(super) async fn status(State(host): Shared, Directory(directory): Directory) -> Json<Map<String, Value>> {
    let busy = host.with(|world| {
        let at_work = world
            .threads()
            .filter(|thread| thread.session.directory == directory && !matches!(thread.status, Status::Idle));
        at_work.map(|thread| (thread.session.id.clone(), json!(thread.status))).collect()
    });
    Json(busy)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ForkBody {
    #[serde(rename = "messageID")]
    message_id: Option<String>,
}

pub(super) async fn fork(State(host): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    let Some(body) = parse::<ForkBody>(&body) else { return error::bad_request() };
    let fork = host.with(|world| world.fork_session(&id, body.message_id.as_deref()));
    fork.map_or_else(|| error::not_found("Session", &id), |session| Json(session).into_response())
}

#[derive(Deserialize, Default)]
struct ReplayBody {
    events: Vec<ReplayedEvent>,
}

#[derive(Deserialize)]
struct ReplayedEvent {
    #[serde(rename = "aggregateID")]
    session: String,
    seq: usize,
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

/// Only what is used of it: a session gets a parent, if the event is numbered as its next one.
pub(super) async fn replay(State(host): Shared, body: Bytes) -> Response {
    let Some(ReplayBody { events }) = parse::<ReplayBody>(&body) else { return error::bad_request() };
    let [event] = events.as_slice() else { return error::bad_request() };
    let parent = event.data["info"]["parentID"].as_str().map(str::to_owned);
    let replayed = host.with(|world| {
        let is_next = world.thread(&event.session).is_some_and(|thread| thread.events == event.seq);
        if !is_next || event.kind != "session.updated.1" {
            return None;
        }
        world.update_session(&event.session, |session| session.parent_id = parent)
    });
    replayed.map_or_else(error::internal, |session| Json(json!({ "sessionID": session.id })).into_response())
}

/// Always 200, for sessions that do not exist too.
pub(super) async fn abort(State(host): Shared, Path(id): Path<String>) -> Json<bool> {
    turn::abort(&host, &id).await;
    Json(true)
}

/// The body; no body counts as an empty object.
pub(super) fn parse<T: for<'de> Deserialize<'de> + Default>(body: &Bytes) -> Option<T> {
    if body.is_empty() {
        return Some(T::default());
    }
    serde_json::from_slice(body).ok()
}
