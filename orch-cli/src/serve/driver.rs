//! Who drives which run: an orchestrator for each host, with the configuration as it is now.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use orch::{Host, Orchestrator, Run, RunId, config::Config};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify},
    time::{Instant, timeout_at},
};

use super::{fault::Fault, feed::Feed, presence::Presence};
use crate::{
    args::HostArgs,
    exit::Failure,
    project::{Project, configured_host},
};

/// How old the service is when a front end that has started it to lend it a host has done so.
const LENT_BY: Duration = Duration::from_secs(3);
/// The same where somebody inside of a host says so, on a machine that has much else to do.
const LENT_AT_LAST_BY: Duration = Duration::from_secs(15);

/// Names a host that was registered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct HostId(String);

/// An orchestrator on one host, under one configuration.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) orchestrator: Orchestrator,
    config: Config,
    host: Option<HostId>,
}

impl Driver {
    /// Starts the workers that the configuration wants started at once, in the background: nobody waits for them, and a run
    /// starts what it needs in any case.
    fn warm_up(&self) {
        let orchestrator = self.orchestrator.clone();
        tokio::spawn(async move {
            match orchestrator.warm_up().await {
                Ok(failed) => {
                    for (worker, error) in failed {
                        tracing::warn!(%worker, %error, "the worker could not be started ahead of its first step");
                    }
                }
                Err(error) => tracing::warn!(%error, "no worker could be started ahead of its first step"),
            }
        });
    }
}

/// A host that a client lends.
#[derive(Debug)]
struct Registered {
    id: HostId,
    url: String,
    host: Host,
    driver: Arc<Driver>,
}

/// All orchestrators of the service. Each has the same store; a run is driven by the one that took it up.
#[derive(Debug)]
pub(super) struct Drivers {
    project: Project,
    args: HostArgs,
    feed: Feed,
    presence: Presence,
    /// On the host that the service was started for.
    home: AsyncMutex<Arc<Driver>>,
    registered: AsyncMutex<Vec<Registered>>,
    /// Who drives what is at work, and how many follow it.
    at_work: Mutex<HashMap<RunId, (Arc<Driver>, usize)>>,
    /// On which registered host a run was last driven.
    hosts: Mutex<HashMap<RunId, HostId>>,
    next: AtomicU64,
    begun_at: Instant,
    /// Told when a host is lent.
    lent: Notify,
}

impl Drivers {
    pub(super) async fn new(
        project: Project,
        args: HostArgs,
        feed: Feed,
        presence: Presence,
    ) -> Result<Arc<Self>, Failure> {
        let config = project.load()?.config;
        // What stays does not depend on a terminal interface, which goes.
        let host = configured_host(&args, &config);
        let orchestrator = project.orchestrator_on(config.clone(), &args, host).await?;
        feed.follow(&orchestrator);
        let home = Arc::new(Driver { orchestrator, config, host: None });
        Ok(Arc::new(Self {
            project,
            args,
            feed,
            presence,
            home: AsyncMutex::new(home),
            registered: AsyncMutex::default(),
            at_work: Mutex::default(),
            hosts: Mutex::default(),
            next: AtomicU64::new(1),
            begun_at: Instant::now(),
            lent: Notify::new(),
        }))
    }

    /// Starts the workers that are wanted at once, where runs will be driven: on the host that was lent meanwhile, which does
    /// so by itself, else at home.
    pub(super) async fn warm_up(&self) {
        self.host_lent_by(LENT_BY).await;
        if self.registered.lock().await.is_empty() {
            self.home.lock().await.warm_up();
        }
    }

    /// Waits for the first host, which somebody says is being lent; not if the service has been there for long without.
    pub(super) async fn expect_host(&self) {
        self.host_lent_by(LENT_AT_LAST_BY).await;
    }

    async fn host_lent_by(&self, age: Duration) {
        let lent = async {
            loop {
                let told = self.lent.notified();
                if !self.registered.lock().await.is_empty() {
                    return;
                }
                told.await;
            }
        };
        // Nobody lends one: that is how it is where no front end has a host.
        let _ = timeout_at(self.begun_at + age, lent).await;
    }

    /// The one that only looks.
    pub(super) async fn home(&self) -> Orchestrator {
        self.home.lock().await.orchestrator.clone()
    }

