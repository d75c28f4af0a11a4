//! The host's error bodies, in their three shapes.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

fn respond(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

pub(super) fn not_found(kind: &str, id: &str) -> Response {
    let message = format!("{kind} not found: {id}");
    respond(StatusCode::NOT_FOUND, json!({ "name": "NotFoundError", "data": { "message": message } }))
}

/// `tag` is `PermissionNotFoundError` or `QuestionNotFoundError`.
pub(super) fn request_not_found(tag: &str, kind: &str, id: &str) -> Response {
    let message = format!("{kind} request not found: {id}");
    respond(StatusCode::NOT_FOUND, json!({ "_tag": tag, "requestID": id, "message": message }))
}

pub(super) fn bad_request() -> Response {
    respond(StatusCode::BAD_REQUEST, json!({ "_tag": "BadRequest" }))
}

/// `kind` is the part of the request that is wrong: `Params`, `Query` or `Payload`.
pub(super) fn bad(kind: &str, message: &str) -> Response {
    let data = json!({ "message": message, "kind": kind });
    respond(StatusCode::BAD_REQUEST, json!({ "name": "BadRequest", "data": data }))
}

/// What the host says where it does not say what went wrong.
const UNKNOWN: &str = "Unexpected server error. Check server logs for details.";

/// The answer to many mistakes of a client, and to a fault that a test has planned.
fn unknown(status: StatusCode, message: &str) -> Response {
    let data = json!({ "message": message, "ref": "err_simulated" });
    respond(status, json!({ "name": "UnknownError", "data": data }))
}

pub(super) fn internal() -> Response {
    unknown(StatusCode::INTERNAL_SERVER_ERROR, UNKNOWN)
}

/// 401 has an empty body on the real host.
pub(super) fn planned(status: u16) -> Response {
    match StatusCode::UNAUTHORIZED == status {
        true => StatusCode::UNAUTHORIZED.into_response(),
        false => saying(status, UNKNOWN),
    }
}

pub(super) fn saying(status: u16, message: &str) -> Response {
    unknown(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), message)
}
