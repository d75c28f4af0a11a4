//! What a child knows of its parent when it begins: nothing, the parent's transcript, or a summary of it.
//!
//! The host's fork copies a transcript and sets no parent (observed on OpenCode 1.18.33), so a copy is made a child
//! afterwards; where the host does not take that, a child is told the transcript in a message. The parent itself is only
//! read: it may be the session in which a person is at work.

use std::{sync::Arc, time::Duration};

use orch_config::profile::Context as Knows;
use orch_opencode::{
    HostError, HostErrorKind, Message, MessageId, NewSession, OpenCode, PermissionAction, PermissionRule,
    Prompt, PromptPart, Session, SessionChange, SessionId, Usage,
    tracker::{Follower, Patience, Settled},
};
use orch_workflow::attempt::{AttemptError, ErrorCode};
use tokio::time::{sleep, timeout};

use super::Opened;
use crate::verdict;

/// How long a summary may take.
const SUMMARY_LIMIT: Duration = Duration::from_secs(300);
/// Characters of a transcript that a message may tell; the newest are kept.
const LONGEST_RECORD: usize = 100_000;
/// The host takes a message before it is stored.
const STORED_WITHIN: Duration = Duration::from_secs(5);

const SUMMARISE: &str = "Somebody else takes over a part of this work and has seen nothing of this conversation. Summarise it for \
     them: what is wanted and why, what was decided, what was found out, which files matter, what is open. Keep names, \
     paths, numbers and commands exactly as they are. Call no tools; answer with the summary alone.";

const SUMMARY_BEGINS: &str = "A summary of the conversation that you were started from. It is for you to know; what you are to do comes next.";

const RECORD_BEGINS: &str = "A record of the conversation that you were started from, oldest message first. Nothing in it is addressed to \
     you; what you are to do comes next.";

/// A child that is about to be made.
pub(super) struct Birth<'a> {
    pub(super) host: &'a Arc<dyn OpenCode>,
    pub(super) parent: &'a SessionId,
    /// With the parent in it.
    pub(super) new: NewSession,
    pub(super) patience: &'a Patience,
    /// What it means that the parent cannot be read, or have children.
    pub(super) refused: &'a (dyn Fn(HostError) -> AttemptError + Sync),
}

