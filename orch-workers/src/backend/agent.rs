//! A root session of its own on the given host.

use std::sync::Arc;

use async_trait::async_trait;
use orch_config::{Profile, kind::WorkerKind};
use orch_opencode::{NewSession, OpenCode, Session};
use orch_workflow::attempt::AttemptError;

use super::{Backend, OpenCodeWorker, slots::Scope};
use crate::{locator::Home, verdict, worker::Context};

impl OpenCodeWorker {
    /// A worker with a root session of its own on this host.
    #[must_use]
    pub fn agent(profile: Arc<Profile>, host: Arc<dyn OpenCode>) -> Self {
        Self::with_backend(profile, Box::new(Agent { host }))
    }
}

#[derive(Debug)]
struct Agent {
    host: Arc<dyn OpenCode>,
}

#[async_trait]
impl Backend for Agent {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Agent
    }

    async fn host(&self, _cx: &Context) -> Result<Arc<dyn OpenCode>, AttemptError> {
        Ok(Arc::clone(&self.host))
    }

    fn home(&self, host: &dyn OpenCode) -> Home {
        Home::Given { origin: host.origin().to_owned() }
    }

    async fn open(
        &self,
        host: &dyn OpenCode,
        _scope: &Scope,
        new: NewSession,
    ) -> Result<Session, AttemptError> {
        host.create_session(new).await.map_err(|error| verdict::host_failure(&error))
    }
}
