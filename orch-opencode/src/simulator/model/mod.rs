//! A scripted model behind the OpenAI chat-completions protocol, for a real OpenCode.

mod chat;
mod stream;

use std::io;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::loopback::Loopback;
use super::script::{Body, CallKind, ModelCall, Player, Script};

/// A model on a loopback port that answers by a [`Script`] and logs every call.
///
/// Speaks `POST /v1/chat/completions` (streamed or whole) and `GET /v1/models`. Dropped, or shut down, it drops
/// its connections and its port at once.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use orch_opencode::simulator::{Script, ScriptedModel};
///
/// let model = ScriptedModel::start(Script::new().otherwise("Hello!")).await?;
/// // Start `opencode serve` with this in OPENCODE_CONFIG_CONTENT; the model is `stub/stub`.
/// let config = model.opencode_config().to_string();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ScriptedModel {
    server: Loopback,
    player: Player,
}

#[derive(Clone)]
struct Shared {
    player: Player,
    life: CancellationToken,
}

impl ScriptedModel {
    /// Starts serving on a port that the system picks.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start(script: Script) -> io::Result<Self> {
        let player = Player::new(script);
        let life = CancellationToken::new();
        let shared = Shared { player: player.clone(), life: life.clone() };
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/models", get(models))
            .with_state(shared);
        let server = Loopback::start(router, life).await?;
        Ok(Self { server, player })
    }

    /// The root URL, without the `/v1` of the API.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A whole OpenCode configuration (the value of `OPENCODE_CONFIG_CONTENT`) that knows this model, and only
    /// it, as `stub/stub`. Snapshots, updates and sharing are off.
    pub fn opencode_config(&self) -> Value {
        json!({
            "model": "stub/stub",
            "small_model": "stub/stub",
            "autoupdate": false,
            "share": "disabled",
            "snapshot": false,
            "provider": { "stub": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Stub",
                "options": { "baseURL": format!("{}/v1", self.url()), "apiKey": "k" },
                "models": { "stub": {
                    "name": "Stub",
                    "tool_call": true,
                    "temperature": true,
                    "limit": { "context": 100_000, "output": 8_000 },
                } },
            } },
        })
    }

    /// Every call so far, titles included, in order of arrival.
    pub fn log(&self) -> Vec<ModelCall> {
        self.player.log()
    }

    /// The calls that asked for an answer to a user message: no titles, no tool results.
    pub fn prompts(&self) -> Vec<ModelCall> {
        self.log().into_iter().filter(|call| call.kind == CallKind::Prompt).collect()
    }

    /// Waits until the log satisfies `enough`; put a time limit around it.
    pub async fn wait_log(&self, enough: impl Fn(&[ModelCall]) -> bool) {
        self.player.wait_log(enough).await;
    }

    /// Resets every open connection, as a network fault would; new ones are served.
    pub fn cut_connections(&self) {
        self.server.cut_connections();
    }

    /// Stops serving and drops every connection.
    pub fn shutdown(self) {
        self.server.stop();
    }
}

async fn models() -> Response {
    let model = json!({ "id": "stub", "object": "model", "created": 0, "owned_by": "orch" });
    axum::Json(json!({ "object": "list", "data": [model] })).into_response()
}

async fn complete(
    State(shared): State<Shared>,
    headers: HeaderMap,
    axum::Json(request): axum::Json<Value>,
) -> Response {
    let call = chat::call(&headers, &request);
    let (streamed, model) = (call.stream, call.model.clone());
    let (answer, ticket) = shared.player.ask(call);
    for wait in &answer.before {
        wait.pass().await;
    }
    match answer.body {
        Body::Speech(speech) if streamed => stream::respond(speech, model, ticket, shared.life),
        Body::Speech(speech) => chat::whole(speech, &model, ticket).await,
        Body::Http { status, headers, body } => {
            let response = chat::http(status, &headers, body);
            ticket.answered();
            response
        }
        Body::Empty => {
            ticket.answered();
            ().into_response()
        }
        Body::Html => {
            ticket.answered();
            axum::response::Html("<!doctype html><title>Welcome</title><p>Please sign in.</p>")
                .into_response()
        }
        Body::Hang => std::future::pending().await,
    }
}