impl Birth<'_> {
    /// Makes a child that knows this of its parent. A parent in which nothing was said has nothing to tell.
    pub(super) async fn knowing(self, what: Knows) -> Result<Opened, AttemptError> {
        if what == Knows::Fresh {
            return self.plain().await.map(Opened::at_no_cost);
        }
        let said = self.host.messages(self.parent).await.map_err(self.refused)?;
        match what {
            _ if said.is_empty() => self.plain().await.map(Opened::at_no_cost),
            Knows::Summary => self.summary().await,
            _ => self.fork(&said).await.map(Opened::at_no_cost),
        }
    }

    async fn plain(self) -> Result<Session, AttemptError> {
        self.host.create_session(self.new).await.map_err(self.refused)
    }

    /// A copy of the parent that becomes its child.
    async fn fork(mut self, said: &[Message]) -> Result<Session, AttemptError> {
        let copy = self.copy().await?;
        if let Err(error) = self.host.adopt(&copy, self.parent).await {
            tracing::warn!(%error, parent = %self.parent, "a copy cannot be made a child; a child is told instead");
            self.discard(&copy).await;
            self.remember("record");
            return self.told(RECORD_BEGINS, &record(said)).await;
        }
        self.remember("fork");
        let NewSession { title, metadata, permission, .. } = self.new.clone();
        let change = SessionChange { title, metadata: Some(metadata), permission: Some(permission) };
        match self.host.update_session(&copy, change).await {
            Ok(child) => Ok(child),
            Err(error) => {
                self.discard(&copy).await;
                Err(verdict::host_failure(&error))
            }
        }
    }

    /// A child that is told what the parent's own model says of the conversation, in a copy that is thrown away.
    async fn summary(mut self) -> Result<Opened, AttemptError> {
        let copy = self.copy().await?;
        let asked = timeout(SUMMARY_LIMIT, self.ask(&copy)).await;
        let summary = asked.unwrap_or_else(|_| {
            let message = format!("its parent was not summarised within {SUMMARY_LIMIT:?}");
            Err(AttemptError::new(ErrorCode::Timeout, message))
        });
        self.discard(&copy).await;
        let (text, usage) = summary?;
        self.remember("summary");
        let session = self.told(SUMMARY_BEGINS, &text).await?;
        Ok(Opened { session, usage })
    }

    async fn copy(&self) -> Result<SessionId, AttemptError> {
        let copy = self.host.fork(self.parent, None).await;
        copy.map(|copy| copy.id).map_err(self.refused)
    }

    async fn ask(&self, copy: &SessionId) -> Result<(String, Usage), AttemptError> {
        let failed = |error: HostError| verdict::host_failure(&error);
        let deny = PermissionRule::new("*", "*", PermissionAction::Deny);
        let change = SessionChange { permission: Some(vec![deny]), ..SessionChange::default() };
        self.host.update_session(copy, change).await.map_err(failed)?;
        let follower = Follower::start(Arc::clone(self.host), copy.clone()).await.map_err(failed)?;
        let prompt = self.by(Prompt::text(SUMMARISE));
        let message = prompt.message.clone();
        self.host.prompt(copy, prompt).await.map_err(failed)?;
        let mut follower = follower.with_patience(self.patience.clone());
        let settled = follower.settle(&message, |_| ()).await.map_err(failed)?;
        if let Settled::Finished(turn) = &settled
            && !turn.text.trim().is_empty()
        {
            return Ok((turn.text.clone(), turn.usage));
        }
        let concluded = verdict::conclude(copy, settled);
        let mut error = concluded.error.unwrap_or_else(|| {
            AttemptError::new(ErrorCode::Model, "the model ended its turn without a word")
        });
        error.message = format!("its parent could not be summarised: {}", error.message);
        Err(error)
    }

    /// A child with one message that only its model reads.
    async fn told(self, begins: &str, text: &str) -> Result<Session, AttemptError> {
        let text = format!("{begins}\n\n{text}");
        let mut prompt = self.by(Prompt::new(MessageId::mint(), vec![PromptPart::synthetic(text)]));
        prompt.no_reply = true;
        let (host, message) = (Arc::clone(self.host), prompt.message.clone());
        let child = self.plain().await?;
        let stored = async {
            host.prompt(&child.id, prompt).await?;
            loop {
                match host.message(&child.id, &message).await {
                    Err(error) if error.kind() == HostErrorKind::NotFound => {
                        sleep(Duration::from_millis(20)).await;
                    }
                    read => return read.map(drop),
                }
            }
        };
        let stored = timeout(STORED_WITHIN, stored).await;
        let error = match stored {
            Ok(Ok(())) => return Ok(child),
            Ok(Err(error)) => verdict::host_failure(&error),
            Err(_) => {
                let message = format!("session {} did not take what it was to know of its parent", child.id);
                AttemptError::new(ErrorCode::Unreachable, message)
            }
        };
        discard(&*host, &child.id).await;
        Err(error)
    }

    /// What the host is not told otherwise: the agent and the model of the worker.
    fn by(&self, prompt: Prompt) -> Prompt {
        prompt.by(self.new.agent.clone(), self.new.model.clone())
    }

    /// Leaves on the session how it began.
    fn remember(&mut self, how: &str) {
        if let Some(tag) = self.new.metadata.get_mut("orch").and_then(|tag| tag.as_object_mut()) {
            tag.insert("context".to_owned(), how.into());
        }
    }

    async fn discard(&self, session: &SessionId) {
        discard(&**self.host, session).await;
    }
}

/// Nobody knows the session yet; leaving it would be litter.
async fn discard(host: &dyn OpenCode, session: &SessionId) {
    // A deleted session's model call would go on unseen.
    let aborted = host.abort(session).await;
    if let Err(error) = aborted.and(host.delete_session(session).await) {
        tracing::warn!(%error, %session, "a copy was left behind");
    }
}

/// A transcript in words, the newest part of it if it is long.
fn record(messages: &[Message]) -> String {
    let mut blocks = Vec::new();
    let mut room = LONGEST_RECORD;
    for message in messages.iter().rev() {
        let text = message.text();
        if text.is_empty() {
            continue;
        }
        let who = if message.assistant().is_some() { "Assistant" } else { "User" };
        let block = format!("### {who}\n{text}");
        let length = block.chars().count();
        if length > room {
            blocks.push("(Earlier messages are left out.)".to_owned());
            break;
        }
        room -= length;
        blocks.push(block);
    }
    blocks.reverse();
    blocks.join("\n\n")
}

#[cfg(test)]
mod tests {
    use orch_opencode::{Assistant, Part, PartId, Role};

    use super::*;

    fn message(role: Role, text: &str) -> Message {
        let session = SessionId::parse("ses_1").unwrap();
        let mut message = Message::new(MessageId::mint(), session, 1, role);
        let text = text.to_owned();
        message.parts = vec![Part::Text { id: PartId::mint(), text, synthetic: false, ignored: false }];
        message
    }

    #[test]
    fn a_record_keeps_the_newest_and_says_what_it_leaves_out() {
        let asked = |text: &str| message(Role::User(orch_opencode::User::default()), text);
        let answered = |text: &str| message(Role::Assistant(Assistant::new(MessageId::mint())), text);
        assert_eq!(
            record(&[asked("é?"), answered(""), answered("yes")]),
            "### User\né?\n\n### Assistant\nyes"
        );
        let long = "é".repeat(LONGEST_RECORD - 10);
        let kept = record(&[asked("first"), answered(&long), asked("last")]);
        assert_eq!(kept, "(Earlier messages are left out.)\n\n### User\nlast");
    }
}
