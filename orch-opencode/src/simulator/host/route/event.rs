//! The event stream.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Shared;
use crate::simulator::host::Host;
use crate::simulator::host::wire::Event;

/// A greeting, then every event of every directory, then a heartbeat whenever it has been quiet for a while.
pub(super) async fn global(State(host): Shared) -> Response {
    // Subscribed before the greeting goes out: what happens after it is not missed.
    let events = host.bus.subscribe();
    let greeting = Some(own(&host, "server.connected"));
    let frames = stream::unfold((host, events, greeting), |(host, mut events, mut greeting)| async move {
        loop {
            let frame = match greeting.take() {
                Some(greeting) => greeting,
                None => next(&host, &mut events).await?,
            };
            if !host.faults.is_silent() {
                let frame = Ok::<_, io::Error>(Bytes::from(format!("data: {frame}\n\n")));
                return Some((frame, (host, events, greeting)));
            }
        }
    });
    let headers = [(CONTENT_TYPE, "text/event-stream")];
    (headers, Body::from_stream(frames)).into_response()
}

/// The next event or heartbeat; nothing once the stream has been cut.
async fn next(host: &Arc<Host>, events: &mut mpsc::UnboundedReceiver<Event>) -> Option<Value> {
    tokio::select! {
        biased;
        event = events.recv() => event.map(|event| wrapped(&event)),
        () = tokio::time::sleep(host.options.heartbeat) => Some(own(host, "server.heartbeat")),
    }
}

/// The global stream says which directory an event is from.
fn wrapped(event: &Event) -> Value {
    match &event.directory {
        Some(directory) => json!({ "directory": directory, "project": "global", "payload": event }),
        None => json!({ "payload": event }),
    }
}

/// An event of the stream itself.
fn own(host: &Host, kind: &str) -> Value {
    let id = host.with(|world| world.id("evt"));
    json!({ "payload": { "id": id, "type": kind, "properties": {} } })
}
