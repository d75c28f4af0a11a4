//! The wire: the host's routes over the world.

mod ask;
mod error;
mod event;
mod gate;
mod info;
mod message;
mod session;
mod tui;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::Host;

/// What every handler gets.
type Shared = axum::extract::State<Arc<Host>>;

pub(super) fn router(host: Arc<Host>) -> Router {
    Router::new()
        .route("/global/health", get(info::health))
        .route("/doc", get(info::description))
        .route("/global/event", get(event::global))
        .route("/agent", get(info::agents))
        .route("/config", get(info::config))
        .route("/config/providers", get(info::providers))
        .route("/path", get(info::path))
        .route("/skill", get(info::skills))
        .route("/session", get(session::list).post(session::create))
        .route("/session/status", get(session::status))
        .route("/session/{id}", get(session::get).patch(session::patch).delete(session::delete))
        .route("/session/{id}/children", get(session::children))
        .route("/session/{id}/todo", get(session::todo))
        .route("/session/{id}/fork", post(session::fork))
        .route("/session/{id}/abort", post(session::abort))
        .route("/session/{id}/message", get(message::list))
        .route("/session/{id}/message/{message}", get(message::get))
        .route("/session/{id}/prompt_async", post(message::prompt))
        .route("/permission", get(ask::permissions))
        .route("/permission/{id}/reply", post(ask::reply_permission))
        .route("/question", get(ask::questions))
        .route("/question/{id}/reply", post(ask::reply_question))
        .route("/question/{id}/reject", post(ask::reject_question))
        .route("/sync/replay", post(session::replay))
        .route("/tui/{call}", post(tui::call))
        .fallback(web_page)
        .method_not_allowed_fallback(web_page)
        .layer(middleware::from_fn_with_state(Arc::clone(&host), gate::pass))
        .with_state(host)
}

/// The host answers what it does not know with its web interface, status 200.
async fn web_page() -> Response {
    Html("<!doctype html>\n<html lang=\"en\"><head><title>OpenCode</title></head><body></body></html>")
        .into_response()
}

/// The directory that a request is about: the query beats the header, the header beats the default.
struct Directory(String);

impl FromRequestParts<Arc<Host>> for Directory {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, host: &Arc<Host>) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        let in_query = url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == "directory")
            .map(|(_, value)| value.into_owned());
        let in_header = || {
            let value = parts.headers.get("x-opencode-directory")?.to_str().ok()?;
            // The host's own clients percent-encode the header.
            let pair = format!("directory={}", value.replace('+', "%2B"));
            url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        Ok(Self(in_query.or_else(in_header).unwrap_or_else(|| host.options.directory.clone())))
    }
}
