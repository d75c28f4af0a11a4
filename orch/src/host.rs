//! Which OpenCode an orchestrator works on.

use std::{ffi::OsString, fmt, sync::Arc};

use orch_opencode::OpenCode;

/// Which OpenCode to work on. Nothing is contacted or started before the first run needs it.
#[derive(Clone)]
pub struct Host(pub(crate) Source);

#[derive(Clone)]
pub(crate) enum Source {
    /// A client of the embedder's own.
    Client(Arc<dyn OpenCode>),
    /// A server that runs already.
    Server { url: String, username: Option<String>, password: Option<String> },
    /// A server to be started, and stopped at the end.
    Launch { command: Vec<OsString> },
}

impl Host {
    /// A server that runs already, such as `http://127.0.0.1:4096`.
    pub fn server(url: impl Into<String>) -> Self {
        Self(Source::Server { url: url.into(), username: None, password: None })
    }

    /// A server to be started with this program and first arguments, and ended with the orchestrator. A name
    /// without a slash is looked up on the `PATH` of [`Builder::environment`](crate::Builder::environment).
    pub fn launch(command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self(Source::Launch { command: command.into_iter().map(Into::into).collect() })
    }

    /// A client of your own: the simulator's, or a dialect that orch does not know.
    pub fn client(client: Arc<dyn OpenCode>) -> Self {
        Self(Source::Client(client))
    }

    /// The same server with this password; no effect on other hosts.
    #[must_use]
    pub fn password(mut self, secret: impl Into<String>) -> Self {
        if let Source::Server { password, .. } = &mut self.0 {
            *password = Some(secret.into());
        }
        self
    }

    /// The same server with this user name, `opencode` unless given; no effect on other hosts.
    #[must_use]
    pub fn username(mut self, name: impl Into<String>) -> Self {
        if let Source::Server { username, .. } = &mut self.0 {
            *username = Some(name.into());
        }
        self
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Client(client) => f.debug_tuple("Client").field(client).finish(),
            Source::Server { url, .. } => f.debug_struct("Server").field("url", url).finish_non_exhaustive(),
            Source::Launch { command } => f.debug_struct("Launch").field("command", command).finish(),
        }
    }
}
