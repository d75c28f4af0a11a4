//! Which OpenCode to work on.

use std::{ffi::OsString, fmt, sync::Arc};

use orch_config::settings::OpencodeSettings;
use orch_opencode::OpenCode;

use crate::error::Error;

/// Which OpenCode to work on. Nothing is contacted or started before the first run needs it.
#[derive(Clone)]
pub struct Host {
    pub(crate) source: Source,
    username: Option<String>,
    password: Option<String>,
    pub(crate) plugin: bool,
}

#[derive(Clone)]
pub(crate) enum Source {
    /// A client of the embedder's own.
    Client(Arc<dyn OpenCode>),
    /// A server that runs already.
    Server { url: String },
    /// A server to be started, and stopped at the end.
    Launch { command: Vec<OsString> },
}

/// What a server wants to know of its callers.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Host {
    /// A server that runs already, such as `http://127.0.0.1:4096`.
    pub fn server(url: impl Into<String>) -> Self {
        Self::from(Source::Server { url: url.into() })
    }

    /// A server to be started with this program and first arguments, and ended by the
    /// [`Connector`](crate::Connector). A name without a slash is looked up on the `PATH` of its
    /// [environment](crate::Connector::environment).
    pub fn launch(command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::from(Source::Launch { command: command.into_iter().map(Into::into).collect() })
    }

    /// A client of your own: the simulator's, or a dialect that orch does not know.
    pub fn client(client: Arc<dyn OpenCode>) -> Self {
        Self::from(Source::Client(client))
    }

    /// Whether it is to be started, and ended, by the [`Connector`](crate::Connector).
    #[must_use]
    pub fn is_launched(&self) -> bool {
        matches!(self.source, Source::Launch { .. })
    }

    /// The same [server](Self::server) with this password. Other hosts have none to be told, and are refused with one.
    #[must_use]
    pub fn password(mut self, secret: impl Into<String>) -> Self {
        self.password = Some(secret.into());
        self
    }

    /// The same [server](Self::server) with this user name, `opencode` unless given; it goes with a password.
    #[must_use]
    pub fn username(mut self, name: impl Into<String>) -> Self {
        self.username = Some(name.into());
        self
    }

    /// The same where the plugin of `orch install` is loaded: it applies what the host's requests have no place for, a
    /// profile's temperature.
    #[must_use]
    pub fn with_plugin(mut self, loaded: bool) -> Self {
        self.plugin = loaded;
        self
    }

    /// What the configuration names, with the credentials that `variable` gives; else `opencode` is started.
    pub fn configured(settings: &OpencodeSettings, variable: impl Fn(&str) -> Option<String>) -> Self {
        match (&settings.url, &settings.command) {
            (Some(url), _) => Self {
                password: variable(&settings.password_env),
                username: variable(&settings.username_env),
                ..Self::server(url)
            },
            (None, Some(command)) => Self::launch(command),
            (None, None) => Self::launch(["opencode"]),
        }
    }

    /// # Errors
    /// Credentials were given for a host that takes none.
    pub(crate) fn credentials(&self) -> Result<Option<Credentials>, Error> {
        match (&self.source, &self.username, &self.password) {
            (_, None, None) | (Source::Server { .. }, Some(_), None) => Ok(None),
            (Source::Server { .. }, username, Some(password)) => Ok(Some(Credentials {
                username: username.as_deref().unwrap_or("opencode").to_owned(),
                password: password.clone(),
            })),
            (host, ..) => Err(Error::needless_credentials(host)),
        }
    }
}

impl From<Source> for Host {
    fn from(source: Source) -> Self {
        Self { source, username: None, password: None, plugin: false }
    }
}

/// The password stays out of logs.
impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(client) => f.debug_tuple("Client").field(client).finish(),
            Self::Server { url } => {
                // Without a user and a password in it.
                let url = url.rsplit_once('@').map_or(url.as_str(), |(_, host)| host);
                f.debug_struct("Server").field("url", &url).finish()
            }
            Self::Launch { command } => f.debug_struct("Launch").field("command", command).finish(),
        }
    }
}
