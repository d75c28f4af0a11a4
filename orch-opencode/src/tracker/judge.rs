//! What a transcript says about one prompt, at one moment.

use super::turn::{Settled, Turn, ended_the_turn};
use crate::id::MessageId;
use crate::message::{Assistant, FailureKind, Finish, Message, ModelFailure, Part, Role};

/// What a transcript says.
#[derive(Debug)]
pub(super) enum Reading {
    /// Our message is not there.
    Absent,
    /// Our message is there and nothing answers it.
    Unanswered,
    /// This is the end, whatever the session does now.
    Final(Settled),
    /// This is the end if the session is at rest; otherwise it goes on.
    AtRest(Settled),
}

/// Reads a transcript from our message on.
pub(super) fn judge(transcript: &[Message], ours: &MessageId) -> Reading {
    let Some(start) = transcript.iter().position(|message| message.id == *ours) else {
        return Reading::Absent;
    };
    let stretch = &transcript[start + 1..];
    let answers = |message: &&Message| answer(message).is_some();
    let named = |message: &&Message| answer(message).is_some_and(|assistant| assistant.parent == *ours);
    let Some(last_named) = stretch.iter().rposition(|message| named(&message)) else {
        return match stretch.iter().rposition(|message| answers(&message)) {
            Some(last) => Reading::AtRest(continued(stretch, last, ours)),
            None => Reading::Unanswered,
        };
    };
    let last = &stretch[last_named];
    let turn = || Turn::new(stretch[..=last_named].iter().filter(named).cloned().collect(), false);
    let Some(assistant) = answer(last) else { return Reading::Unanswered };
    if let Some(settled) = conclusion(assistant, turn) {
        // After an error the session may still be at work on what others asked; after "stop" with tool calls the
        // host calls the model once more.
        let certain = assistant.error.is_none() && last.tools().next().is_none();
        return if certain { Reading::Final(settled) } else { Reading::AtRest(settled) };
    }
    // Between two model calls a message that came meanwhile takes over: its answer is then ours too.
    let later = stretch.iter().rposition(|message| answers(&message)).filter(|later| *later > last_named);
    Reading::AtRest(match later {
        Some(later) if assistant.completed_ms.is_some() => continued(stretch, later, ours),
        _ => broken_off(last, assistant, turn()),
    })
}

/// The assistant's side of a message that can be an answer: summaries are the host's own.
fn answer(message: &Message) -> Option<&Assistant> {
    message.assistant().filter(|assistant| !assistant.summary)
}

/// What a message that has ended says; `None` while it runs, and when another model call follows.
fn conclusion(assistant: &Assistant, turn: impl FnOnce() -> Turn) -> Option<Settled> {
    assistant.completed_ms?;
    if let Some(failure) = &assistant.error {
        return Some(if failure.is_abort() {
            Settled::Aborted(turn())
        } else {
            Settled::Failed { failure: failure.clone(), turn: turn() }
        });
    }
    let failed = |kind, message: &str| (kind, message.to_owned());
    let (kind, message) = match assistant.finish.as_ref()? {
        finish if finish.continues() => return None,
        Finish::Length => {
            failed(FailureKind::Length, "the answer did not fit into the output limit of the model")
        }
        Finish::ContentFilter => failed(FailureKind::ContentFilter, "the provider withheld the answer"),
        Finish::Error => failed(FailureKind::Other("error".into()), "the model broke off with an error"),
        _ => return Some(Settled::Finished(turn())),
    };
    Some(Settled::Failed { failure: ModelFailure::new(kind, message), turn: turn() })
}

/// The turn ended with an answer to a later message of the same stretch: somebody's, or one that the host put there
/// itself after it had shortened the context.
fn continued(stretch: &[Message], last: usize, ours: &MessageId) -> Settled {
    let together = stretch[..last].iter().any(|message| !is_host_made(message));
    let turn = || {
        Turn::new(
            stretch[..=last].iter().filter(|message| answer(message).is_some()).cloned().collect(),
            together,
        )
    };
    let message = &stretch[last];
    debug_assert!(answer(message).is_some_and(|assistant| assistant.parent != *ours));
    let Some(assistant) = answer(message) else { return Settled::Interrupted(turn()) };
    conclusion(assistant, turn).unwrap_or_else(|| broken_off(message, assistant, turn()))
}

/// The last message of a session at rest that promises more.
fn broken_off(message: &Message, assistant: &Assistant, turn: Turn) -> Settled {
    if assistant.completed_ms.is_some() && message.tools().any(ended_the_turn) {
        return Settled::Rejected(turn);
    }
    match &assistant.error {
        Some(failure) if failure.is_abort() => Settled::Aborted(turn),
        Some(failure) => Settled::Failed { failure: failure.clone(), turn },
        None => Settled::Interrupted(turn),
    }
}

/// The host wrote this message: a request to shorten the context, or "continue" after it did. Messages of the
/// assistant are nobody's request either.
fn is_host_made(message: &Message) -> bool {
    match &message.role {
        Role::Assistant(_) => true,
        Role::User(_) => message.parts.iter().all(|part| match part {
            Part::Text { synthetic, .. } => *synthetic,
            Part::Compaction { .. } | Part::Other { .. } => true,
            _ => false,
        }),
    }
}
