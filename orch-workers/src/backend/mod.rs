//! What differs between the three kinds: whose host it is, and how a session comes to be.

mod agent;
mod flight;
mod inquiry;
mod session;
mod slots;
mod subagent;
mod turns;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_config::kind::WorkerKind;
use orch_opencode::{HostError, NewSession, OpenCode, Session, SessionQuery};
use orch_workflow::attempt::AttemptError;

pub use session::OpenCodeWorker;

use self::slots::Scope;
use crate::{error::Error, locator::Home, shutdown::ShutdownReport, worker::Context};

/// One of the three kinds.
#[async_trait]
pub(crate) trait Backend: Send + Sync + fmt::Debug {
    fn kind(&self) -> WorkerKind;

    /// The host, started and ready.
    async fn host(&self, cx: &Context) -> Result<Arc<dyn OpenCode>, AttemptError>;

    /// Where a locator says that its session is.
    fn home(&self, host: &dyn OpenCode) -> Home;

    /// Refuses what cannot have a session, before anything is asked of the host.
    fn admit(&self, _scope: &Scope) -> Result<(), Error> {
        Ok(())
    }

    /// Creates a session.
    async fn open(
        &self,
        host: &dyn OpenCode,
        scope: &Scope,
        new: NewSession,
    ) -> Result<Session, AttemptError>;

    /// Sessions with this title that may have been created for the scope by an earlier process, newest first.
    async fn earlier(
        &self,
        host: &dyn OpenCode,
        _scope: &Scope,
        title: &str,
    ) -> Result<Vec<Session>, HostError> {
        let query = SessionQuery { roots: true, search: Some(title.to_owned()), ..SessionQuery::default() };
        host.sessions(query).await
    }

    /// Resolves when the host that [`host`](Self::host) gave last is gone for good; never for a host of somebody else.
    async fn lost(&self) {
        std::future::pending().await
    }

    /// Ends the processes that it started.
    async fn shutdown(&self, _grace: Duration) -> ShutdownReport {
        ShutdownReport::default()
    }
}
