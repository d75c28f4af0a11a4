//! A root session on a server of the worker's own.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use orch_config::{Profile, kind::WorkerKind};
use orch_opencode::{NewSession, OpenCode, serve, tracker::Patience};
use orch_workflow::attempt::{AttemptError, ErrorCode};
use tokio::{sync::Mutex, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Backend, Hosting, OpenCodeWorker, Opened, create, slots::Scope};
use crate::{
    error::{Error, ErrorKind},
    locator::Home,
    preflight,
    progress::waits_for,
    shutdown::{Ended, ShutdownReport},
    supervise::{Running, Supervisor},
    verdict,
    worker::{Context, WorkerEvent, WorkerStatus},
};

impl OpenCodeWorker {
    /// A worker on a server of its own, which is started when it is first needed.
    pub(crate) fn server(profile: Arc<Profile>, supervisor: Arc<Supervisor>) -> Self {
        let server = OwnServer {
            profile: Arc::clone(&profile),
            supervisor,
            homes: Mutex::default(),
            closing: CancellationToken::new(),
        };
        Self::with_backend(profile, Box::new(server))
    }
}

#[derive(Debug)]
struct OwnServer {
    profile: Arc<Profile>,
    supervisor: Arc<Supervisor>,
    homes: Mutex<Homes>,
    closing: CancellationToken,
}

/// The data directories in use: the one for new sessions, and those of journaled ones.
#[derive(Debug, Default)]
struct Homes {
    current: Option<PathBuf>,
    open: HashMap<PathBuf, Arc<Mutex<House>>>,
}

/// One data directory and the server on it.
#[derive(Debug)]
struct House {
    home: PathBuf,
    running: Option<Running>,
    /// When a server was started here, within the restart window.
    starts: VecDeque<Instant>,
}

#[async_trait]
impl Backend for OwnServer {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Server
    }

    async fn host(&self, cx: &Context, home: Option<&Home>) -> Result<Hosting, AttemptError> {
        let house = self.house(home).await?;
        let mut house = house.lock().await;
        if let Some(running) = house.running.as_ref().filter(|running| !running.gone.is_cancelled()) {
            return Ok(hosting(running, &house.home));
        }
        if self.closing.is_cancelled() {
            return Err(self.stopping().into());
        }
        house.allow_start(&self.profile).inspect_err(|_| self.report(cx, WorkerStatus::Failed, None))?;
        let starting = WorkerEvent::new(self.profile.id.clone(), WorkerKind::Server, WorkerStatus::Starting);
        cx.report(starting.clone());
        let progress = {
            let (cx, trust) = (cx.clone(), self.supervisor.trust);
            move |progress| {
                let event = starting.clone().with_note(waits_for(progress));
                cx.report(event.with_warning(preflight::leaves_out(trust, progress)));
            }
        };
        let hung = {
            let (cx, worker) = (cx.clone(), self.profile.id.clone());
            move |note| {
                let event = WorkerEvent::new(worker, WorkerKind::Server, WorkerStatus::Failed);
                cx.report(event.with_note(note));
            }
        };
        let started = tokio::select! {
            started = self.supervisor.start(&self.profile, &house.home, progress, hung) => started,
            () = self.closing.cancelled() => return Err(self.stopping().into()),
            () = cx.stopped() => return Err(self.stopping().into()),
        };
        let running = started.map_err(|error| {
            self.report(cx, WorkerStatus::Failed, Some(error.to_string()));
            let failure = verdict::host_failure(&error);
            AttemptError::new(failure.code, format!("worker `{}`: {failure}", self.profile.id))
        })?;
        self.report(cx, WorkerStatus::Ready, None);
        let hosting = hosting(&running, &house.home);
        house.running = Some(running);
        Ok(hosting)
    }

    async fn open(
        &self,
        host: &Arc<dyn OpenCode>,
        _scope: &Scope,
        new: NewSession,
        _patience: &Patience,
    ) -> Result<Opened, AttemptError> {
        create(&**host, new).await
    }

    async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.closing.cancel();
        let mut ending = JoinSet::new();
        for (path, house) in self.homes.lock().await.open.drain() {
            let supervisor = Arc::clone(&self.supervisor);
            ending.spawn(async move {
                let mut house = house.lock().await;
                let stopped = supervisor.stop(&path, grace).await;
                if let Some(running) = house.running.take() {
                    running.gone.cancel();
                }
                stopped
            });
        }
        let mut report = ShutdownReport::default();
        while let Some(ended) = ending.join_next().await {
            match ended {
                Ok(Some(stopped)) => {
                    let killed = stopped.ended == serve::Ended::Killed;
                    report.ended.push(Ended::new(self.profile.id.clone(), stopped.pid, killed));
                }
                Ok(None) => {}
                Err(error) => report.problems.push(format!("worker `{}`: {error}", self.profile.id)),
            }
        }
        report
    }
}

