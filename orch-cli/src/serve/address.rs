//! Where a project's service is: `serve.json` in the project's state directory, and the lock that makes it one.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use orch::config::private::{self, NotYours};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::exit::{Exit, Failure};
use crate::token::Token;

const FILE: &str = "serve.json";
const LOCK: &str = "serve.lock";
/// The file is much smaller.
const MAX_BYTES: u64 = 64 * 1024;

/// How long to wait for another service to come up, or to be gone.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
/// The longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;
/// How long a service may take to say that it is one, or what it is asked.
const ANSWER: Duration = Duration::from_secs(2);

/// What a client has to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Address {
    pub(super) url: String,
    #[serde(serialize_with = "Token::expose", deserialize_with = "Token::read")]
    pub(super) token: Token,
    pub(super) pid: u32,
    pub(super) version: String,
}

impl Address {
    /// Whether a service with this token answers there.
    async fn answers(&self) -> bool {
        self.get("/v1/health").await.is_some()
    }

    /// What it answers to a question without a body, if it answers well and in time.
    pub(super) async fn get(&self, path: &str) -> Option<Value> {
        let ask = async {
            let authority = self.url.strip_prefix("http://")?;
            let mut stream = TcpStream::connect(authority).await.ok()?;
            let request = format!(
                "GET {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: {}\r\nconnection: close\r\n\r\n",
                self.token.header()
            );
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await.ok()?;
            let head = answer.windows(4).position(|end| end == b"\r\n\r\n")?;
            let body = answer.starts_with(b"HTTP/1.1 200").then(|| &answer[head + 4..])?;
            serde_json::from_slice(body).ok()
        };
        // Whatever else comes back, it is no service that can be asked.
        timeout(ANSWER, ask).await.ok().flatten()
    }
}

/// The file that tells it.
pub(super) fn file(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// The service that runs for this state directory, if one answers.
pub(super) async fn find(state: &Path) -> Option<Address> {
    let text = private::read(&file(state), MAX_BYTES).ok()?;
    let address: Address = serde_json::from_slice(&text).ok()?;
    address.answers().await.then_some(address)
}

/// What comes of the attempt to be the service of a state directory.
pub(super) enum Claim {
    Mine(Seat),
    Taken(Address),
}

/// Becomes the service of this state directory, or finds the one that is. Of any number that try at the same time one
/// succeeds; the lock goes with its process, however that ends.
pub(super) async fn claim(state: &Path) -> Result<Claim, Failure> {
    let unusable = |error: io::Error| {
        let message = format!("claim the service in {}: {error}", state.display());
        let code = NotYours::of(&error).map_or("orch::serve::state", |_| private::CODE);
        Failure::new(Exit::Error, code, message)
    };
    private::directory(state).map_err(unusable)?;
    let mut options = OpenOptions::new();
    let lock = private::open(&state.join(LOCK), options.create(true).truncate(false).write(true));
    let lock = lock.map_err(unusable)?;
    let wait = async {
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(None),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
            if let Some(address) = find(state).await {
                return Ok(Some(address));
            }
            sleep(LOOK).await;
        }
    };
    match timeout(PATIENCE, wait).await {
        Ok(Ok(Some(address))) => Ok(Claim::Taken(address)),
        Ok(Ok(None)) => {
            let seat = Seat { state: state.to_owned(), _lock: lock };
            seat.withdraw();
            Ok(Claim::Mine(seat))
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => {
            let message = format!("wait for the service in {}: it does not answer", state.display());
            Err(Failure::new(Exit::Locked, "orch::serve::silent", message)
                .help("end the process that holds serve.lock there, then try again"))
        }
    }
}

/// The right to be the service of a state directory, until it is dropped.
pub(super) struct Seat {
    state: PathBuf,
    _lock: File,
}

impl Seat {
    /// Tells clients where the service is. The file appears whole, and only its owner can read it.
    pub(super) fn publish(&self, address: &Address) -> io::Result<()> {
        let mut draft = tempfile::NamedTempFile::new_in(&self.state)?;
        draft.write_all(&serde_json::to_vec_pretty(address)?)?;
        draft.persist(file(&self.state))?;
        Ok(())
    }

    /// Nobody is to come any more.
    pub(super) fn withdraw(&self) {
        match fs::remove_file(file(&self.state)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "serve.json could not be removed");
            }
            _ => {}
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.withdraw();
    }
}
