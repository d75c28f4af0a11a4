//! A root session of its own on the given host.

use std::sync::Arc;

use async_trait::async_trait;
use orch_config::{Profile, kind::WorkerKind};
use orch_opencode::{NewSession, OpenCode, tracker::Patience};
use orch_workflow::attempt::AttemptError;

use super::{Backend, Hosting, OpenCodeWorker, Opened, create, slots::Scope};
use crate::{locator::Home, worker::Context};

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

    async fn host(&self, _cx: &Context, _home: Option<&Home>) -> Result<Hosting, AttemptError> {
        Ok(Hosting::given(&self.host))
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
}
