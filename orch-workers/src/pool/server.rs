//! Looking at what a worker keeps on a server of its own.

use std::sync::Arc;

use orch_config::{id::ProfileId, kind::WorkerKind};
use orch_opencode::OpenCode;
use orch_workflow::attempt::AttemptError;

use super::Pool;

impl Pool {
    /// The server of a worker that has one of its own, for reading the sessions there. One that does not run is started on
    /// the worker's data, and ends with the pool like any other. Dropping the future ends what it has started.
    ///
    /// # Errors
    /// There is no such worker, or its server cannot be started.
    pub async fn server(&self, worker: &ProfileId) -> Result<Arc<dyn OpenCode>, AttemptError> {
        let worker = self.inner.own(worker, WorkerKind::Server)?;
        worker.host(&self.inner.common.cx).await
    }
}
