//! Ends a server and everything below it.
//!
//! Work is aborted first, because `SIGTERM` ends the host without clean-up. Tools run in process groups of their own:
//! what is below the server is looked at before the kill and swept after it.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::time::timeout;

use super::process::{self, Identity};
use super::start::Running;
use crate::host::OpenCode;
use crate::http::HttpOpenCode;

/// How long aborting the sessions at work may take before the server is ended anyway.
const ABORT: Duration = Duration::from_secs(2);

/// How long a killed process may take to be gone. The kernel needs milliseconds.
const DEATH: Duration = Duration::from_secs(1);

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// It had ended by itself.
    Already,
    /// On request, within its grace.
    OnRequest,
    /// It had to be killed.
    Killed,
}

/// What ending a server took.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopReport {
    /// Its process id.
    pub pid: u32,
    /// How it ended.
    pub ended: Ended,
    /// Processes below it that outlived it and were killed.
    pub swept: Vec<u32>,
}

/// Aborts what is at work, asks the server to end, kills it when `grace` is over, and sweeps what it leaves.
pub(super) async fn stop(running: &mut Running, client: &HttpOpenCode, grace: Duration) -> StopReport {
    let pid = running.pid;
    let over = Instant::now() + grace;
    let ended = if matches!(running.child.try_wait(), Ok(Some(_))) {
        Ended::Already
    } else {
        let _ = timeout(ABORT.min(grace), abort_all(client)).await;
        // Whoever leaves the tree while it falls is found again by its identity.
        running.below = process::below(Some(pid), &running.mark);
        process::signal_group(pid, Signal::SIGTERM);
        match timeout(over.saturating_duration_since(Instant::now()), running.child.wait()).await {
            Ok(_) => Ended::OnRequest,
            Err(_) => {
                running.below.extend(process::below(Some(pid), &running.mark));
                process::signal_group(pid, Signal::SIGKILL);
                // SIGKILL cannot be refused: the process is only waited for so that it does not stay a zombie.
                let _ = running.child.wait().await;
                Ended::Killed
            }
        }
    };
    // What is dying may still start something, so this is looked at until nothing is left.
    let deadline = Instant::now() + DEATH;
    let mut swept = BTreeSet::new();
    loop {
        let left = survivors(running);
        if left.is_empty() || Instant::now() >= deadline {
            return StopReport { pid, ended, swept: swept.into_iter().collect() };
        }
        for survivor in left {
            process::signal(&survivor, Signal::SIGKILL);
            swept.insert(survivor.pid);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The same at once and without anybody's consent, for a handle that is dropped. Blocks until everything is gone.
pub(super) fn kill(running: &mut Running) {
    if matches!(running.child.try_wait(), Ok(None)) {
        running.below = process::below(Some(running.pid), &running.mark);
        process::signal_group(running.pid, Signal::SIGKILL);
    }
    let deadline = Instant::now() + DEATH;
    loop {
        let left = survivors(running);
        let gone = left.is_empty() && !matches!(running.child.try_wait(), Ok(None));
        if gone || Instant::now() >= deadline {
            return;
        }
        for survivor in left {
            process::signal(&survivor, Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// What is alive of what was below a server that has ended, or is about to.
fn survivors(running: &Running) -> Vec<Identity> {
    let mut left = process::below(None, &running.mark);
    left.retain(|survivor| survivor.pid != running.pid);
    for known in &running.below {
        if !left.contains(known) && process::identity(known.pid).as_ref() == Some(known) {
            left.push(known.clone());
        }
    }
    left
}

async fn abort_all(client: &HttpOpenCode) {
    let Ok(busy) = client.statuses().await else { return };
    for session in busy.keys() {
        let _ = client.abort(session).await;
    }
}
