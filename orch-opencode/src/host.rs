//! The port: what the rest of the workspace may ask of an OpenCode host.

use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::Value;

use crate::ask::{Answers, PermissionAsk, PermissionReply, QuestionAsk};
use crate::catalog::{Agent, Catalog, Health};
use crate::error::HostError;
use crate::event::EventStream;
use crate::id::{MessageId, PermissionId, QuestionId, SessionId};
use crate::message::Message;
use crate::prompt::Prompt;
use crate::session::{NewSession, Session, SessionChange, SessionQuery, Statuses};
use crate::skill::Skills;
use crate::toast::Toast;

/// One OpenCode host, seen from one directory.
///
/// Every call carries the directory; sessions live in the directory that they were created in. No call is repeated
/// when a repetition could do something twice: such a failure comes back with
/// [`Disposition::InDoubt`](crate::Disposition::InDoubt). Dropping a future gives up waiting, never the work on the host.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait OpenCode: Send + Sync + Debug {
    /// Where the host is, without credentials, for example `http://127.0.0.1:4096`.
    fn origin(&self) -> &str;

    /// The directory that every call carries.
    fn directory(&self) -> &str;

    /// The host is there, accepts our password and says its version.
    async fn health(&self) -> Result<Health, HostError>;

    /// What the host says it offers: its OpenAPI document. [`drift::compare`](crate::drift::compare) holds it against
    /// what we rely on.
    async fn description(&self) -> Result<Value, HostError>;

    /// The agents known in the directory.
    async fn agents(&self) -> Result<Vec<Agent>, HostError>;

    /// The providers and models that can be used.
    async fn catalog(&self) -> Result<Catalog, HostError>;

    /// The skills that agents may load in the directory, and where the host looks for them. The host reads them once:
    /// a skill that is written later is known after its restart.
    async fn skills(&self) -> Result<Skills, HostError>;

    /// Creates a session.
    ///
    /// A parent is looked up first, because the host does not check it, and parent and directory are checked on the
    /// reply.
    async fn create_session(&self, new: NewSession) -> Result<Session, HostError>;

    /// The session, or `not-found`.
    async fn session(&self, session: &SessionId) -> Result<Session, HostError>;

    /// Sessions of the directory, newest first.
    async fn sessions(&self, query: SessionQuery) -> Result<Vec<Session>, HostError>;

    /// The direct children of a session; forks are not among them.
    async fn children(&self, session: &SessionId) -> Result<Vec<Session>, HostError>;

    /// Changes a session.
    async fn update_session(&self, session: &SessionId, change: SessionChange) -> Result<Session, HostError>;

    /// Deletes a session and its children. Abort it first: a running model call would go on unseen.
    async fn delete_session(&self, session: &SessionId) -> Result<(), HostError>;

    /// Stops the turn of the session and of its task children. The last message becomes final a moment later.
    async fn abort(&self, session: &SessionId) -> Result<(), HostError>;

    /// Copies the transcript, up to but without `before`, into a new **root** session.
    async fn fork(&self, session: &SessionId, before: Option<MessageId>) -> Result<Session, HostError>;

    /// Makes a fork, unchanged since it was made, the child of a session.
    ///
    /// The host has no call for it; it is told so by an event that it takes for one of its own, and asked afterwards
    /// (undocumented, observed on OpenCode 1.18.33). A failure leaves the fork as it was: a root session.
    async fn adopt(&self, fork: &SessionId, parent: &SessionId) -> Result<Session, HostError>;

    /// Hands a prompt to the session and returns as soon as the host has taken it.
    ///
    /// An unknown agent or model is taken too and then nothing happens; check both first.
    async fn prompt(&self, session: &SessionId, prompt: Prompt) -> Result<(), HostError>;

    /// The whole transcript, oldest first.
    async fn messages(&self, session: &SessionId) -> Result<Vec<Message>, HostError>;

    /// The transcript from `first` on, oldest first; all of it when `first` is not there.
    async fn messages_from(&self, session: &SessionId, first: &MessageId) -> Result<Vec<Message>, HostError>;

    /// One message.
    async fn message(&self, session: &SessionId, message: &MessageId) -> Result<Message, HostError>;

    /// The sessions of the directory that are at work.
    async fn statuses(&self) -> Result<Statuses, HostError>;

    /// Every open permission request of the directory.
    async fn permissions(&self) -> Result<Vec<PermissionAsk>, HostError>;

    /// Answers a permission request; `not-found` when it is no longer open.
    async fn reply_permission(
        &self,
        permission: &PermissionId,
        reply: PermissionReply,
    ) -> Result<(), HostError>;

    /// Every open question of the directory.
    async fn questions(&self) -> Result<Vec<QuestionAsk>, HostError>;

    /// Answers a question; `not-found` when it is no longer open.
    async fn reply_question(&self, question: &QuestionId, answers: Answers) -> Result<(), HostError>;

    /// Dismisses a question, which ends the turn.
    async fn reject_question(&self, question: &QuestionId) -> Result<(), HostError>;

    /// Shows a toast in every attached front end. Succeeds without one.
    async fn toast(&self, toast: Toast) -> Result<(), HostError>;

    /// Appends to the prompt box of every attached front end, after whatever is being typed there.
    async fn append_prompt(&self, text: &str) -> Result<(), HostError>;

    /// Empties the prompt box of every attached front end.
    async fn clear_prompt(&self) -> Result<(), HostError>;

    /// Sends what stands in the prompt box of every attached front end, as if a person had pressed the key.
    async fn submit_prompt(&self) -> Result<(), HostError>;

    /// Opens the session list of every attached front end.
    async fn open_sessions(&self) -> Result<(), HostError>;

    /// Shows a session in every attached front end.
    async fn select_session(&self, session: &SessionId) -> Result<(), HostError>;

    /// Runs a front-end command by its dotted name, for example `session.child.first`.
    async fn publish_command(&self, command: &str) -> Result<(), HostError>;

    /// Subscribes to the events of the host. The subscription is live when this returns, and mends itself afterwards.
    async fn events(&self) -> Result<EventStream, HostError>;
}
