//! What becomes of a session when the run that it was made for has succeeded and is to leave none.

use std::collections::HashSet;

use orch_opencode::{
    HostError, HostErrorKind, Message, MessageId, OpenCode, Part, Role, Session, SessionStatus,
};
use orch_workflow::attempt::{AttemptError, RunId};

use super::OpenCodeWorker;
use crate::{locator::Whereabouts, verdict, worker::Context};

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Deleted,
    /// Somebody had deleted it before.
    Gone,
    /// It stays, for this reason.
    Kept(&'static str),
}

impl OpenCodeWorker {
    /// Deletes a session with those that its tools opened, if it was made for this run and nobody else uses it or has
    /// written in it. `ours` are the prompts of the run.
    ///
    /// # Errors
    /// The host cannot be asked, or refuses; the session stays.
    pub(crate) async fn delete_session(
        &self,
        cx: &Context,
        run: &RunId,
        at: &Whereabouts,
        ours: &HashSet<MessageId>,
    ) -> Result<Fate, AttemptError> {
        let failed = |error: HostError| verdict::host_failure(&error);
        let host = self.inner.backend.host(cx, Some(&at.home)).await?.host;
        // No prompt is placed in it from here on.
        let mut slots = self.inner.slots.lock().await;
        if slots.is_claimed(&at.session) {
            return Ok(Fate::Kept("a prompt is on its way to it"));
        }
        if let Some(reason) = keeps(&*host, run, at, ours).await.map_err(failed)? {
            return Ok(reason);
        }
        host.delete_session(&at.session).await.map_err(failed)?;
        slots.forget(&at.session);
        Ok(Fate::Deleted)
    }
}

/// Why there is nothing to delete, if so.
async fn keeps(
    host: &dyn OpenCode,
    run: &RunId,
    at: &Whereabouts,
    ours: &HashSet<MessageId>,
) -> Result<Option<Fate>, HostError> {
    let session = match host.session(&at.session).await {
        Err(error) if error.kind() == HostErrorKind::NotFound => return Ok(Some(Fate::Gone)),
        found => found?,
    };
    if !was_made_for(&session, run) {
        return Ok(Some(Fate::Kept("it was not made for this run")));
    }
    // A model call in a session that is deleted would go on unseen.
    if host.statuses().await?.get(&at.session).is_some_and(|status| *status != SessionStatus::Idle) {
        return Ok(Some(Fate::Kept("it is at work")));
    }
    let messages = host.messages(&at.session).await?;
    let by_others =
        messages.iter().any(|message| !ours.contains(&message.id) && was_written(message, &session));
    Ok(by_others.then_some(Fate::Kept("somebody else has written in it")))
}

/// A session that was adopted from an earlier run has that one's name on it, and a parent has no profile.
fn was_made_for(session: &Session, run: &RunId) -> bool {
    let tag = session.metadata.get("orch");
    let said = |key: &str| tag.and_then(|tag| tag.get(key)?.as_str());
    said("run") == Some(run.as_str()) && said("profile").is_some()
}

/// Whether somebody wrote this there: neither the host, nor a program for the model alone, nor somebody in the parent
/// whose transcript the session began with.
fn was_written(message: &Message, session: &Session) -> bool {
    let by_a_program =
        |part: &Part| matches!(part, Part::Text { synthetic: true, .. } | Part::Compaction { .. });
    let is_inherited = message.created_ms < session.created_ms;
    matches!(message.role, Role::User(_)) && !is_inherited && !message.parts.iter().all(by_a_program)
}