impl OwnServer {
    /// The house of a journaled session, or the one for new sessions.
    async fn house(&self, home: Option<&Home>) -> Result<Arc<Mutex<House>>, Error> {
        let mut homes = self.homes.lock().await;
        if self.closing.is_cancelled() {
            return Err(self.stopping());
        }
        let wanted = match home {
            Some(Home::Own { data }) => Some(data.clone()),
            Some(Home::Given { origin }) => {
                let id = &self.profile.id;
                let message =
                    format!("worker `{id}` has a server of its own, but the session is at {origin}");
                return Err(Error::new(ErrorKind::Locator, message));
            }
            None => homes.current.clone(),
        };
        if let Some(house) = wanted.as_ref().and_then(|path| homes.open.get(path)) {
            return Ok(Arc::clone(house));
        }
        let home = match wanted {
            Some(path) => self.supervisor.claim(&self.profile.id, &path).map(|()| path)?,
            None => self.supervisor.claim_any(&self.profile.id)?,
        };
        homes.current.get_or_insert_with(|| home.clone());
        let house = House { home: home.clone(), running: None, starts: VecDeque::new() };
        Ok(Arc::clone(homes.open.entry(home).or_insert(Arc::new(Mutex::new(house)))))
    }

    fn report(&self, cx: &Context, status: WorkerStatus, note: Option<String>) {
        let event = WorkerEvent::new(self.profile.id.clone(), WorkerKind::Server, status);
        cx.report(match note {
            Some(note) => event.with_note(note),
            None => event,
        });
    }

    fn stopping(&self) -> Error {
        Error::new(ErrorKind::Stopping, format!("worker `{}` is shutting down", self.profile.id))
    }
}

impl House {
    /// Counts a start against the restart budget.
    fn allow_start(&mut self, profile: &Profile) -> Result<(), AttemptError> {
        let (now, restart) = (Instant::now(), profile.restart);
        let window = Duration::from_millis(restart.window_ms);
        self.starts.retain(|start| now.duration_since(*start) < window);
        let restarts = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        if restarts > restart.max_restarts {
            let message = format!(
                "worker `{}`: its server was started {restarts} times within {window:?} and ended each time",
                profile.id
            );
            return Err(AttemptError::new(ErrorCode::SpawnFailed, message));
        }
        self.starts.push_back(now);
        Ok(())
    }
}

fn hosting(running: &Running, home: &Path) -> Hosting {
    Hosting {
        host: Arc::new(running.client.clone()),
        home: Home::Own { data: home.to_owned() },
        gone: running.gone.clone(),
    }
}

#[cfg(test)]
mod tests {
    use orch_config::id::ProfileId;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn as_many_restarts_as_the_budget_has_and_again_when_its_window_is_over() {
        let mut profile = Profile::new(ProfileId::new("w").unwrap());
        (profile.restart.max_restarts, profile.restart.window_ms) = (2, 60_000);
        let mut house = House { home: PathBuf::new(), running: None, starts: VecDeque::new() };
        for _ in ["the start", "a restart", "another"] {
            house.allow_start(&profile).unwrap();
            advance(Duration::from_secs(10)).await;
        }
        let refused = house.allow_start(&profile).unwrap_err();
        assert_eq!(refused.code, ErrorCode::SpawnFailed);
        assert!(refused.message.contains("was started 3 times within 60s"), "{refused}");
        // A refusal is no start. When the first one is a window ago there is room for one more, and for no second.
        advance(Duration::from_secs(30)).await;
        house.allow_start(&profile).unwrap();
        house.allow_start(&profile).unwrap_err();
        advance(Duration::from_secs(60)).await;
        house.allow_start(&profile).unwrap();
    }
}
