//! What differs between the three kinds: whose host it is, and how a session comes to be.

mod agent;
mod cleanup;
mod flight;
mod heritage;
mod inquiry;
mod repository;
mod server;
mod session;
mod slots;
mod subagent;
mod turns;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_config::kind::WorkerKind;
use orch_opencode::{HostError, NewSession, OpenCode, Session, SessionQuery, Usage, tracker::Patience};
use orch_workflow::attempt::AttemptError;
use tokio_util::sync::CancellationToken;

pub(crate) use cleanup::Fate;
pub use session::OpenCodeWorker;

use self::slots::Scope;
use crate::{error::Error, locator::Home, shutdown::ShutdownReport, verdict, worker::Context};

/// A host that can be used now.
#[derive(Debug, Clone)]
pub(crate) struct Hosting {
    pub(crate) host: Arc<dyn OpenCode>,
    /// Where a locator says that the session is.
    pub(crate) home: Home,
    /// Cancelled when the host is gone for good and ours to start again; never for a host of somebody else.
    pub(crate) gone: CancellationToken,
}

impl Hosting {
    fn given(host: &Arc<dyn OpenCode>) -> Self {
        let home = Home::Given { origin: host.origin().to_owned() };
        Self { host: Arc::clone(host), home, gone: CancellationToken::new() }
    }
}

/// A session that was made, and what its making cost.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) session: Session,
    pub(crate) usage: Usage,
}

impl Opened {
    fn at_no_cost(session: Session) -> Self {
        Self { session, usage: Usage::default() }
    }
}

async fn create(host: &dyn OpenCode, new: NewSession) -> Result<Opened, AttemptError> {
    let session = host.create_session(new).await.map_err(|error| verdict::host_failure(&error))?;
    Ok(Opened::at_no_cost(session))
}

/// One of the three kinds.
#[async_trait]
pub(crate) trait Backend: Send + Sync + fmt::Debug {
    fn kind(&self) -> WorkerKind;

    /// The host of a journaled session, or the one for new sessions; started and ready.
    async fn host(&self, cx: &Context, home: Option<&Home>) -> Result<Hosting, AttemptError>;

    /// Refuses what cannot have a session, before anything is asked of the host.
    fn admit(&self, _scope: &Scope) -> Result<(), Error> {
        Ok(())
    }

    /// Creates a session.
    async fn open(
        &self,
        host: &Arc<dyn OpenCode>,
        scope: &Scope,
        new: NewSession,
        patience: &Patience,
    ) -> Result<Opened, AttemptError>;

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

    /// Ends the processes that it started.
    async fn shutdown(&self, _grace: Duration) -> ShutdownReport {
        ShutdownReport::default()
    }
}
