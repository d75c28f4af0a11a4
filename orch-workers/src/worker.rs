//! The port that a worker implements, and what it may use of its surroundings.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use orch_config::{id::ProfileId, kind::WorkerKind};
pub use orch_workflow::status::{WorkerEvent, WorkerStatus};
use orch_workflow::{
    attempt::{AttemptError, RunId, Settled},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, Task},
};
use tokio_util::sync::CancellationToken;

use crate::shutdown::ShutdownReport;

/// Does the prompts of one worker profile.
///
/// The life of a prompt is `place` (session and ids chosen, nothing sent), then `send`; between the two the engine
/// makes the locator durable. Every method may be called again, in another process and after a crash, with what was
/// journaled then, and must act on what is really there. `worker_suite` (feature `testing`) checks an implementation.
#[async_trait]
pub trait Worker: Send + Sync + fmt::Debug {
    /// The profile it works for.
    fn id(&self) -> &ProfileId;

    /// What it runs as.
    fn kind(&self) -> WorkerKind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Starts what it needs and checks what it depends on. Idempotent: a ready worker returns at once.
    ///
    /// # Errors
    /// What is missing and what to do about it; nothing was spent.
    async fn ready(&self, cx: &Context) -> Result<(), AttemptError>;

    /// Chooses where a dispatch will go: session, message and part ids. Sends no prompt.
    ///
    /// # Errors
    /// The attempt settles with the error; nothing was sent.
    async fn place(&self, cx: &Context, dispatch: &Dispatch) -> Result<Placement, AttemptError>;

    /// Sends the prompt to the placed session and returns once the work is accepted. Sending the same locator twice
    /// does the work once.
    ///
    /// # Errors
    /// [`SendError::Refused`] when the prompt certainly did not arrive, [`SendError::InDoubt`] when it may have.
    async fn send(&self, cx: &Context, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError>;

    /// Looks at what is really there and says what became of a dispatch. Never sends anything.
    ///
    /// [`Probe::NeverArrived`] only when the session is there and our message is not.
    async fn probe(&self, cx: &Context, locator: &Locator, dispatch: &Dispatch) -> Probe;

    /// Stops the work and returns when it is confirmed to be at rest. At rest already is a success.
    ///
    /// # Errors
    /// The abort could not be confirmed; the session may still run.
    async fn abort(&self, cx: &Context, locator: &Locator) -> Result<(), AttemptError>;

    /// The latest finished answer in the session, for a result that a person repaired there.
    ///
    /// # Errors
    /// The session cannot be read or holds no finished answer.
    async fn latest_answer(&self, cx: &Context, locator: &Locator) -> Result<Settled, AttemptError>;

    /// Answers a permission or a question that the worker has put.
    ///
    /// # Errors
    /// The ask is gone or cannot be answered now; it then stays open.
    async fn answer(
        &self,
        cx: &Context,
        locator: &Locator,
        ask: &AskId,
        reply: &AskReply,
    ) -> Result<(), AttemptError>;

    /// Ends what it started, within `grace` plus a second. Sessions that live elsewhere stay as they are.
    async fn shutdown(&self, grace: Duration) -> ShutdownReport;
}

/// What a worker can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// People can open its session in the host and talk to it.
    pub foreground: bool,
    /// It forwards permissions and questions instead of deciding them itself.
    pub asks: bool,
    /// How many prompts it works on at once; more of them queue.
    pub concurrency: usize,
}

impl Capabilities {
    /// One prompt at a time, nothing that a person could open, no asks.
    #[must_use]
    pub fn minimal() -> Self {
        Self { foreground: false, asks: false, concurrency: 1 }
    }

    /// The same with a session that people can open.
    #[must_use]
    pub fn with_foreground(mut self) -> Self {
        self.foreground = true;
        self
    }

    /// The same with asks that are forwarded.
    #[must_use]
    pub fn with_asks(mut self) -> Self {
        self.asks = true;
        self
    }

    /// The same with `prompts` at once.
    #[must_use]
    pub fn with_concurrency(mut self, prompts: usize) -> Self {
        self.concurrency = prompts.max(1);
        self
    }
}

/// What a worker may use of its surroundings during a call.
#[derive(Clone)]
pub struct Context {
    stop: CancellationToken,
    observer: Arc<dyn Fn(WorkerEvent) + Send + Sync>,
    run: Option<RunId>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("stopping", &self.stop.is_cancelled()).finish_non_exhaustive()
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new(CancellationToken::new(), Arc::new(|_| ()))
    }
}

impl Context {
    /// Surroundings that end with `stop` and hear of status changes through `observer`, which must not block.
    #[must_use]
    pub fn new(stop: CancellationToken, observer: Arc<dyn Fn(WorkerEvent) + Send + Sync>) -> Self {
        Self { stop, observer, run: None }
    }

    /// The same surroundings for what is done for this run.
    #[must_use]
    pub fn of_run(&self, run: &RunId) -> Self {
        Self { run: Some(run.clone()), ..self.clone() }
    }

    /// Tells whoever watches that a worker changed.
    pub fn report(&self, mut event: WorkerEvent) {
        event.run = event.run.or_else(|| self.run.clone());
        let (run, note) = (event.run.as_ref().map(RunId::as_str), event.note.as_deref());
        tracing::debug!(worker = %event.worker, kind = %event.kind, run, status = ?event.status, note, "worker");
        if let Some(warning) = &event.warning {
            tracing::warn!(worker = %event.worker, "{}", warning.message);
        }
        (self.observer)(event);
    }

    /// Resolves when the pool shuts down. Cancel safe.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether the pool shuts down.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }
}
