//! What every request works on.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use orch::{Orchestrator, RunId, RunView, Runs, workflow::attempt::Timestamp};
use tokio::sync::watch;

use super::{driver::Drivers, fault::Fault, feed::Feed, presence::Presence};

/// The service of one project.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) project: PathBuf,
    pub(super) drivers: Arc<Drivers>,
    pub(super) feed: Feed,
    pub(super) presence: Presence,
    /// Names this process among those that served the project.
    pub(super) instance: String,
    pub(super) started_at: Timestamp,
    /// Whether it is about to end.
    pub(super) leaving: watch::Receiver<bool>,
}

/// Runs of the store, newest first, or why one cannot be read.
pub(super) type Looked = Vec<(RunId, Result<RunView, orch::Error>)>;

impl Service {
    /// A run as it stands, with what only its driver sees.
    pub(super) async fn view(&self, run: &RunId) -> Result<RunView, Fault> {
        Ok(self.reader(run).await.view(run).await?)
    }

    pub(super) async fn runs(&self, which: Runs) -> Result<Looked, Fault> {
        let mut runs = self.drivers.home().await.runs(which).await?;
        for (run, view) in &mut runs {
            if let Some(driver) = self.drivers.at_work(run) {
                *view = driver.orchestrator.view(run).await;
            }
        }
        Ok(runs)
    }

    /// The one that knows most about a run. Asking it starts nothing.
    pub(super) async fn reader(&self, run: &RunId) -> Orchestrator {
        match self.drivers.at_work(run) {
            Some(driver) => driver.orchestrator.clone(),
            None => self.drivers.home().await,
        }
    }
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
