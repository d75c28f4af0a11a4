//! Looking at runs without driving them, and forgetting them.

use super::{
    engine::Engine,
    error::EngineError,
    ledger::{self, answer},
};
use crate::{
    attempt::RunId,
    event::{Event, Projector},
    history::{self, HistoryError},
    port::Locator,
    record::{Record, RunStatus},
    store::{Retention, RunEntry, prune},
    view::{OwnerView, RunView},
};

/// Which runs of a store to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runs {
    /// All of them.
    All,
    /// The newest, so many.
    Newest(usize),
    /// Those that have not ended.
    Open,
    /// Those that have not ended, however many are newer, and the newest, so many.
    OpenAndNewest(usize),
}

impl Runs {
    /// Of a list that is newest first.
    fn of(self, mut list: Vec<RunEntry>) -> Vec<RunEntry> {
        match self {
            Self::All => {}
            Self::Newest(most) => list.truncate(most),
            Self::Open => list.retain(|entry| entry.finished_at.is_none()),
            Self::OpenAndNewest(most) => {
                let mut newest = 0..most;
                list.retain(|entry| newest.next().is_some() | entry.finished_at.is_none());
            }
        }
        list
    }
}

impl Engine {
    /// A run as it stands, whoever drives it.
    ///
    /// # Errors
    /// The run is unknown, its journal is damaged, or the store cannot be read.
    pub async fn view(&self, run: &RunId) -> Result<RunView, EngineError> {
        if let Some(run) = self.driven(run) {
            return Ok(run.view());
        }
        let mut view = self.look_at(run).await?;
        if view.interrupted {
            // Between the two looks that make a view, somebody may have taken the run up, or come to its end.
            view = self.look_at(run).await?;
        }
        Ok(view)
    }

    /// A run as it stood after its record `seq`, and the number of its last record now.
    ///
    /// # Errors
    /// The run is unknown or has no such record, its journal is damaged, or the store cannot be read.
    pub async fn view_at(&self, run: &RunId, seq: u64) -> Result<(RunView, u64), EngineError> {
        let records = self.records(run, 0).await?;
        let last = records.last().map_or(0, |record| record.seq);
        match history::view_at(&records, seq) {
            Ok(view) => Ok((view, last)),
            Err(HistoryError::Journal(source)) => Err(EngineError::Journal { run: run.clone(), source }),
            Err(error) => Err(EngineError::History(error)),
        }
    }

    /// Runs of the store, newest first. A damaged one does not hide the others. Each costs a reading of its journal.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn views(
        &self,
        which: Runs,
    ) -> Result<Vec<(RunId, Result<RunView, EngineError>)>, EngineError> {
        let mut views = Vec::new();
        for entry in which.of(answer(self.0.store.list()).await?) {
            match self.view(&entry.run).await {
                // It was removed since the list was made.
                Err(error) if error.kind() == super::EngineErrorKind::Unknown => {}
                view => views.push((entry.run, view)),
            }
        }
        Ok(views)
    }

    /// The journaled events of a run with numbers greater than `after`.
    ///
    /// To follow a run without a gap, [`subscribe`](Self::subscribe) first, replay, and then skip what has a number
    /// that was replayed.
    ///
    /// # Errors
    /// The run is unknown, its journal is damaged, or the store cannot be read.
    pub async fn events(&self, run: &RunId, after: u64) -> Result<Vec<Event>, EngineError> {
        let mut projector = Projector::new();
        let records = self.records(run, 0).await?;
        let events = records.iter().flat_map(|record| projector.project(record));
        Ok(events.filter(|event| event.seq > after).collect())
    }

    /// The records of a run with numbers greater than `after`, in the journal's own format.
    ///
    /// # Errors
    /// As [`events`](Self::events).
    pub async fn records(&self, run: &RunId, after: u64) -> Result<Vec<Record>, EngineError> {
        Ok(answer(self.0.store.load(run, after)).await?)
    }

    /// Where the prompts of a run went, in the words of whoever placed them, oldest first.
    ///
    /// # Errors
    /// As [`events`](Self::events).
    pub async fn locators(&self, run: &RunId) -> Result<Vec<Locator>, EngineError> {
        Ok(ledger::locators(&*self.0.store, run).await?)
    }

    /// The same of every run of the store.
    ///
    /// # Errors
    /// The journal of a run is damaged, or the store cannot be read.
    pub async fn all_locators(&self) -> Result<Vec<Locator>, EngineError> {
        let mut all = Vec::new();
        for entry in answer(self.0.store.list()).await? {
            match self.locators(&entry.run).await {
                // It was removed since the list was made.
                Err(error) if error.kind() == super::EngineErrorKind::Unknown => {}
                locators => all.extend(locators?),
            }
        }
        Ok(all)
    }

    /// Forgets the finished runs that `retention` no longer keeps, and names them.
    ///
    /// # Errors
    /// The store failed; what was forgotten until then stays forgotten.
    pub async fn prune(&self, retention: Retention) -> Result<Vec<RunId>, EngineError> {
        Ok(prune(&*self.0.store, retention, self.0.wall.now()).await?)
    }

    async fn look_at(&self, run: &RunId) -> Result<RunView, EngineError> {
        let (machine, _) = self.replay(run).await?;
        let mut view = machine.view();
        if view.status.is_terminal() {
            return Ok(view);
        }
        let holder = answer(self.0.store.holder(run, self.0.wall.now())).await?;
        let driver = holder.filter(|holder| holder.alive);
        view.interrupted = view.status == RunStatus::Running && driver.is_none();
        view.owner = driver.map(|holder| OwnerView {
            expires_at: holder.expires_unseen(),
            pid: holder.owner.pid,
            host: holder.owner.host,
            since: holder.since,
        });
        Ok(view)
    }
}
