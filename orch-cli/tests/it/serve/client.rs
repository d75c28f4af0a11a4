//! A client of the service, as a front end would write it.

use std::{fs, path::PathBuf};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::poll;
use crate::world::{Output, Process, World, within};

/// Longer than any test: a service does not leave while a test thinks.
const STAY: &str = "10m";

/// A service at work and what it takes to speak to it. It is ended with the test.
pub(crate) struct Service {
    pub(crate) process: Option<Process>,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) pid: i32,
    pub(crate) file: PathBuf,
    http: reqwest::Client,
}

/// An answer: its status and its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Reply {
    /// The body of a request that went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    /// The status and the machine code of one that did not.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, &str) {
        let mut fields: Vec<_> = self.body.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["code", "help", "message"], "{self:?}");
        (self.status, self.body["code"].as_str().unwrap())
    }
}

impl Service {
    /// Starts `orch serve` in the foreground and waits for its line.
    pub(crate) async fn start(world: &World) -> Self {
        Self::start_with(world, &["--linger", STAY]).await
    }

    pub(crate) async fn start_with(world: &World, arguments: &[&str]) -> Self {
        let arguments = ["serve", "--json"].into_iter().chain(arguments.iter().copied());
        let mut process = world.start(arguments);
        let line = process.event_where("the service", |_| true).await;
        assert_eq!(line["started"], true, "{line}");
        Self::at(&line, Some(process))
    }

    /// The one that this line of `orch serve --json` is about.
    pub(crate) fn at(line: &Value, process: Option<Process>) -> Self {
        let file = PathBuf::from(line["file"].as_str().unwrap());
        let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!((&written["url"], &written["pid"]), (&line["url"], &line["pid"]));
        Self {
            process,
            url: line["url"].as_str().unwrap().to_owned(),
            token: written["token"].as_str().unwrap().to_owned(),
            pid: i32::try_from(line["pid"].as_i64().unwrap()).unwrap(),
            file,
            http: http(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.http.get(self.to(path))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.http.post(self.to(path)).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(self.http.delete(self.to(path))).await
    }

    /// A request as it is, without the token.
    pub(crate) fn bare(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.to(path))
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let request = request.bearer_auth(&self.token);
        reply(within("an answer", request.send()).await.unwrap()).await
    }

    fn to(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Starts a run and returns its id.
    pub(crate) async fn run(&self, workflow: &str, task: &str) -> String {
        let start = serde_json::json!({ "workflow": workflow, "task": task });
        self.post("/v1/runs", start).await.ok()["id"].as_str().unwrap().to_owned()
    }

    /// Listens from here on.
    pub(crate) async fn listen(&self, query: &str) -> Listener {
        self.hear(self.http.get(self.to(&format!("/v1/events{query}")))).await
    }

    /// Listens after the message with this id, as a browser does that lost its connection.
    pub(crate) async fn listen_after(&self, id: &str) -> Listener {
        self.hear(self.http.get(self.to("/v1/events")).header("last-event-id", id)).await
    }

    async fn hear(&self, request: reqwest::RequestBuilder) -> Listener {
        let response = within("the stream", request.bearer_auth(&self.token).send()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut listener = Listener { response, text: String::new(), id: String::new() };
        let hello = listener.next().await.unwrap();
        assert_eq!(hello.kind, "hello");
        listener
    }

    /// Bytes as they are, on a connection of their own.
    pub(crate) async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.authority()).await.unwrap()
    }

    pub(crate) fn authority(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// What comes back for these bytes until the service closes the connection.
    pub(crate) async fn say(&self, request: &str) -> String {
        let mut stream = self.raw().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within("the end of a connection", stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid), signal).unwrap();
    }

    /// Waits for the end of a service in the foreground.
    pub(crate) async fn end(mut self) -> Output {
        self.process.take().unwrap().end().await
    }

    /// Waits until a detached service is gone.
    pub(crate) async fn gone(&self) {
        let gone = poll::until_so(async || kill(Pid::from_raw(self.pid), None).is_err());
        within("the service to be gone", gone).await;
    }
}

/// A service in the background has no other owner.
impl Drop for Service {
    fn drop(&mut self) {
        if self.process.is_none() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGTERM);
        }
    }
}

pub(crate) fn http() -> reqwest::Client {
    // The workspace builds the client without a provider of its own choice; whoever is first sets it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn reply(response: reqwest::Response) -> Reply {
    let status = response.status().as_u16();
    let text = within("a body", response.text()).await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {text:?}: {error}"));
    Reply { status, body }
}

/// One message of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// An open stream of events.
pub(crate) struct Listener {
    response: reqwest::Response,
    text: String,
    /// The id of the last message that had one.
    pub(crate) id: String,
}

impl Listener {
    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                // A comment says that the stream is alive.
                if let Some(message) = parse(&block) {
                    self.id = message.id.clone().unwrap_or_else(|| self.id.clone());
                    return Some(message);
                }
                continue;
            }
            let chunk = within("a message", self.response.chunk()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next so many messages.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages
                .push(self.next().await.unwrap_or_else(|| panic!("the stream ended after {messages:#?}")));
        }
        messages
    }

    /// The messages up to the first of this type of event, which is the last of them.
    pub(crate) async fn until(&mut self, kind: &str) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            let found = message.data["type"] == kind;
            messages.push(message);
            if found {
                return messages;
            }
        }
        panic!("the stream ended before {kind}: {messages:#?}");
    }
}

fn parse(block: &str) -> Option<Message> {
    let field = |name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let data = field("data")?;
    Some(Message { kind: field("event")?, id: field("id"), data: serde_json::from_str(&data).unwrap() })
}
