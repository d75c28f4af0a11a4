//! The host's event stream. Events are hints: they carry no sequence number, are never replayed, and may be lost.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::ask::{PermissionAsk, QuestionAsk};
use crate::id::{MessageId, PartId, PermissionId, QuestionId, SessionId};
use crate::message::{Message, ModelFailure, Part};
use crate::session::{Session, SessionStatus};

/// What happened on the host.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HostEvent {
    /// The stream begins.
    Connected,
    /// A session was created.
    SessionCreated(Session),
    /// A session changed.
    SessionUpdated(Session),
    /// A session was deleted.
    SessionDeleted(Session),
    /// A message was created or changed. **Its parts are not in here.**
    MessageUpdated(Message),
    /// A message was removed.
    MessageRemoved {
        /// Its session.
        session: SessionId,
        /// The message.
        message: MessageId,
    },
    /// A part was created or changed.
    PartUpdated {
        /// Its session.
        session: SessionId,
        /// Its message.
        message: MessageId,
        /// The part as it is now.
        part: Part,
    },
    /// A text grew.
    PartDelta {
        /// Its session.
        session: SessionId,
        /// Its message.
        message: MessageId,
        /// The part.
        part: PartId,
        /// What was added.
        delta: String,
    },
    /// A session went to work, waits, or came to rest.
    Status {
        /// The session.
        session: SessionId,
        /// What it does now.
        status: SessionStatus,
    },
    /// A session came to rest. After an abort this comes *before* the last message is final.
    Idle {
        /// The session.
        session: SessionId,
    },
    /// Something failed. For an unknown agent or model this is the only trace.
    Error {
        /// The session, when the host says which.
        session: Option<SessionId>,
        /// What failed.
        failure: ModelFailure,
    },
    /// A permission is wanted.
    PermissionAsked(PermissionAsk),
    /// A permission was given or refused.
    PermissionReplied {
        /// The session that waited.
        session: SessionId,
        /// The request.
        permission: PermissionId,
    },
    /// A question is open.
    QuestionAsked(QuestionAsk),
    /// A question was answered.
    QuestionReplied {
        /// The session that waited.
        session: SessionId,
        /// The question.
        question: QuestionId,
    },
    /// A question was dismissed.
    QuestionRejected {
        /// The session that waited.
        session: SessionId,
        /// The question.
        question: QuestionId,
    },
    /// Anything else, heartbeats included.
    Other {
        /// The host's name for it.
        kind: String,
    },
}

impl HostEvent {
    /// The session that the event is about.
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::SessionCreated(session) | Self::SessionUpdated(session) | Self::SessionDeleted(session) => {
                Some(&session.id)
            }
            Self::MessageUpdated(message) => Some(&message.session),
            Self::PermissionAsked(ask) => Some(&ask.session),
            Self::QuestionAsked(ask) => Some(&ask.session),
            Self::MessageRemoved { session, .. }
            | Self::PartUpdated { session, .. }
            | Self::PartDelta { session, .. }
            | Self::Status { session, .. }
            | Self::Idle { session }
            | Self::PermissionReplied { session, .. }
            | Self::QuestionReplied { session, .. }
            | Self::QuestionRejected { session, .. } => Some(session),
            Self::Error { session, .. } => session.as_ref(),
            Self::Connected | Self::Other { .. } => None,
        }
    }
}

/// What a subscriber of the event stream receives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StreamItem {
    /// The stream is connected, first or again. Take a snapshot: what happened before was not seen.
    Connected,
    /// An event; shared by all subscribers.
    Event(Arc<HostEvent>),
    /// Events were or may be lost, with the reason. The subscription mends itself; a `Connected` follows unless the
    /// subscriber was merely slow.
    Lost(Arc<str>),
}

/// A subscription to the event stream. Dropping it ends it.
///
/// [`next`](Self::next) is cancel safe: no item is lost when the future is dropped.
#[derive(Debug)]
pub struct EventStream {
    items: mpsc::Receiver<StreamItem>,
    followed: Followed,
}

/// The session that a subscriber follows, once it has said so.
pub(crate) type Followed = Arc<OnceLock<SessionId>>;

impl EventStream {
    /// A stream fed by the sender, for implementations of [`OpenCode`](crate::OpenCode) and for tests.
    pub fn channel(capacity: usize) -> (mpsc::Sender<StreamItem>, Self) {
        let (sender, _, stream) = Self::routed(capacity);
        (sender, stream)
    }

    /// The same for a sender that leaves out what the subscriber does not follow.
    pub(crate) fn routed(capacity: usize) -> (mpsc::Sender<StreamItem>, Followed, Self) {
        let (sender, items) = mpsc::channel(capacity);
        let followed = Followed::default();
        (sender, Arc::clone(&followed), Self { items, followed })
    }

    /// Follows a session and everything below it: from now on events that are known to be about other sessions may be left
    /// out, so that a thousand subscribers do not wake up for each other. Those about no session, and those of which it is
    /// not known whose they are, still come. The first session that is named counts.
    #[must_use]
    pub fn below(self, session: SessionId) -> Self {
        // Who follows one session already goes on with that.
        let _ = self.followed.set(session);
        self
    }

    /// The next item; `None` once the host handle and all it started are gone.
    pub async fn next(&mut self) -> Option<StreamItem> {
        self.items.recv().await
    }
}

impl Stream for EventStream {
    type Item = StreamItem;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<StreamItem>> {
        Poll::Ready(ready!(self.items.poll_recv(context)))
    }
}
