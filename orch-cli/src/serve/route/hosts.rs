//! Hosts that clients lend: a front end within OpenCode has one that only it can reach.

use std::{fmt, path::Path};

use axum::{
    Json,
    extract::{Path as Segment, State},
    http::StatusCode,
};
use orch::Host;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{Answer, Desk};
use crate::serve::{driver::HostId, fault::Fault, request::Body};

/// A host to be lent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lend {
    /// Its address on the loopback: `http://127.0.0.1:PORT`.
    url: String,
    /// The user name, `opencode` unless given.
    #[serde(default)]
    username: Option<String>,
    /// The password.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    password: Option<SecretString>,
    /// The directory that it works in: that of the project.
    directory: String,
    /// Whether the plugin of `orch install` is loaded in it: what only that can apply has its effect then.
    #[serde(default)]
    plugin: bool,
}

/// The password stays out of logs.
impl fmt::Debug for Lend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lend")
            .field("url", &self.url)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// A host that was lent.
#[derive(Serialize, JsonSchema)]
pub(super) struct Lent {
    /// Names it, until it is taken back or the service ends.
    id: HostId,
    /// Its address.
    url: String,
}

pub(super) async fn register(State(service): Desk, Body(lend): Body<Lend>) -> Answer<Lent> {
    if !is_loopback(&lend.url) {
        let message = format!("lend {}: only a host on the loopback can be lent", lend.url);
        return Err(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "orch::serve::not-loopback", message)
            .help("give `http://127.0.0.1:PORT`"));
    }
    let theirs = std::fs::canonicalize(Path::new(&lend.directory)).ok();
    if theirs.as_ref() != Some(&service.project) {
        let message = format!("lend {}: it works in {}", lend.url, lend.directory);
        return Err(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "orch::serve::other-directory", message)
            .help(format!("this service is that of {}", service.project.display())));
    }
    let mut host = Host::server(&lend.url).with_plugin(lend.plugin);
    if let Some(password) = &lend.password {
        host = host.username(lend.username.unwrap_or_else(|| "opencode".to_owned()));
        host = host.password(password.expose_secret());
    }
    let id = service.drivers.register(lend.url.clone(), host).await?;
    Ok(Json(Lent { id, url: lend.url }))
}

pub(super) async fn list(State(service): Desk) -> Json<Vec<Lent>> {
    Json(service.drivers.hosts().await.into_iter().map(|(id, url)| Lent { id, url }).collect())
}

/// The host that the path names.
#[derive(Deserialize, JsonSchema)]
pub(super) struct HostPath {
    /// Its id.
    host: HostId,
}

pub(super) async fn unregister(State(service): Desk, Segment(path): Segment<HostPath>) -> Answer<Vec<Lent>> {
    service.drivers.unregister(&path.host).await?;
    Ok(list(State(service)).await)
}

/// A password is sent there, so it must not leave the machine.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = url.parse::<axum::http::Uri>() else { return false };
    let local = matches!(url.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    url.scheme_str() == Some("http") && local && plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_is_the_loopback() {
        for url in ["http://127.0.0.1:4096", "http://localhost:1", "http://[::1]:4096/"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://127.0.0.1.example.com:80",
            "http://example.com",
            "http://127.0.0.1@example.com",
            "http://user@127.0.0.1:4096",
            "https://127.0.0.1:4096",
            "file:///etc/passwd",
            "127.0.0.1:4096",
            "",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
