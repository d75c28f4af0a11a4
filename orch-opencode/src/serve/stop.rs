//! Ends a server and everything below it.
//!
//! Work is aborted first, because `SIGTERM` ends the host without clean-up. Tools run in process groups of their own:
//! the tree below the server is looked at before the kill and swept after it.

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

/// Aborts what is at work, asks the server to end, kills it after `grace`, and sweeps what it leaves.
pub(super) async fn stop(running: &mut Running, client: &HttpOpenCode, grace: Duration) -> StopReport {
    let pid = running.pid;
    if let Ok(Some(_)) = running.child.try_wait() {
        let swept = sweep(&running.below);
        return StopReport { pid, ended: Ended::Already, swept };
    }
    let _ = timeout(ABORT.min(grace), abort_all(client)).await;
    running.below = process::descendants(pid);
    process::signal_group(pid, Signal::SIGTERM);
    let ended = match timeout(grace, running.child.wait()).await {
        Ok(_) => Ended::OnRequest,
        Err(_) => {
            running.below.extend(process::descendants(pid));
            process::signal_group(pid, Signal::SIGKILL);
            // SIGKILL cannot be refused: the process is only waited for so that it does not stay a zombie.
            let _ = running.child.wait().await;
            Ended::Killed
        }
    };
    let swept = sweep(&running.below);
    let deadline = Instant::now() + DEATH;
    while any_alive(&running.below) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    StopReport { pid, ended, swept }
}

/// The same at once and without anybody's consent, for a handle that is dropped. Blocks until the process is gone.
pub(super) fn kill(running: &mut Running) {
    if let Ok(Some(_)) = running.child.try_wait() {
        sweep(&running.below);
        return;
    }
    let below = process::descendants(running.pid);
    process::signal_group(running.pid, Signal::SIGKILL);
    sweep(&below);
    let deadline = Instant::now() + DEATH;
    while (matches!(running.child.try_wait(), Ok(None)) || any_alive(&below)) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

async fn abort_all(client: &HttpOpenCode) {
    let Ok(busy) = client.statuses().await else { return };
    for session in busy.keys() {
        let _ = client.abort(session).await;
    }
}

fn any_alive(below: &[Identity]) -> bool {
    below.iter().any(|child| process::identity(child.pid).as_ref() == Some(child))
}

fn sweep(below: &[Identity]) -> Vec<u32> {
    let alive = below.iter().filter(|child| process::identity(child.pid).as_ref() == Some(*child));
    let survivors: Vec<&Identity> = alive.collect();
    for survivor in &survivors {
        process::signal(survivor, Signal::SIGKILL);
    }
    survivors.iter().map(|survivor| survivor.pid).collect()
}
