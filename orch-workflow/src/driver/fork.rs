//! Runs that begin in the past of others.

use super::{engine::Engine, error::EngineError, launch::mint, ledger::answer, run::Run};
use crate::{
    attempt::RunId,
    history::{self, Fork, ForkedRun},
    machine::Machine,
    store::StoreError,
};

impl Engine {
    /// What a fork of this run would be, under the name that it will have: nothing is written, so that it can be looked
    /// at, and checked, before [`start_fork`](Self::start_fork).
    ///
    /// # Errors
    /// The run is driven by somebody, here or elsewhere, or it cannot be forked there.
    pub async fn fork(&self, run: &RunId, fork: Fork) -> Result<ForkedRun, EngineError> {
        let store = &self.0.store;
        let holder = answer(store.holder(run, self.now())).await?;
        if let Some(holder) = holder.filter(|holder| holder.alive) {
            let (owner, since) = (Box::new(holder.owner), holder.since);
            return Err(StoreError::Locked { run: run.clone(), owner, since }.into());
        }
        let records = answer(store.load(run, 0)).await?;
        let forked = history::fork(&records, fork).map_err(EngineError::Fork)?;
        Ok(forked.named(mint(self.now())?))
    }

    /// Starts a forked run, as [`start`](Self::start) starts another: journals its beginning with the results that it
    /// reuses, and drives it. The run that it comes from is not touched.
    ///
    /// # Errors
    /// As [`start`](Self::start), and when it was started before.
    pub async fn start_fork(&self, forked: ForkedRun) -> Result<Run, EngineError> {
        let run = forked.run().clone();
        let (engine, id) = (self.clone(), run.clone());
        let begin = async move { engine.begin(id, |now| Machine::begin_forked(now, forked)).await };
        self.to_the_end(run, begin).await
    }
}
