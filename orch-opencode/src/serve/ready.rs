//! When a server can be used: it says where it listens, it is ours, and it has answered a first real request.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::output::Output;
use super::start::Progress;
use crate::error::{HostError, HostErrorKind};
use crate::host::OpenCode;
use crate::http::HttpOpenCode;

/// The first request waits until the plugins of every configuration directory are installed: 47 s were observed with a
/// cold cache.
const FIRST_REQUEST: Duration = Duration::from_secs(180);
const LISTENING: &str = "listening on ";

/// The address in the listening line, once it is printed. The server has ended when nobody can print any more.
pub(super) async fn listening(output: &Output, mut printed: watch::Receiver<()>) -> Option<String> {
    loop {
        if let Some(url) = address(&output.text()) {
            return Some(url);
        }
        printed.changed().await.ok()?;
    }
}

fn address(text: &str) -> Option<String> {
    // A line is only complete with its end: half an address is somebody else's.
    let complete = &text[..=text.rfind('\n')?];
    let url = complete.lines().find_map(|line| line.split_once(LISTENING))?.1.split_whitespace().next()?;
    url.starts_with("http://").then(|| url.to_owned())
}

/// Whoever answers there must take our password, must refuse to do without, and must answer a first real request.
pub(super) async fn usable(
    ours: &HttpOpenCode,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), HostError> {
    ours.health().await?;
    let stranger = HttpOpenCode::builder(ours.origin(), ours.directory()).build()?;
    match stranger.health().await {
        Err(error) if error.kind() == HostErrorKind::Unauthorized => {}
        Err(error) => return Err(error),
        Ok(_) => {
            let detail = "it answers without our password, so it is not the server that was started";
            return Err(HostError::new(HostErrorKind::NotReady, "use the server", ours.origin(), detail));
        }
    }
    progress(Progress::FirstRequest);
    let deadline = Instant::now() + FIRST_REQUEST;
    loop {
        match timeout_at(deadline, ours.agents()).await {
            Ok(Ok(_)) => return Ok(()),
            // One request gives up earlier than an installation takes.
            Ok(Err(error)) if error.kind() == HostErrorKind::Timeout => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let detail = "it listens, but has not answered a first request within three minutes; it may be \
                              installing plugins";
                return Err(HostError::new(HostErrorKind::NotReady, "use the server", ours.origin(), detail));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_listening_line_counts() {
        for (text, expected) in [
            ("", None),
            ("warning: x\nopencode server listening on http://127.0.0.1:40", None),
            (
                "warning: x\nopencode server listening on http://127.0.0.1:4096\n",
                Some("http://127.0.0.1:4096"),
            ),
            (
                "opencode server listening on http://127.0.0.1:1234 (pid 7)\nmore",
                Some("http://127.0.0.1:1234"),
            ),
            ("listening on nothing\n", None),
        ] {
            assert_eq!(address(text).as_deref(), expected, "{text:?}");
        }
    }
}
