//! Permissions and questions.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Directory, Shared, error};
use crate::simulator::host::Host;
use crate::simulator::host::ask::Reply;

pub(super) async fn permissions(State(host): Shared, Directory(directory): Directory) -> Json<Vec<Value>> {
    let listed = host.with(|world| {
        let open =
            world.asks.permissions().map(|permission| (permission.session_id.clone(), json!(permission)));
        open.collect::<Vec<_>>()
    });
    Json(of_directory(&host, &directory, listed))
}

pub(super) async fn questions(State(host): Shared, Directory(directory): Directory) -> Json<Vec<Value>> {
    let listed = host.with(|world| {
        let open = world.asks.questions().map(|question| (question.session_id.clone(), json!(question)));
        open.collect::<Vec<_>>()
    });
    Json(of_directory(&host, &directory, listed))
}

fn of_directory(host: &Host, directory: &str, listed: Vec<(String, Value)>) -> Vec<Value> {
    host.with(|world| {
        let there =
            |session: &str| world.thread(session).is_some_and(|thread| thread.session.directory == directory);
        listed.into_iter().filter(|(session, _)| there(session)).map(|(_, ask)| ask).collect()
    })
}

#[derive(Deserialize)]
struct ReplyBody {
    reply: Reply,
    message: Option<String>,
}

pub(super) async fn reply_permission(State(host): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    if let Some(wrong) = wrong_id("per", &id) {
        return wrong;
    }
    let Ok(body) = serde_json::from_slice::<ReplyBody>(&body) else { return error::bad_request() };
    if host.with(|world| world.reply_permission(&id, body.reply, body.message)) {
        Json(true).into_response()
    } else {
        error::request_not_found("PermissionNotFoundError", "Permission", &id)
    }
}

#[derive(Deserialize)]
struct AnswerBody {
    answers: Vec<Vec<String>>,
}

pub(super) async fn reply_question(State(host): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    let Ok(body) = serde_json::from_slice::<AnswerBody>(&body) else { return error::bad_request() };
    settle_question(&host, &id, Some(json!(body.answers)))
}

pub(super) async fn reject_question(State(host): Shared, Path(id): Path<String>) -> Response {
    settle_question(&host, &id, None)
}

fn settle_question(host: &Host, id: &str, answers: Option<Value>) -> Response {
    if let Some(wrong) = wrong_id("que", id) {
        return wrong;
    }
    if host.with(|world| world.reply_question(id, answers)) {
        Json(true).into_response()
    } else {
        error::request_not_found("QuestionNotFoundError", "Question", id)
    }
}

fn wrong_id(prefix: &str, id: &str) -> Option<Response> {
    (!id.starts_with(prefix)).then(|| {
        let text =
            format!("Expected a string starting with \"{prefix}\", got \"{id}\"\n  at [\"requestID\"]");
        error::bad("Params", &text)
    })
}
