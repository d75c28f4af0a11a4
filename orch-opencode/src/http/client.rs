//! The handle of a host.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::address::{Address, Credentials, USERNAME};
use super::events::Hub;
use super::transport::Transport;
use crate::error::HostError;

/// An OpenCode host over HTTP, seen from one directory.
///
/// Cheap to clone; clones share connections and one event subscription. Proxies are never used, because a proxy would
/// see the password of a loopback host. Reads and other repeatable calls are tried up to three times within about a
/// second when the host cannot be reached; everything else is sent once.
#[derive(Debug, Clone)]
pub struct HttpOpenCode {
    pub(super) transport: Arc<Transport>,
    pub(super) hub: Arc<Hub>,
    pub(super) directory: Arc<str>,
}

impl HttpOpenCode {
    /// A host at this address, for example `http://127.0.0.1:4096`, seen from this directory.
    pub fn builder(url: impl Into<String>, directory: impl Into<String>) -> HttpOpenCodeBuilder {
        HttpOpenCodeBuilder {
            url: url.into(),
            directory: directory.into(),
            credentials: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(90),
            silence: Duration::from_secs(35),
        }
    }

    /// The same host seen from another directory.
    #[must_use]
    pub fn at(&self, directory: impl Into<String>) -> Self {
        let directory: String = directory.into();
        Self { directory: directory.into(), ..self.clone() }
    }
}

/// Builds an [`HttpOpenCode`]. Nothing is sent before the first call.
pub struct HttpOpenCodeBuilder {
    url: String,
    directory: String,
    credentials: Option<Credentials>,
    connect_timeout: Duration,
    request_timeout: Duration,
    silence: Duration,
}

/// The address may hold a user and a password; both stay out of logs.
impl fmt::Debug for HttpOpenCodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOpenCodeBuilder").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl HttpOpenCodeBuilder {
    /// The password of the host. `kept_in` is where a person can change it, usually the name of an environment
    /// variable; messages mention it.
    #[must_use]
    pub fn password(self, password: SecretString, kept_in: impl Into<String>) -> Self {
        self.credentials(USERNAME, password, kept_in)
    }

    /// A user name other than `opencode`, with its password.
    #[must_use]
    pub fn credentials(
        mut self,
        username: impl Into<String>,
        password: SecretString,
        kept_in: impl Into<String>,
    ) -> Self {
        self.credentials = Some(Credentials { username: username.into(), password, kept_in: kept_in.into() });
        self
    }

    /// How long to wait for a connection; 5 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long to wait for a whole reply. 90 s by default, because the first request of a host may wait until its
    /// plugins are installed.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long the event stream may be silent before it counts as dead; 35 s by default. The host sends a heartbeat
    /// every 10 s.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Checks the address and makes the handle.
    ///
    /// # Errors
    /// `invalid-url`, or `tls-unsupported` for an `https://` address in a build without the feature `tls`.
    pub fn build(self) -> Result<HttpOpenCode, HostError> {
        let address = Address::parse(&self.url)?;
        let credentials = self.credentials.or_else(|| address.credentials.clone());
        let transport =
            Arc::new(Transport::new(address, credentials, self.connect_timeout, self.request_timeout)?);
        let hub = Arc::new(Hub::new(Arc::clone(&transport), self.silence));
        Ok(HttpOpenCode { transport, hub, directory: self.directory.into() })
    }
}
