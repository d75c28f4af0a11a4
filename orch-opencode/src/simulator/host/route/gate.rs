//! What every request passes before its route: the log, planned faults, the password.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{error, web_page};
use crate::simulator::host::snapshot::SeenRequest;
use crate::simulator::host::{Host, HttpFault};
use crate::simulator::loopback::Connection;

pub(super) async fn pass(
    State(host): State<Arc<Host>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let (method, path) = (request.method().as_str().to_owned(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let fault = host.faults.for_request(&method, &path);
    host.record(|records| records.requests.push(SeenRequest { method, path, query }));
    let authorized = is_authorized(host.options.password.as_deref(), request.headers());
    let serve =
        async { if authorized { next.run(request).await } else { StatusCode::UNAUTHORIZED.into_response() } };
    match fault {
        None => serve.await,
        Some(HttpFault::Status(status)) => error::planned(status),
        Some(HttpFault::Saying(status, message)) => error::saying(status, &message),
        Some(HttpFault::Html) => web_page().await,
        Some(HttpFault::Malformed) => ([(CONTENT_TYPE, "application/json")], "{\"id\": \"se").into_response(),
        Some(HttpFault::Hang) => std::future::pending().await,
        Some(HttpFault::Reset) => reset(&connection).await,
        Some(HttpFault::ResetAfter) => {
            serve.await;
            reset(&connection).await
        }
        Some(HttpFault::HangAfter) => {
            serve.await;
            std::future::pending().await
        }
    }
}

/// The connection ends before there is anything to answer on it.
async fn reset(connection: &Connection) -> Response {
    connection.cut();
    std::future::pending().await
}

/// Basic authentication as user `opencode`, on every route.
fn is_authorized(password: Option<&str>, headers: &HeaderMap) -> bool {
    let Some(password) = password else { return true };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.strip_prefix("Basic ") == Some(STANDARD.encode(format!("opencode:{password}")).as_str())
}
