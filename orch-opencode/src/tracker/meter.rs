//! What a prompt has used: so far, from events and looks, and in the end, from what the host lists.

use std::collections::{HashMap, HashSet};

use super::turn::Settled;
use crate::error::HostError;
use crate::host::OpenCode;
use crate::id::{MessageId, SessionId};
use crate::message::{Message, ToolState, Usage};

/// Adds up what is seen of one turn while it goes on. Never less than before; never more than the host said.
#[derive(Debug)]
pub(super) struct Meter {
    session: SessionId,
    message: MessageId,
    own: HashMap<MessageId, Usage>,
    below: HashMap<SessionId, Below>,
    total: Usage,
}

/// A session that a task of the turn runs in, or one below it.
#[derive(Debug, Default)]
struct Below {
    messages: HashMap<MessageId, Usage>,
    /// What the host says of the session as a whole.
    session: Usage,
    /// Its task has ended, and the session was read after that.
    is_final: bool,
}

impl Meter {
    pub(super) fn of(session: SessionId, message: MessageId) -> Self {
        Self { session, message, own: HashMap::new(), below: HashMap::new(), total: Usage::default() }
    }

    /// A message of the session, or of one below it.
    pub(super) fn read(&mut self, message: &Message) {
        let Some(assistant) = message.assistant() else { return };
        let messages = if message.session != self.session {
            &mut self.below.entry(message.session.clone()).or_default().messages
        } else if assistant.parent == self.message && !assistant.summary {
            &mut self.own
        } else {
            return;
        };
        let used = messages.entry(message.id.clone()).or_default();
        *used = used.at_least(assistant.usage);
    }

    /// A session below, as a whole.
    pub(super) fn read_session(&mut self, session: &SessionId, usage: Usage) {
        if *session != self.session {
            let below = self.below.entry(session.clone()).or_default();
            below.session = below.session.at_least(usage);
        }
    }

    /// Asks for the sessions of the turn's tasks that may have gone on since the last time.
    pub(super) async fn look_below(&mut self, host: &dyn OpenCode, transcript: &[Message]) {
        for call in transcript.iter().flat_map(Message::tools) {
            let Some(child) = &call.child else { continue };
            if self.below.get(child).is_some_and(|below| below.is_final) {
                continue;
            }
            match family(host, child).await {
                Ok(sessions) => {
                    for (session, usage) in sessions {
                        self.read_session(&session, usage);
                    }
                    let ended = matches!(call.state, ToolState::Completed { .. } | ToolState::Failed { .. });
                    self.below.entry(child.clone()).or_default().is_final = ended;
                }
                Err(error) => tracing::debug!(%error, %child, "the usage of a task is not known yet"),
            }
        }
    }

    /// All of it, if that is more than the last time.
    pub(super) fn news(&mut self) -> Option<Usage> {
        let mut total = sum(self.own.values());
        for below in self.below.values() {
            total += sum(below.messages.values()).at_least(below.session);
        }
        (total != self.total).then(|| {
            self.total = total;
            total
        })
    }
}

/// Adds what the sessions of the turn's tasks have used. Worth a few calls, not a failure.
pub(super) async fn add_descendants(host: &dyn OpenCode, settled: &mut Settled) {
    let Some(turn) = settled.turn_mut() else { return };
    let tasks = turn.messages.iter().flat_map(Message::tools).filter_map(|call| call.child.clone());
    let mut counted = HashSet::new();
    for task in tasks.collect::<Vec<_>>() {
        match family(host, &task).await {
            Ok(sessions) => {
                let new = sessions.into_iter().filter(|(session, _)| counted.insert(session.clone()));
                new.for_each(|(_, usage)| turn.usage += usage);
            }
            Err(error) => tracing::debug!(%error, %task, "the usage of a task is not known"),
        }
    }
}

/// What a session and all below it have used.
async fn family(host: &dyn OpenCode, root: &SessionId) -> Result<HashMap<SessionId, Usage>, HostError> {
    let mut family = HashMap::new();
    let mut waiting = vec![root.clone()];
    while let Some(session) = waiting.pop() {
        if !family.contains_key(&session) {
            family.insert(session.clone(), host.session(&session).await?.usage);
            waiting.extend(host.children(&session).await?.into_iter().map(|child| child.id));
        }
    }
    Ok(family)
}

fn sum<'u>(usages: impl Iterator<Item = &'u Usage>) -> Usage {
    let mut sum = Usage::default();
    usages.for_each(|usage| sum += *usage);
    sum
}
