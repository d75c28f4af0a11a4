//! Streamed answers: server-sent events as providers write them.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::chat;
use crate::simulator::script::{Ending, Piece, Speech, Ticket};

type Chunks = mpsc::Sender<io::Result<Bytes>>;

/// The host went away: nobody reads any more.
struct Gone;

pub(super) fn respond(speech: Speech, model: String, ticket: Ticket, life: CancellationToken) -> Response {
    let (chunks, body) = mpsc::channel(1);
    tokio::spawn(async move {
        let reader_gone = chunks.clone();
        tokio::select! {
            // Dropped unfinished, the ticket notes an abandoned call.
            () = reader_gone.closed() => {}
            () = life.cancelled() => {}
            spoken = speak(speech, &model, &chunks) => if spoken.is_ok() { ticket.answered() },
        }
    });
    let body = futures_util::stream::unfold(body, |mut body| async move { Some((body.recv().await?, body)) });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response()
}

async fn speak(speech: Speech, model: &str, chunks: &Chunks) -> Result<(), Gone> {
    let event = |delta: Value, finish: Option<&str>| {
        json!({
            "id": "chatcmpl-stub",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        })
    };
    send(chunks, &event(json!({ "role": "assistant", "content": "" }), None).to_string()).await?;
    let mut tools = 0;
    for piece in &speech.pieces {
        let delta = match piece {
            Piece::Text(text) => json!({ "content": text }),
            Piece::Reasoning(text) => json!({ "reasoning_content": text }),
            Piece::Tool(call) => {
                tools += 1;
                json!({ "tool_calls": [chat::tool_call(call, tools - 1)] })
            }
            Piece::Wait(wait) => {
                wait.pass().await;
                continue;
            }
        };
        send(chunks, &event(delta, None).to_string()).await?;
    }
    match speech.ending {
        Ending::Finished => {
            let mut last = event(json!({}), Some(speech.finish().as_str()));
            last["usage"] = chat::usage(speech.usage);
            send(chunks, &last.to_string()).await?;
            send(chunks, "[DONE]").await
        }
        Ending::Stalled => std::future::pending().await,
        Ending::Malformed => send(chunks, "{\"choices\": [{\"delta\"").await,
        Ending::Overloaded => {
            send(chunks, "{\"error\": {\"type\": \"overloaded_error\", \"message\": \"Overloaded\"}}").await
        }
        Ending::Cut => {
            // An error in the body makes the server drop the connection without the final chunk.
            let cut = io::Error::from(io::ErrorKind::ConnectionAborted);
            chunks.send(Err(cut)).await.map_err(|_| Gone)
        }
    }
}

async fn send(chunks: &Chunks, data: &str) -> Result<(), Gone> {
    let event = Bytes::from(format!("data: {data}\n\n"));
    chunks.send(Ok(event)).await.map_err(|_| Gone)
}
