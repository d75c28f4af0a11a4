//! Where a host is: the address as given, without the credentials that it may contain.

use secrecy::SecretString;
use url::Url;

use crate::error::{HostError, HostErrorKind};

/// The usual variable that holds a host's password.
pub(crate) const PASSWORD_VARIABLE: &str = "OPENCODE_SERVER_PASSWORD";

/// The user that the host expects unless it was told otherwise.
pub(crate) const USERNAME: &str = "opencode";

/// A checked address.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// What paths are appended to.
    pub(crate) base: Url,
    /// What messages show.
    pub(crate) origin: String,
    /// Credentials found in the address.
    pub(crate) credentials: Option<Credentials>,
}

/// A user name and a password, and where a person can change it.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: SecretString,
    pub(crate) kept_in: String,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, HostError> {
        let invalid = |origin: &str, detail: String| {
            HostError::new(HostErrorKind::InvalidUrl, "use the address of the host", origin, detail)
        };
        // An address that does not parse is not repeated: it may contain a password.
        let mut base = Url::parse(text).map_err(|error| {
            invalid("", format!("{error}; write it like http://127.0.0.1:4096")).caused_by(error)
        })?;
        let credentials = base.password().map(|password| Credentials {
            username: if base.username().is_empty() { USERNAME } else { base.username() }.to_owned(),
            password: SecretString::from(password),
            kept_in: "the address".to_owned(),
        });
        // Neither call fails for an address that has a host, and one without is refused below.
        let _ = base.set_password(None);
        let _ = base.set_username("");
        base.set_query(None);
        base.set_fragment(None);
        let origin = base.as_str().trim_end_matches('/').to_owned();
        if base.host().is_none() {
            return Err(invalid("", "it names no host; write it like http://127.0.0.1:4096".to_owned()));
        }
        match base.scheme() {
            "http" => {}
            "https" if cfg!(feature = "tls") => {}
            "https" => {
                return Err(HostError::new(
                    HostErrorKind::TlsUnsupported,
                    "connect",
                    origin,
                    "this build speaks no TLS: use an http:// address, or build with the feature `tls`",
                ));
            }
            scheme => {
                let detail = format!("`{scheme}:` is not supported; use http:// or https://");
                return Err(invalid(&origin, detail));
            }
        }
        Ok(Self { base, origin, credentials })
    }

    /// The address of a call; every segment is escaped.
    pub(crate) fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn an_address_is_shown_without_credentials() {
        let address = Address::parse("http://me:canary@127.0.0.1:4096/").unwrap();
        assert_eq!(address.origin, "http://127.0.0.1:4096");
        let credentials = address.credentials.clone().unwrap();
        assert_eq!((&*credentials.username, credentials.password.expose_secret()), ("me", "canary"));
        assert!(!format!("{address:?}").contains("canary"));
        assert_eq!(address.at(["session", "a/b"]).as_str(), "http://127.0.0.1:4096/session/a%2Fb");
    }

    #[test]
    fn an_address_under_a_path_keeps_it() {
        let address = Address::parse("http://host/opencode/").unwrap();
        assert_eq!(address.at(["agent"]).as_str(), "http://host/opencode/agent");
    }

    #[test]
    fn an_unusable_address_says_what_to_write() {
        for text in ["", "127.0.0.1:4096", "ftp://host", "file:///x"] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.kind(), HostErrorKind::InvalidUrl, "{text:?}: {error}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn https_without_tls_is_a_clear_error() {
        let error = Address::parse("https://example.org").unwrap_err();
        assert_eq!(error.code(), "orch::host::tls-unsupported");
        assert_eq!(
            error.to_string(),
            "connect at https://example.org: this build speaks no TLS: use an http:// address, or build with the \
             feature `tls`"
        );
    }
}
