//! The port through which the driver gets work done. `orch-workers` implements it; so can anyone.

use std::{fmt, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use orch_config::{
    SkillName,
    id::{ProfileId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::attachment::Attachment;
use crate::attempt::{AttemptError, DispatchId, RunId, Settled, Timestamp, Usage, Warning};

/// Does the work of steps. One executor serves many runs at once.
///
/// Between [`place`](Self::place) and [`send`](Self::send) the driver makes the locator durable, so a fresh
/// process can always tell where a prompt went. Every method may be called again after a crash with what was
/// journaled, and must then act on what is really there.
#[async_trait]
pub trait StepExecutor: Send + Sync + fmt::Debug {
    /// Chooses where the dispatch will go: session, message and part ids. Sends no prompt.
    ///
    /// # Errors
    /// The attempt settles with the error; nothing was sent.
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError>;

    /// Sends the prompt to the placed session and returns once the host has accepted it.
    ///
    /// # Errors
    /// [`SendError::Refused`] when it certainly did not arrive, [`SendError::InDoubt`] when it may have: the
    /// driver probes before anything else happens.
    async fn send(&self, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError>;

    /// Looks at the host and says what became of a dispatch that was placed earlier, maybe by another process.
    async fn probe(&self, locator: &Locator, dispatch: &Dispatch) -> Probe;

    /// Stops the work and returns when the host confirms that it is at rest.
    ///
    /// # Errors
    /// The abort could not be confirmed; the session may still run.
    async fn abort(&self, locator: &Locator) -> Result<(), AttemptError>;

    /// The latest answer in the dispatch's session, for a result that a person repaired there.
    ///
    /// # Errors
    /// The session cannot be read or holds no finished answer.
    async fn latest_answer(&self, locator: &Locator) -> Result<Settled, AttemptError>;

    /// Answers a permission or a question that the worker has put.
    ///
    /// # Errors
    /// The ask is gone or the host cannot be reached; the ask then stays open.
    async fn answer(&self, locator: &Locator, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError>;

    /// The run has succeeded, and is to leave no sessions: deletes those that were made for its workers and that nobody
    /// else uses or has written in. `placed` is where its prompts went, `in_use` where those of runs went that have not
    /// ended. Nothing depends on it, so what fails is traced and stays. An executor without sessions does nothing.
    async fn delete_sessions(&self, _run: &RunId, _placed: &[Locator], _in_use: &[Locator]) {}
}

/// One prompt for one worker, complete: nothing else has to be looked up to do it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dispatch {
    /// Names this prompt for ever.
    pub id: DispatchId,
    /// The workflow it belongs to.
    pub workflow: WorkflowId,
    /// The step's title, for sessions and messages.
    pub title: String,
    /// The worker profile that does it.
    pub worker: ProfileId,
    /// What the worker runs as, the step's override applied.
    pub kind: WorkerKind,
    /// Whether a person takes part, the step's override applied.
    pub execution: ExecutionMode,
    /// The rendered prompt.
    pub prompt: Arc<str>,
    /// The session to use.
    pub session: SessionChoice,
    /// The session of the attempt's first prompt, as its placement named it, for every further one: a hand-off or a
    /// repair makes no sense anywhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// The run's parent session, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_session: Option<String>,
    /// A title for the parent session, should the worker have to create it.
    pub parent_title: Arc<str>,
    /// The project directory.
    pub directory: PathBuf,
    /// What to do with an ask that no rule answers.
    pub asks: AskPolicy,
    /// Skills that the step needs, beside those of the worker's profile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_skills: Vec<SkillName>,
    /// Files that go with the prompt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// Which session a dispatch uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionChoice {
    /// The worker's current session, created when there is none.
    #[default]
    Same,
    /// A new session.
    Fresh,
}

/// Whether somebody is there to answer permissions and questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AskPolicy {
    /// They wait for an answer, with the step's clock stopped.
    #[default]
    Wait,
    /// They are denied with a message, so that the turn goes on; the attempt carries a warning.
    Deny,
}

/// Where a dispatch goes, in the worker's own terms. The engine stores it and never looks inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Locator(pub Value);

/// The answer of [`StepExecutor::place`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// For `send`, `probe`, `abort`, now and in any later process.
    pub locator: Locator,
    /// The worker's session, for people to open.
    pub session: String,
    /// The parent session, when the worker used or created one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_session: Option<String>,
}

/// Why `send` returned no task.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SendError {
    /// The prompt certainly did not arrive.
    #[error("refused: {0}")]
    Refused(AttemptError),
    /// The prompt may have arrived.
    #[error("in doubt: {0}")]
    InDoubt(AttemptError),
}

/// What became of a dispatch.
#[derive(Debug)]
pub enum Probe {
    /// It ended; this is the result.
    Finished(Box<Settled>),
    /// It is still at work; the task follows it from here.
    Running(Task),
    /// It was admitted, is at rest, and has no answer.
    Interrupted,
    /// The session is there, our message is not.
    NeverArrived,
    /// It cannot be known, for this reason.
    Unknown(String),
}

/// Accepted work: signs of life, then exactly one [`Update::Settled`].
///
/// Dropping it does not stop the work; [`StepExecutor::abort`] does. A task that ends without a settled result
/// counts as a failure of the worker.
#[derive(Debug)]
pub struct Task {
    updates: mpsc::Receiver<Box<Update>>,
}

impl Task {
    /// A task and what feeds it; `capacity` bounds the updates in flight.
    #[must_use]
    pub fn channel(capacity: usize) -> (Updates, Self) {
        let (sender, updates) = mpsc::channel(capacity.max(1));
        (Updates(sender), Self { updates })
    }

    /// The next update; `None` when the worker is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await.map(|update| *update)
    }
}

