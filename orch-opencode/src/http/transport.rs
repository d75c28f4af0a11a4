//! One request and its reply: credentials, time limits, caps, and the repetition of what may be repeated.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, Response, StatusCode};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::address::{Address, Credentials, PASSWORD_VARIABLE};
use super::reply::{self, Reply};
use crate::backoff::Backoff;
use crate::error::{Disposition, HostError, HostErrorKind};

/// The largest reply that is read.
pub(super) const BODY_CAP: usize = 16 * 1024 * 1024;

/// Tries of a repeatable call, the first included.
const TRIES: u32 = 3;

/// Speaks HTTP with one host.
pub(crate) struct Transport {
    client: Client,
    address: Address,
    credentials: Option<Credentials>,
    request_timeout: Duration,
    body_cap: usize,
}

/// What doing a call twice would mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The same as doing it once.
    Safe,
    /// Perhaps a second effect: never repeated here, and in doubt when the connection breaks.
    Never,
}

/// A call.
pub(super) struct Call<'a> {
    /// What is tried, for messages: `list the agents`.
    pub(super) action: Cow<'static, str>,
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) repeat: Repeat,
}

impl<'a> Call<'a> {
    pub(super) fn get(action: impl Into<Cow<'static, str>>, path: &'a [&'a str]) -> Self {
        Self {
            action: action.into(),
            method: Method::GET,
            path,
            query: Vec::new(),
            body: None,
            repeat: Repeat::Safe,
        }
    }

    pub(super) fn send(action: impl Into<Cow<'static, str>>, method: Method, path: &'a [&'a str]) -> Self {
        Self { method, repeat: Repeat::Never, ..Self::get(action, path) }
    }

    pub(super) fn repeatable(mut self) -> Self {
        self.repeat = Repeat::Safe;
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Result<Self, HostError> {
        let bytes = serde_json::to_vec(body).map_err(|error| {
            HostError::new(
                HostErrorKind::BadRequest,
                self.action.clone(),
                "",
                "the request cannot be written",
            )
            .caused_by(error)
        })?;
        self.body = Some(bytes);
        Ok(self)
    }
}

impl Transport {
    pub(super) fn new(
        address: Address,
        credentials: Option<Credentials>,
        connect_timeout: Duration,
        request_timeout: Duration,
    ) -> Result<Self, HostError> {
        // A redirect could carry the password elsewhere, and a proxy would read it.
        let builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(connect_timeout);
        #[cfg(feature = "tls")]
        let builder = super::tls::prepare(builder, &address);
        let client = builder.build().map_err(|error| {
            HostError::new(
                HostErrorKind::Unreachable,
                "connect",
                &address.origin,
                "the HTTP client cannot be set up",
            )
            .caused_by(error)
            .with_disposition(Disposition::Terminal)
        })?;
        Ok(Self { client, address, credentials, request_timeout, body_cap: BODY_CAP })
    }

    pub(super) fn origin(&self) -> &str {
        &self.address.origin
    }

    pub(super) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Sends the call, again if that is safe and may help, and reads the whole reply.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Reply, HostError> {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));
        let mut tries = 1;
        loop {
            let error = match self.attempt(&call).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            // A time-out has already cost all the patience there is.
            let helps = matches!(error.kind(), HostErrorKind::Unreachable | HostErrorKind::Server);
            if call.repeat == Repeat::Never || !helps || tries == TRIES {
                return Err(error);
            }
            tracing::debug!(%error, tries, "trying again");
            tokio::time::sleep(backoff.wait()).await;
            tries += 1;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Reply, HostError> {
        let answer = async {
            let response = self.open(call, "application/json").await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = self.read(call, response).await?;
            self.judge(call, status, headers, body)
        };
        match tokio::time::timeout(self.request_timeout, answer).await {
            Ok(result) => result,
            Err(_) => Err(self.no_answer_in_time(call)),
        }
    }

    /// Sends the request and waits for the head of the reply.
    pub(super) async fn open(&self, call: &Call<'_>, accept: &'static str) -> Result<Response, HostError> {
        let mut url = self.address.at(call.path.iter().copied());
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.client.request(call.method.clone(), url).header(ACCEPT, accept);
        if let Some(Credentials { username, password, .. }) = &self.credentials {
            request = request.basic_auth(username, Some(password.expose_secret()));
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        request.send().await.map_err(|error| self.broken(call, error))
    }

    async fn read(&self, call: &Call<'_>, mut response: Response) -> Result<BytesMut, HostError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(call, error))? {
            if body.len() + chunk.len() > self.body_cap {
                let detail = format!("the reply is larger than {} MiB", self.body_cap / (1024 * 1024));
                return Err(self.error(HostErrorKind::TooLarge, call, detail));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn judge(
        &self,
        call: &Call<'_>,
        status: StatusCode,
        headers: HeaderMap,
        body: BytesMut,
    ) -> Result<Reply, HostError> {
        if status.is_success() {
            return Reply::new(status, &headers, body.freeze())
                .map_err(|detail| self.error(HostErrorKind::Protocol, call, detail));
        }
        Err(self.refusal(call, status, &headers, &body))
    }

    /// What a status other than 2xx means.
    pub(super) fn refusal(
        &self,
        call: &Call<'_>,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> HostError {
        if status == StatusCode::UNAUTHORIZED {
            return self.unauthorized();
        }
        let (kind, detail) = reply::refusal(status, headers, body);
        self.error(kind, call, detail)
    }

    fn unauthorized(&self) -> HostError {
        let detail = match &self.credentials {
            Some(credentials) => format!("the server refused the password in {}", credentials.kept_in),
            None => format!("the server asks for a password: set {PASSWORD_VARIABLE}"),
        };
        HostError::new(HostErrorKind::Unauthorized, "authorize", self.origin(), detail)
    }

    /// The reply did not have the shape that the call promises.
    pub(super) fn malformed(&self, action: &str, error: serde_json::Error) -> HostError {
        let detail =
            "the reply is not what OpenCode answers; is it another program, or another version of it?";
        HostError::new(HostErrorKind::Protocol, action, self.origin(), detail).caused_by(error)
    }

    fn no_answer_in_time(&self, call: &Call<'_>) -> HostError {
        let detail = format!("no complete answer within {} s", self.request_timeout.as_secs_f32());
        self.error(HostErrorKind::Timeout, call, detail)
    }

    fn broken(&self, call: &Call<'_>, error: reqwest::Error) -> HostError {
        // Time-outs first: a time-out while the body is read also counts as a decoding error.
        let error = error.without_url();
        #[cfg(feature = "tls")]
        if let Some(detail) = super::tls::failure(&error) {
            return HostError::new(HostErrorKind::Tls, call.action.clone(), self.origin(), detail)
                .caused_by(error);
        }
        if error.is_connect() {
            let late = error.is_timeout();
            let detail =
                if late { "no connection in time" } else { "nobody answers there; is the server running?" };
            // Nothing was sent, so even a call that must not be repeated may be tried again.
            return HostError::new(HostErrorKind::Unreachable, call.action.clone(), self.origin(), detail)
                .caused_by(error);
        }
        let (kind, detail) = if error.is_timeout() {
            (HostErrorKind::Timeout, "no answer in time")
        } else {
            (HostErrorKind::Unreachable, "the connection broke before the answer was complete")
        };
        self.error(kind, call, detail).caused_by(error)
    }

    /// An error of this call. Where the host may have acted on a call that must not be repeated, it is in doubt.
    pub(super) fn error(&self, kind: HostErrorKind, call: &Call<'_>, detail: impl Into<String>) -> HostError {
        let error = HostError::new(kind, call.action.clone(), self.origin(), detail);
        let unknown = matches!(
            kind,
            HostErrorKind::Unreachable
                | HostErrorKind::Timeout
                | HostErrorKind::Server
                | HostErrorKind::TooLarge
                | HostErrorKind::Protocol
        );
        if call.repeat == Repeat::Never && unknown {
            error.with_disposition(Disposition::InDoubt)
        } else {
            error
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Transport").field("origin", &self.origin()).finish_non_exhaustive()
    }
}