    /// The configuration as it is now.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        Ok(self.project.load()?.config)
    }

    /// The one to start a run with: on this host, else on the one that was registered last, else at home.
    pub(super) async fn for_start(&self, host: Option<&HostId>) -> Result<Arc<Driver>, Fault> {
        let config = self.config()?;
        let mut registered = self.registered.lock().await;
        let chosen = match host {
            Some(id) => Some(registered.iter_mut().find(|each| each.id == *id).ok_or_else(|| unknown(id))?),
            None => registered.last_mut(),
        };
        let Some(chosen) = chosen else {
            drop(registered);
            return Ok(self.current_home(config).await?);
        };
        if chosen.driver.config != config {
            let new = self.driver(config, chosen.host.clone(), Some(chosen.id.clone())).await?;
            self.retire(std::mem::replace(&mut chosen.driver, new));
        }
        Ok(Arc::clone(&chosen.driver))
    }

    /// The one to ask about a run: who drives it, else one on the host where it was driven last.
    pub(super) async fn of(&self, run: &RunId) -> Result<Arc<Driver>, Fault> {
        if let Some(driver) = self.at_work(run) {
            return Ok(driver);
        }
        let last = lock(&self.hosts).get(run).cloned();
        if let Some(id) = last
            && self.registered.lock().await.iter().any(|each| each.id == id)
        {
            return self.for_start(Some(&id)).await;
        }
        self.for_start(None).await
    }

    /// Who drives this run here and now.
    pub(super) fn at_work(&self, run: &RunId) -> Option<Arc<Driver>> {
        lock(&self.at_work).get(run).map(|(driver, _)| Arc::clone(driver))
    }

    /// How many runs are at work here.
    pub(super) fn count(&self) -> usize {
        lock(&self.at_work).len()
    }

    /// Keeps the service up until this run rests.
    pub(super) fn follow(self: &Arc<Self>, driver: &Arc<Driver>, run: Run) {
        let id = run.id().clone();
        if let Some(host) = &driver.host {
            lock(&self.hosts).insert(id.clone(), host.clone());
        }
        lock(&self.at_work).entry(id.clone()).or_insert_with(|| (Arc::clone(driver), 0)).1 += 1;
        let (drivers, stay) = (Arc::clone(self), self.presence.enter());
        tokio::spawn(async move {
            if let Err(error) = run.wait().await {
                tracing::warn!(run = %id, %error, "the run cannot go on here");
            }
            drivers.rests(&id);
            drop(stay);
        });
    }

    fn rests(&self, run: &RunId) {
        let mut at_work = lock(&self.at_work);
        if let Some((_, followers)) = at_work.get_mut(run) {
            *followers -= 1;
            if *followers == 0 {
                at_work.remove(run);
            }
        }
    }

    /// Lends a host. Nothing is kept of one that does not answer.
    ///
    /// The same address and password again is the same host; another password in its place replaces it.
    pub(super) async fn register(&self, url: String, host: Host) -> Result<HostId, Fault> {
        let config = self.config()?;
        let id = HostId(format!("host_{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let driver = self.driver(config, host.clone(), Some(id.clone())).await?;
        if let Err(error) = driver.orchestrator.host().await {
            driver.orchestrator.clone().shutdown().await;
            return Err(error.into());
        }
        let mut registered = self.registered.lock().await;
        if let Some(at) = registered.iter().position(|each| each.url == url) {
            self.retire(registered.remove(at).driver);
        }
        driver.warm_up();
        registered.push(Registered { id: id.clone(), url, host, driver });
        self.lent.notify_waiters();
        Ok(id)
    }

    /// Takes a host back. What is at work on it goes on as far as the host lets it.
    pub(super) async fn unregister(&self, id: &HostId) -> Result<(), Fault> {
        let mut registered = self.registered.lock().await;
        let at = registered.iter().position(|each| each.id == *id).ok_or_else(|| unknown(id))?;
        self.retire(registered.remove(at).driver);
        Ok(())
    }

    pub(super) async fn hosts(&self) -> Vec<(HostId, String)> {
        self.registered.lock().await.iter().map(|each| (each.id.clone(), each.url.clone())).collect()
    }

    /// Leaves every run where it is and ends every process that was started.
    pub(super) async fn shutdown(&self) {
        let mut all = vec![Arc::clone(&*self.home.lock().await)];
        all.extend(self.registered.lock().await.drain(..).map(|each| each.driver));
        all.extend(lock(&self.at_work).values().map(|(driver, _)| Arc::clone(driver)));
        let ends = all.iter().map(|driver| driver.orchestrator.clone().shutdown());
        futures_util::future::join_all(ends).await;
    }

    async fn current_home(&self, config: Config) -> Result<Arc<Driver>, Failure> {
        let mut home = self.home.lock().await;
        if home.config != config {
            let host = configured_host(&self.args, &config);
            let orchestrator = self.project.orchestrator_on(config.clone(), &self.args, host).await?;
            self.feed.follow(&orchestrator);
            let new = Arc::new(Driver { orchestrator, config, host: None });
            self.retire(std::mem::replace(&mut home, new));
        }
        Ok(Arc::clone(&home))
    }

    async fn driver(&self, config: Config, host: Host, id: Option<HostId>) -> Result<Arc<Driver>, Failure> {
        let orchestrator = self.project.orchestrator_on(config.clone(), &self.args, host).await?;
        self.feed.follow(&orchestrator);
        Ok(Arc::new(Driver { orchestrator, config, host: id }))
    }

    /// No run is started with it any more; those at work keep it until they rest.
    fn retire(&self, driver: Arc<Driver>) {
        let at_work = lock(&self.at_work).values().any(|(each, _)| Arc::ptr_eq(each, &driver));
        if !at_work {
            tokio::spawn(driver.orchestrator.clone().shutdown());
        }
    }
}

fn unknown(id: &HostId) -> Fault {
    let message = format!("no host {} is lent", id.0);
    Fault::new(StatusCode::NOT_FOUND, "orch::serve::unknown-host", message)
        .help("lend it again with `POST /v1/hosts`")
}

/// A panic elsewhere leaves these tables as good as they were.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