/// Feeds a [`Task`]. The worker counts as gone when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Updates(
    /// Boxed, because a channel sets aside room for many, for every task.
    mpsc::Sender<Box<Update>>,
);

/// Nobody follows the task any more. That does not stop the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody follows the task any more")]
pub struct Unfollowed;

impl Updates {
    /// Hands an update on, once there is room for it. Dropping the future before it is done takes the update back.
    ///
    /// # Errors
    /// [`Unfollowed`].
    pub async fn send(&self, update: Update) -> Result<(), Unfollowed> {
        self.0.send(Box::new(update)).await.map_err(|_| Unfollowed)
    }

    /// Mentions a sign of life, if there is room for more than `reserved` updates and anybody follows; else it is lost,
    /// so that what counts never has to wait for what does not.
    pub fn mention(&self, progress: Progress, reserved: usize) {
        if self.0.capacity() > reserved {
            let _ = self.0.try_send(Box::new(Update::Progress(progress)));
        }
    }

    /// Returns when nobody follows the task any more. Cancel safe.
    pub async fn unfollowed(&self) {
        self.0.closed().await;
    }

    #[cfg(feature = "testing")]
    pub(crate) fn downgrade(&self) -> mpsc::WeakSender<Box<Update>> {
        self.0.downgrade()
    }
}

/// What a task reports.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// A sign of life. Lossy: a worker may drop it when the channel is full.
    Progress(Progress),
    /// The worker waits for a person; the step's clock stands still until the ask is closed.
    AskOpened(Ask),
    /// The ask was answered, here or elsewhere, or went away.
    AskClosed {
        /// Which one.
        id: AskId,
        /// Who or what answered, for the journal.
        by: String,
    },
    /// The worker waits for something that costs no active time, such as a rate limit.
    Waiting {
        /// For what.
        reason: String,
        /// Until when, if known.
        until: Option<Timestamp>,
    },
    /// The wait is over.
    Resumed,
    /// What the prompt has used so far, all of it, child sessions included. Budgets are watched by it.
    Used(Usage),
    /// A remark that should be seen before the attempt settles; it belongs to the result as well.
    Warned(Warning),
    /// The one result.
    Settled(Box<Settled>),
}

/// A sign of life of a worker, for people to watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// The answer grew.
    Text {
        /// By this much.
        delta: String,
    },
    /// The model reasons.
    Reasoning,
    /// A tool call changed its state.
    Tool {
        /// The tool's name.
        tool: String,
        /// `pending`, `running`, `completed`, `error`.
        state: String,
        /// What it does, where the host says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    /// The host repeats a failed model call.
    Retrying {
        /// Which try.
        attempt: u32,
        /// Why.
        message: String,
    },
    /// Anything else that shows that the worker lives, such as the start of its server.
    Note {
        /// In words.
        message: String,
    },
}

/// Names one permission or question, in the host's terms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AskId(pub String);

impl fmt::Display for AskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A permission or a question that a worker, or a session below it, waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Ask {
    /// Names it.
    pub id: AskId,
    /// What it is.
    pub kind: AskKind,
    /// The session that asks.
    pub session: String,
    /// In one line: `bash: echo permitted`, or the question's text.
    pub summary: String,
    /// The choices of a question, one list per question; empty for a permission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Vec<String>>,
}

impl Ask {
    /// A permission ask.
    pub fn permission(id: AskId, session: impl Into<String>, summary: impl Into<String>) -> Self {
        let (session, summary) = (session.into(), summary.into());
        Self { id, kind: AskKind::Permission, session, summary, options: Vec::new() }
    }

    /// A question with the choices of each of its parts.
    pub fn question(
        id: AskId,
        session: impl Into<String>,
        summary: impl Into<String>,
        options: Vec<Vec<String>>,
    ) -> Self {
        let (session, summary) = (session.into(), summary.into());
        Self { id, kind: AskKind::Question, session, summary, options }
    }
}

/// What a worker asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskKind {
    /// May it do this?
    Permission,
    /// Which of these?
    Question,
}

/// The answer to an ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AskReply {
    /// Permitted this time.
    Once,
    /// Permitted from now on, for the host's whole instance.
    Always,
    /// Denied; with a message the worker goes on and reads it.
    Reject {
        /// The reason, for the worker.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The chosen labels, one list per question.
    Answers {
        /// The labels.
        answers: Vec<Vec<String>>,
    },
}
