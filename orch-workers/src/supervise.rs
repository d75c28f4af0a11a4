//! Servers of our own: started on a data directory that nobody else uses, watched, and ended with everything below.

use std::{
    collections::HashMap,
    ffi::OsString,
    io, mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use orch_config::{Profile, Trust, id::ProfileId, private};
use orch_opencode::{
    HostError, HostErrorKind, HttpOpenCode, OpenCode, StreamItem,
    serve::{Environment, Progress, Serve, Server, StopReport, Versions},
};
use sha2::{Digest as _, Sha256};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    claim::{Claim, MOST},
    error::{Error, ErrorKind},
    orphans, permission,
};

/// First ports of servers that start at the same time are this far apart.
const PORT_STRIDE: u16 = 16;
/// A server that does not answer before the next check is due has failed one, but never sooner than the first of these,
/// for it may be busy, and never later than the second.
const HEALTH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// Failed health checks in a row before a server counts as dead.
const STRIKES: u32 = 3;

/// How servers are started; the same for every worker of a pool.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) command: Vec<OsString>,
    pub(crate) state_dir: PathBuf,
    pub(crate) environment: Environment,
    pub(crate) directory: String,
    pub(crate) trust: Trust,
    pub(crate) base_port: u16,
    pub(crate) startup: Duration,
    pub(crate) health_every: Duration,
    pub(crate) started: AtomicU16,
    pub(crate) versions: Versions,
    pub(crate) homes: Mutex<HashMap<PathBuf, Home>>,
}

/// A data directory that is ours until this is dropped, and the server on it.
#[derive(Debug)]
pub(crate) struct Home {
    /// Its only owner: dropping it kills the server, before the claim is given up.
    server: Option<Arc<Server>>,
    _claim: Claim,
}

/// A server that runs.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) client: HttpOpenCode,
    /// Cancelled when it has ended, for whatever reason.
    pub(crate) gone: CancellationToken,
}

impl Supervisor {
    /// Claims the first data directory of this profile and project that is free.
    pub(crate) fn claim_any(&self, worker: &ProfileId) -> Result<PathBuf, Error> {
        let base = home_name(&self.directory, worker.as_str());
        let homes = orphans::homes_of_workers(&self.state_dir);
        let claimed =
            private::directories(&self.state_dir, &homes).and_then(|()| Claim::first(&homes, &base));
        match claimed.map_err(|error| unusable(worker, &homes, error))? {
            Some(claim) => Ok(self.move_in(claim)),
            None => Err(Error::new(
                ErrorKind::Spawn,
                format!("worker `{worker}`: {MOST} other programs use its servers in this project already"),
            )),
        }
    }

    /// Claims this very data directory, which a journaled session is on.
    pub(crate) fn claim(&self, worker: &ProfileId, path: &Path) -> Result<(), Error> {
        let claimed = private::directories(&self.state_dir, path).and_then(|()| Claim::of(path));
        if let Some(claim) = claimed.map_err(|error| unusable(worker, path, error))? {
            self.move_in(claim);
            return Ok(());
        }
        let message = format!("worker `{worker}`: another process uses its data in {}", path.display());
        Err(Error::new(ErrorKind::Spawn, message))
    }

    fn move_in(&self, claim: Claim) -> PathBuf {
        let path = claim.path().to_owned();
        lock(&self.homes).insert(path.clone(), Home { server: None, _claim: claim });
        path
    }

    /// Ends servers whose owner was killed, then starts one on a claimed data directory and watches it. `hung` hears of
    /// it when the server has to be ended because it answers no more.
    pub(crate) async fn start(
        &self,
        profile: &Profile,
        home: &Path,
        progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
        hung: impl FnOnce(String) + Send + 'static,
    ) -> Result<Running, HostError> {
        let records = orphans::records_of_workers(&self.state_dir);
        orphans::sweep(vec![records.clone()]).await;
        let offset = self.started.fetch_add(1, Ordering::Relaxed).wrapping_mul(PORT_STRIDE) % 1024;
        let port = profile.port.unwrap_or_else(|| self.base_port.saturating_add(offset));
        let serve = || self.serve(profile, home, &records).on_progress(progress.clone());
        let server = match serve().first_port(port).start().await {
            // Somebody was faster on that port; the system knows a free one.
            Err(error) if error.kind() == HostErrorKind::NotReady => serve().start().await?,
            other => other?,
        };
        let running = Running { client: server.client(), gone: CancellationToken::new() };
        let server = Arc::new(server);
        match lock(&self.homes).get_mut(home) {
            Some(home) => home.server = Some(Arc::clone(&server)),
            None => {
                let detail = "its pool is gone";
                return Err(HostError::new(HostErrorKind::Spawn, "keep the started server", "", detail));
            }
        }
        tokio::spawn(watch(Arc::downgrade(&server), running.clone(), self.health_every, hung));
        Ok(running)
    }

