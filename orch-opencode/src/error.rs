//! What can go wrong with a host, and what may be done about it.

use std::error::Error as StdError;
use std::fmt;

/// What a caller may do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// Nothing happened on the host; the same call may succeed later.
    Retry,
    /// The host may have done it. Look before doing it again.
    InDoubt,
    /// The same call will fail again.
    Terminal,
}

/// The kinds of [`HostError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostErrorKind {
    /// The password is wrong or missing.
    Unauthorized,
    /// Nobody listens there, or the connection broke.
    Unreachable,
    /// The host did not answer in time.
    Timeout,
    /// The session, message or request is not there.
    NotFound,
    /// The session is at work.
    Busy,
    /// The host refused the request.
    BadRequest,
    /// The host failed.
    Server,
    /// The reply is not what this API speaks, for instance a web page: another program, or another version.
    Protocol,
    /// The reply is larger than the cap.
    TooLarge,
    /// The secure connection failed, for instance because of the host's certificate.
    Tls,
    /// An `https://` address in a build without TLS.
    TlsUnsupported,
    /// An address that cannot be used.
    InvalidUrl,
    /// A reply contradicts the request: another parent, another directory.
    Mismatch,
    /// A program could not be found or started.
    Spawn,
    /// A started server did not become ready.
    NotReady,
}

impl HostErrorKind {
    /// The stable machine code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unauthorized => "orch::host::unauthorized",
            Self::Unreachable => "orch::host::unreachable",
            Self::Timeout => "orch::host::timeout",
            Self::NotFound => "orch::host::not-found",
            Self::Busy => "orch::host::busy",
            Self::BadRequest => "orch::host::bad-request",
            Self::Server => "orch::host::server",
            Self::Protocol => "orch::host::protocol",
            Self::TooLarge => "orch::host::too-large",
            Self::Tls => "orch::host::tls",
            Self::TlsUnsupported => "orch::host::tls-unsupported",
            Self::InvalidUrl => "orch::host::invalid-url",
            Self::Mismatch => "orch::host::mismatch",
            Self::Spawn => "orch::host::spawn",
            Self::NotReady => "orch::host::not-ready",
        }
    }

    fn disposition(self) -> Disposition {
        match self {
            Self::Unreachable | Self::Timeout | Self::Busy | Self::Server | Self::NotReady => {
                Disposition::Retry
            }
            _ => Disposition::Terminal,
        }
    }
}

/// A call to a host failed: what was tried, where, and why.
///
/// Reads as a fragment that fits after "failed to": `authorize at http://127.0.0.1:4096: the server refused …`.
pub struct HostError(Box<Inner>);

struct Inner {
    kind: HostErrorKind,
    disposition: Disposition,
    action: String,
    origin: String,
    detail: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl HostError {
    /// `action` at `origin` failed, with a lower-case `detail` that names the way out where there is one.
    pub fn new(
        kind: HostErrorKind,
        action: impl Into<String>,
        origin: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            disposition: kind.disposition(),
            action: action.into(),
            origin: origin.into(),
            detail: detail.into(),
            source: None,
        }))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error with another disposition than its kind's usual one.
    #[must_use]
    pub fn with_disposition(mut self, disposition: Disposition) -> Self {
        self.0.disposition = disposition;
        self
    }

    /// What kind of failure.
    pub fn kind(&self) -> HostErrorKind {
        self.0.kind
    }

    /// The stable machine code, for example `orch::host::unauthorized`.
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// What a caller may do about it.
    pub fn disposition(&self) -> Disposition {
        self.0.disposition
    }

    /// Why, without the action and the place.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { action, origin, detail, .. } = &*self.0;
        if origin.is_empty() {
            write!(formatter, "{action}: {detail}")
        } else {
            write!(formatter, "{action} at {origin}: {detail}")
        }
    }
}

impl fmt::Debug for HostError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostError")
            .field("code", &self.code())
            .field("disposition", &self.0.disposition)
            .field("message", &format_args!("{self}"))
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for HostError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_action_the_place_and_the_way_out() {
        let error = HostError::new(
            HostErrorKind::Unauthorized,
            "authorize",
            "http://127.0.0.1:4096",
            "the server refused the password in OPENCODE_SERVER_PASSWORD",
        );
        assert_eq!(error.code(), "orch::host::unauthorized");
        assert_eq!(error.disposition(), Disposition::Terminal);
        assert_eq!(
            error.to_string(),
            "authorize at http://127.0.0.1:4096: the server refused the password in OPENCODE_SERVER_PASSWORD"
        );
    }
}
