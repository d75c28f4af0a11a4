//! The least that can talk to a host: what it sends and sees is plain JSON.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use orch_opencode::simulator::Simulator;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Long enough for a busy machine, short enough to notice a hang.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    pub(super) directory: String,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) headers: reqwest::header::HeaderMap,
}

/// A client of the test's own, to which nobody else has given its cryptography.
pub(super) fn http() -> reqwest::Client {
    // It fails when one is installed already, which is just as good.
    #[cfg(feature = "tls")]
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Client {
    pub(super) fn new(base: String, directory: &str) -> Self {
        Self { http: http(), base, directory: directory.to_owned() }
    }

    pub(super) fn of(host: &Simulator) -> Self {
        Self::new(host.url(), host.directory())
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: Value) -> reqwest::Result<Reply> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("x-opencode-directory", &self.directory);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Reply { status, body, headers })
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.send("GET", path, Value::Null).await.unwrap().body
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, body).await.unwrap()
    }

    pub(super) async fn session(&self, body: Value) -> String {
        self.post("/session", body).await.body["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn prompt(&self, session: &str, text: &str) -> Reply {
        self.prompt_with(session, text, json!({})).await
    }

    pub(super) async fn prompt_with(&self, session: &str, text: &str, more: Value) -> Reply {
        let mut body = json!({
            "agent": "build",
            "model": { "providerID": "stub", "modelID": "stub" },
            "parts": [{ "type": "text", "text": text }],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post(&format!("/session/{session}/prompt_async"), body).await
    }

    pub(super) async fn messages(&self, session: &str) -> Vec<Value> {
        self.get(&format!("/session/{session}/message")).await.as_array().unwrap().clone()
    }

    /// The text of the last message.
    pub(super) async fn last_text(&self, session: &str) -> String {
        let messages = self.messages(session).await;
        let parts = messages.last().unwrap()["parts"].as_array().unwrap().clone();
        parts.iter().filter(|part| part["type"] == "text").filter_map(|part| part["text"].as_str()).collect()
    }

    /// Opens an event stream; it has greeted once this returns.
    pub(super) async fn events(&self) -> Events {
        let request = self.http.get(format!("{}/global/event", self.base));
        let mut body = request.send().await.unwrap().bytes_stream();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (count, counted) = watch::channel(0);
        let sink = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut buffer = Vec::new();
            while let Some(Ok(chunk)) = body.next().await {
                buffer.extend_from_slice(&chunk);
                while let Some(end) = buffer.windows(2).position(|window| window == b"\n\n") {
                    let frame: Vec<u8> = buffer.drain(..end + 2).collect();
                    let data = frame.strip_prefix(b"data: ").unwrap();
                    sink.lock().unwrap().push(serde_json::from_slice(data).unwrap());
                    count.send_modify(|count| *count += 1);
                }
            }
        });
        let events = Events { seen, counted, task };
        events.wait(|seen| seen[0]["payload"]["type"] == "server.connected").await;
        events
    }
}

pub(super) struct Events {
    seen: Arc<Mutex<Vec<Value>>>,
    counted: watch::Receiver<usize>,
    pub(super) task: tokio::task::JoinHandle<()>,
}

impl Events {
    pub(super) fn all(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until `enough` holds for what has been seen (never nothing).
    pub(super) async fn wait(&self, enough: impl Fn(&[Value]) -> bool) {
        self.wait_up_to(LIMIT, enough).await;
    }

    pub(super) async fn wait_up_to(&self, limit: Duration, enough: impl Fn(&[Value]) -> bool) {
        let mut counted = self.counted.clone();
        let seen = || self.seen.lock().unwrap().clone();
        let wait = counted.wait_for(|count| *count > 0 && enough(&seen()));
        let waited = tokio::time::timeout(limit, wait).await;
        match waited {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => panic!("the stream ended before: {:#?}", seen()),
            Err(_) => panic!("not seen in time: {:#?}", seen()),
        }
    }

    /// Waits until the session has come to rest `times` times after the first `from` events.
    pub(super) async fn wait_idle(&self, from: usize, session: &str) {
        self.wait(|seen| {
            seen.len() > from && seen[from..].iter().any(|event| is(event, "session.idle", session))
        })
        .await;
    }
}

pub(super) fn is(event: &Value, kind: &str, session: &str) -> bool {
    event["payload"]["type"] == kind && event["payload"]["properties"]["sessionID"] == session
}