    /// Ends the server on this data directory, with everything below it, and gives the directory up.
    pub(crate) async fn stop(&self, home: &Path, grace: Duration) -> Option<StopReport> {
        let home = lock(&self.homes).remove(home)?;
        match &home.server {
            Some(server) => Some(server.stop(grace).await),
            None => None,
        }
    }

    /// Kills what runs, at once: nobody is left to wait for it.
    pub(crate) fn kill(&self) {
        let homes = mem::take(&mut *lock(&self.homes));
        drop(homes);
    }

    fn serve(&self, profile: &Profile, home: &Path, records: &Path) -> Serve {
        let mut environment = self.environment.clone();
        for (name, value) in profile.env.iter() {
            match orch_config::profile::Environment::is_reserved(name) {
                // A configuration that was checked has none.
                true => {
                    tracing::warn!(worker = %profile.id, name, "a variable that is not for a profile is left out")
                }
                false => environment.set(name, value),
            }
        }
        let serve = Serve::new(&self.command, &self.directory, environment)
            .data_dir(home)
            .records(records)
            .versions(self.versions.clone())
            .trusted(self.trust == Trust::Trusted)
            .startup_timeout(self.startup);
        let serve = match profile.temperature {
            Some(temperature) => serve.temperature(temperature),
            None => serve,
        };
        match permission::may_change_files(profile) {
            true => serve,
            // There is nothing to undo.
            false => serve.without_snapshots(),
        }
    }
}

/// Says when a server has ended, and nothing is left of what it had started. A broken event stream is the first sign of it;
/// health checks find one that hangs.
async fn watch(server: Weak<Server>, running: Running, every: Duration, hung: impl FnOnce(String)) {
    let mut events = running.client.events().await.ok();
    let mut checks = interval(every.max(Duration::from_millis(100)));
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checks.tick().await;
    let mut strikes = 0;
    loop {
        let broken = async {
            match &mut events {
                Some(events) => loop {
                    match events.next().await {
                        Some(StreamItem::Lost(_)) => return,
                        Some(_) => {}
                        None => std::future::pending().await,
                    }
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = running.gone.cancelled() => return,
            () = broken => {
                // The kernel closes its connections a moment before it can be waited for.
                for _ in 0..20 {
                    if has_ended(&server).await {
                        clear(&server).await;
                        return running.gone.cancel();
                    }
                    sleep(Duration::from_millis(50)).await;
                }
            }
            _ = checks.tick() => {
                if has_ended(&server).await {
                    clear(&server).await;
                    return running.gone.cancel();
                }
                let patience = every.clamp(HEALTH.0, HEALTH.1);
                if matches!(timeout(patience, running.client.health()).await, Ok(Ok(_))) {
                    strikes = 0;
                    continue;
                }
                strikes += 1;
                let origin = running.client.origin();
                tracing::warn!(origin, checks = strikes, ?patience, "a worker's server did not answer in time");
                if strikes >= STRIKES {
                    clear(&server).await;
                    hung(format!("its server at {origin} answered none of {strikes} health checks and was ended"));
                    return running.gone.cancel();
                }
            }
        }
    }
}

/// Ends a server with everything below it; of one that has died, the tools that it left.
async fn clear(server: &Weak<Server>) {
    if let Some(server) = server.upgrade() {
        server.stop(Duration::ZERO).await;
    }
}

async fn has_ended(server: &Weak<Server>) -> bool {
    match server.upgrade() {
        Some(server) => server.has_ended().await,
        None => true,
    }
}

fn unusable(worker: &ProfileId, path: &Path, error: io::Error) -> Error {
    let message = format!("worker `{worker}`: cannot use {} for its data: {error}", path.display());
    Error::new(ErrorKind::Spawn, message).with_source(error)
}

/// The name of the first data directory of a worker in a project.
fn home_name(project: &str, worker: &str) -> String {
    format!("{}-{}", slug(worker), digest(&[project, worker]))
}

/// What of an id can be part of a file name; the digest beside it tells apart what this makes equal.
fn slug(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(32).collect()
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_worker_of_every_project_has_a_data_directory_of_its_own() {
        let long = |end: &str| "x".repeat(63) + end;
        let ids = [
            "coder",
            "Coder",
            "a b",
            "a.b",
            "a-b",
            "a_b",
            "..",
            "../..",
            "/etc",
            "~",
            "",
            "译者",
            "译著",
            "a\nb",
            "%2e%2e",
            &long("1"),
            &long("2"),
        ];
        let projects = ["/p", "/p/coder", "/P", ""];
        let names: HashSet<_> =
            projects.iter().flat_map(|project| ids.iter().map(|id| home_name(project, id))).collect();
        assert_eq!(names.len(), ids.len() * projects.len(), "{names:?}");
        for name in names {
            let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
            assert!(name.chars().all(is_plain) && name.len() <= 32 + 1 + 16, "{name}");
        }
    }
}
