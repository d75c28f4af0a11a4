//! What can be found out about workers before the first of them is asked for anything.

use std::collections::HashSet;

use orch_config::{id::ProfileId, kind::WorkerKind};
use orch_opencode::{HostError, HostErrorKind, SessionId};

use super::Pool;
use crate::{error::Error, preflight};

impl Pool {
    /// Checks that these workers can be had: that each is known and, for those on the given host, that the host has
    /// the agent and the model of its profile. Returns every problem, each one once; creates, starts and spends
    /// nothing. What a server of its own will have is only known when it runs, and what a registered worker needs only
    /// to itself. Cancel safe.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn check(
        &self,
        workers: impl IntoIterator<Item = (ProfileId, WorkerKind)>,
    ) -> Result<Vec<Error>, HostError> {
        let mut problems = Vec::new();
        let mut on_host = Vec::new();
        let mut seen = HashSet::new();
        for (id, kind) in workers.into_iter().filter(|worker| seen.insert(worker.clone())) {
            match self.inner.worker(&id, kind) {
                Err(problem) => problems.push(problem),
                Ok(_) if kind == WorkerKind::Server || self.inner.registered.contains_key(&id) => {}
                Ok(_) => on_host.extend(self.inner.config.profiles.get(&id)),
            }
        }
        if on_host.is_empty() {
            return Ok(problems);
        }
        let (agents, catalog) = tokio::try_join!(self.inner.host.agents(), self.inner.host.catalog())?;
        let selections =
            on_host.into_iter().map(|profile| preflight::select(profile.into(), &agents, &catalog));
        problems.extend(selections.filter_map(Result::err));
        Ok(problems)
    }

    /// Checks that the host has this session, so that workers can have it as their parent. The inner error says what is
    /// wrong with it. Cancel safe.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn check_parent(&self, parent: &str) -> Result<Result<(), Error>, HostError> {
        let id = match SessionId::parse(parent) {
            Ok(id) => id,
            Err(error) => return Ok(Err(Error::unknown_parent(parent, &error))),
        };
        let host = &self.inner.host;
        match host.session(&id).await {
            Ok(_) => Ok(Ok(())),
            Err(error) if error.kind() == HostErrorKind::NotFound => {
                let reason = format!("the host at {} has no such session", host.origin());
                Ok(Err(Error::unknown_parent(parent, &reason)))
            }
            Err(error) => Err(error),
        }
    }
}
