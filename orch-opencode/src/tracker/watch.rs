//! The decision over time: snapshots in, verdicts out. No clock, no network.

use std::time::{Duration, Instant};

use super::judge::{Reading, judge};
use super::turn::{Settled, Turn, is_empty};
use crate::ask::{PermissionAsk, QuestionAsk};
use crate::event::HostEvent;
use crate::id::{MessageId, SessionId};
use crate::message::{Message, ModelFailure, Part};
use crate::session::SessionStatus;

/// How long to wait for what, and how much is too much.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Patience {
    /// A session must be seen at rest, unchanged, for this long before that counts; 400 ms.
    pub settle: Duration,
    /// The same for a message without an end: after an abort a session is at rest before its last message is final; 3 s.
    pub linger: Duration,
    /// An accepted prompt must have begun after this long; 60 s.
    pub cold_start: Duration,
    /// The first look when no event asks for one; 2 s, so that a short turn costs one look.
    pub first_look: Duration,
    /// Looks are this far apart when no event asks for one; 10 s.
    pub look: Duration,
    /// The same while the event stream is down; 1 s.
    pub blind_look: Duration,
    /// The host may be out of reach for this long; 60 s.
    pub unreachable: Duration,
    /// Messages of the model in one turn before it counts as an endless loop; 2,000.
    pub messages: usize,
    /// Consecutive messages without any content before it counts as an endless loop; 15. The host asks about six
    /// times a second, for ever.
    pub empty_messages: usize,
    /// Failed tries of one model call before it counts as an endless loop; 20. The host itself gives up after 5.
    pub retries: u32,
    /// Bytes that the model may write in one turn, as heard or as read, before it counts as endless; 4 MiB. Nobody reads
    /// so much, and a transcript must stay small enough to be read at all.
    pub output: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(400),
            linger: Duration::from_secs(3),
            cold_start: Duration::from_secs(60),
            first_look: Duration::from_secs(2),
            look: Duration::from_secs(10),
            blind_look: Duration::from_secs(1),
            unreachable: Duration::from_secs(60),
            messages: 2_000,
            empty_messages: 15,
            retries: 20,
            output: 4 << 20,
        }
    }
}

/// What was seen of a session in one look.
///
/// The order of looking matters: status and asks first, the transcript last. A session that was at rest before its
/// transcript was read shows everything that it did.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// What the session did; `None` when only the transcript was read.
    pub status: Option<SessionStatus>,
    /// Open permission requests of the session and its descendants.
    pub permissions: Vec<PermissionAsk>,
    /// Open questions of the session and its descendants.
    pub questions: Vec<QuestionAsk>,
    /// The transcript from our message on, or all of it when our message is not there.
    pub messages: Vec<Message>,
}

/// What a prompt that has not ended is doing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Activity {
    /// Accepted; nothing has begun yet.
    Waiting,
    /// The model or a tool is at work.
    Busy,
    /// The provider failed; the host tries again by itself.
    Retrying {
        /// How often it has failed, from 1.
        attempt: u32,
        /// What the provider said.
        message: String,
        /// When the next try is due, in milliseconds since 1970.
        next_ms: u64,
    },
    /// Somebody has to answer before it goes on.
    Asking {
        /// Permissions wanted.
        permissions: Vec<PermissionAsk>,
        /// Questions put.
        questions: Vec<QuestionAsk>,
    },
}

/// What a snapshot means.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Not over; look again after at most this long.
    Pending(Activity, Duration),
    /// Only the transcript was read and it is not conclusive: take a whole snapshot.
    LookClosely,
    /// An endless loop: abort the session, then look again.
    Runaway(String),
    /// Over.
    Settled(Settled),
}

/// What an event is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hint {
    /// Nothing.
    Ignore,
    /// The answer may be complete: read the transcript.
    Read,
    /// Something other than the transcript may have changed: take a whole snapshot.
    Look,
}

