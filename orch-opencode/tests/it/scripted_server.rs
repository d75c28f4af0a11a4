//! A server that answers each connection with what a test scripted: bytes, silence or a broken connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to one connection.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Read the request, write these bytes, close.
    Answer(Vec<u8>),
    /// Read the request, write these bytes, keep the connection open.
    AnswerAndHold(Vec<u8>),
    /// Read the request and close without a word.
    Hang,
    /// Read the request and stay silent.
    Silence,
}

impl Act {
    pub(crate) fn reply(status: u16, content_type: &str, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        Self::Answer([head.as_bytes(), body.as_bytes()].concat())
    }

    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::reply(status, "application/json", body)
    }

    pub(crate) fn stream(body: &str) -> Vec<u8> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

pub(crate) struct ScriptedServer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl ScriptedServer {
    /// Plays one act per connection, the last one for ever.
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut acts = acts.into_iter();
            let mut act = acts.next().unwrap();
            let mut held = Vec::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                let request = read_request(&mut connection).await;
                seen.lock().unwrap().push(request);
                match &act {
                    Act::Answer(bytes) => {
                        // The client may close early, for instance when the body is too large for it.
                        let _ = connection.write_all(bytes).await;
                        let _ = connection.shutdown().await;
                    }
                    Act::AnswerAndHold(bytes) => {
                        connection.write_all(bytes).await.unwrap();
                        held.push(connection);
                    }
                    Act::Hang => drop(connection),
                    Act::Silence => held.push(connection),
                }
                act = acts.next().unwrap_or(act);
            }
        });
        Self { address, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far: head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read_request(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned))
                .map_or(0, |length| length.trim().parse::<usize>().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        match tokio::time::timeout(Duration::from_secs(5), connection.read(&mut chunk)).await {
            Ok(Ok(read)) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return text,
        }
    }
}