/// Decides how one prompt ended.
#[derive(Debug)]
pub struct Tracker {
    session: SessionId,
    message: MessageId,
    patience: Patience,
    begun: Instant,
    rest: Option<Rest>,
    /// The first complaint of the host since the prompt; the next ones only repeat it with a stack trace.
    complaint: Option<ModelFailure>,
    runaway: Option<String>,
    /// Bytes of the answer heard so far: the host stores a text when it is complete, and one that never ends never is.
    heard: usize,
}

/// A session at rest, as first seen.
#[derive(Debug, PartialEq)]
struct Rest {
    since: Instant,
    messages: usize,
    last: Option<Box<Message>>,
}

impl Tracker {
    /// Follows this message of ours, which the host accepted just now.
    pub fn new(session: SessionId, message: MessageId, patience: Patience, now: Instant) -> Self {
        Self { session, message, patience, begun: now, rest: None, complaint: None, runaway: None, heard: 0 }
    }

    /// This much time, up to now, counts for nothing.
    pub(super) fn leave_out(&mut self, time: Duration) {
        self.begun += time;
        if let Some(rest) = &mut self.rest {
            rest.since += time;
        }
    }

    /// Takes note of an event.
    pub(super) fn hint(&mut self, event: &HostEvent) -> Hint {
        let of_ours = event.session() == Some(&self.session);
        match event {
            HostEvent::Error { failure, .. } if of_ours => {
                self.complaint.get_or_insert_with(|| failure.clone());
                Hint::Read
            }
            HostEvent::MessageUpdated(message) if of_ours => match message.assistant() {
                Some(assistant) if assistant.completed_ms.is_some() && !self.goes_on(message) => Hint::Read,
                _ => Hint::Ignore,
            },
            HostEvent::Status { status, .. } if of_ours => match status {
                SessionStatus::Busy => Hint::Ignore,
                SessionStatus::Idle => Hint::Read,
                SessionStatus::Retry { .. } => Hint::Look,
            },
            HostEvent::Idle { .. } | HostEvent::SessionDeleted(_) if of_ours => Hint::Read,
            HostEvent::PartDelta { delta, .. } if of_ours => {
                self.heard = self.heard.saturating_add(delta.len());
                if self.heard > self.patience.output { Hint::Look } else { Hint::Ignore }
            }
            // Asks of descendants count too, and only a look can tell whose descendant a session is.
            HostEvent::PermissionAsked(_)
            | HostEvent::PermissionReplied { .. }
            | HostEvent::QuestionAsked(_)
            | HostEvent::QuestionReplied { .. }
            | HostEvent::QuestionRejected { .. } => Hint::Look,
            _ => Hint::Ignore,
        }
    }

    fn goes_on(&self, message: &Message) -> bool {
        let finish = message.assistant().and_then(|assistant| assistant.finish.as_ref());
        finish.is_some_and(crate::message::Finish::continues)
    }

    /// Reads a snapshot. Times must not go backwards.
    pub fn observe(&mut self, now: Instant, snapshot: &Snapshot) -> Verdict {
        let reading = judge(&snapshot.messages, &self.message);
        if let (Reading::Final(settled), None) = (&reading, &self.runaway) {
            return Verdict::Settled(settled.clone());
        }
        let Some(status) = &snapshot.status else { return Verdict::LookClosely };
        if *status == SessionStatus::Idle {
            return self.at_rest(now, snapshot, reading);
        }
        self.rest = None;
        if let Some(reason) = self.endless(snapshot, status) {
            self.runaway = Some(reason.clone());
            return Verdict::Runaway(reason);
        }
        Verdict::Pending(activity(status, snapshot), self.patience.look)
    }

    /// A session at rest settles a prompt once nothing has changed for a while.
    fn at_rest(&mut self, now: Instant, snapshot: &Snapshot, reading: Reading) -> Verdict {
        let since = self.resting_since(now, snapshot);
        let settled = match reading {
            Reading::Final(settled) | Reading::AtRest(settled) => settled,
            Reading::Absent | Reading::Unanswered => return self.not_begun(now, since),
        };
        let needed = match settled {
            Settled::Interrupted(_) => self.patience.linger,
            _ => self.patience.settle,
        };
        let seen = now.duration_since(since);
        if seen < needed {
            return Verdict::Pending(Activity::Busy, needed - seen);
        }
        Verdict::Settled(match (self.runaway.take(), settled) {
            (Some(reason), settled) => {
                Settled::Looped { reason, turn: settled.turn().cloned().unwrap_or_default() }
            }
            // The host said why it gave up, and left that out of the transcript: a context that cannot be shortened.
            (None, Settled::Interrupted(turn)) => match self.complaint.take() {
                Some(failure) if failure.is_abort() => Settled::Aborted(turn),
                Some(failure) => Settled::Failed { failure, turn },
                None => Settled::Interrupted(turn),
            },
            (None, settled) => settled,
        })
    }

    /// Accepted, at rest, unanswered: it may still be about to start.
    fn not_begun(&mut self, now: Instant, since: Instant) -> Verdict {
        let (from, needed) = match &self.complaint {
            Some(_) => (since, self.patience.settle),
            None => (self.begun, self.patience.cold_start),
        };
        let waited = now.duration_since(from);
        if waited < needed {
            return Verdict::Pending(Activity::Waiting, (needed - waited).min(self.patience.blind_look));
        }
        Verdict::Settled(match self.complaint.take() {
            // A prompt that waited behind another one stays unanswered when that one is aborted.
            Some(failure) if failure.is_abort() => Settled::Aborted(Turn::default()),
            reason => Settled::NeverStarted { reason },
        })
    }

    fn resting_since(&mut self, now: Instant, snapshot: &Snapshot) -> Instant {
        let last = snapshot.messages.last();
        match &self.rest {
            Some(rest) if rest.messages == snapshot.messages.len() && rest.last.as_deref() == last => {
                rest.since
            }
            _ => {
                let rest =
                    Rest { since: now, messages: snapshot.messages.len(), last: last.cloned().map(Box::new) };
                self.rest.insert(rest).since
            }
        }
    }

    /// Why this turn will never end by itself.
    fn endless(&self, snapshot: &Snapshot, status: &SessionStatus) -> Option<String> {
        let answers: Vec<&Message> =
            snapshot.messages.iter().filter(|message| message.assistant().is_some()).collect();
        let ended =
            |message: &&&Message| message.assistant().is_some_and(|answer| answer.completed_ms.is_some());
        let empty = answers
            .iter()
            .rev()
            .skip_while(|message| !ended(message))
            .take_while(|message| is_empty(message));
        let empty = empty.count();
        if empty > self.patience.empty_messages {
            return Some(format!("the model answered {empty} times in a row with nothing"));
        }
        if answers.len() > self.patience.messages {
            return Some(format!("more than {} messages in one turn", self.patience.messages));
        }
        let limit = self.patience.output;
        if self.heard.max(answers.iter().map(|message| written(message)).sum()) > limit {
            return Some(format!("more than {limit} bytes of output in one turn"));
        }
        match status {
            SessionStatus::Retry { attempt, message, .. } if *attempt > self.patience.retries => {
                Some(format!("the provider failed {attempt} times, with: {message}"))
            }
            _ => None,
        }
    }
}

/// Bytes that a model wrote itself: words and thoughts, not what its tools gave back.
fn written(message: &Message) -> usize {
    let parts = message.parts.iter().map(|part| match part {
        Part::Text { text, .. } | Part::Reasoning { text, .. } => text.len(),
        _ => 0,
    });
    parts.sum()
}

fn activity(status: &SessionStatus, snapshot: &Snapshot) -> Activity {
    if !snapshot.permissions.is_empty() || !snapshot.questions.is_empty() {
        return Activity::Asking {
            permissions: snapshot.permissions.clone(),
            questions: snapshot.questions.clone(),
        };
    }
    match status {
        SessionStatus::Retry { attempt, message, next_ms } => {
            Activity::Retrying { attempt: *attempt, message: message.clone(), next_ms: *next_ms }
        }
        _ => Activity::Busy,
    }
}
