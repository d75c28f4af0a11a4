//! Which sessions a worker has, and for whom.

use std::collections::HashSet;

use orch_config::Profile;
use orch_opencode::{MessageId, SessionId};
use orch_workflow::{attempt::RunId, port::Dispatch};
use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind};

/// Whom a session is for. Sessions are reused by later steps and later runs of the same parent; a run without a
/// parent has its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) run: RunId,
    pub(crate) parent: Option<SessionId>,
}

impl Scope {
    /// # Errors
    /// The parent is not a session id.
    pub(crate) fn from_dispatch(dispatch: &Dispatch) -> Result<Self, Error> {
        let parent = dispatch.parent_session.as_deref().map(SessionId::parse).transpose();
        let parent = parent.map_err(|error| {
            let message = format!("worker `{}` cannot have that parent: {error}", dispatch.worker);
            Error::new(ErrorKind::UnknownParent, message).with_source(error)
        })?;
        Ok(Self { run: dispatch.id.run.clone(), parent })
    }

    fn covers(&self, slot: &Scope) -> bool {
        let same_parent = self.parent.is_some() && self.parent == slot.parent;
        same_parent || self.run == slot.run
    }

    /// What we leave on a session, so that another process finds it again.
    /// Our plugin reads the temperature there, in hosts that we started.
    pub(crate) fn tag(&self, profile: &Profile, kind: &str) -> Map<String, Value> {
        let parent = self.parent.as_ref().map(SessionId::as_str);
        let mut tag = json!({ "profile": profile.id, "kind": kind, "run": self.run, "parent": parent });
        if let Some(temperature) = profile.temperature {
            tag["temperature"] = temperature.into();
        }
        Map::from_iter([("orch".to_owned(), tag)])
    }

    /// Whether a session with this metadata was made by this profile and kind for this scope.
    pub(crate) fn made(&self, metadata: &Map<String, Value>, profile: &str, kind: &str) -> bool {
        let Some(tag) = metadata.get("orch") else { return false };
        let is = |key: &str, value: &str| tag.get(key).and_then(Value::as_str) == Some(value);
        let ours = is("profile", profile) && is("kind", kind);
        ours && (is("run", self.run.as_str())
            || self.parent.as_ref().is_some_and(|parent| is("parent", parent.as_str())))
    }
}

/// One session of a worker and the dispatches that were placed in it and have not ended.
#[derive(Debug)]
struct Slot {
    scope: Scope,
    session: SessionId,
    claims: HashSet<MessageId>,
}

/// The sessions of one worker.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    /// How many sessions one scope may have, so that as many of its prompts run at once.
    limit: usize,
}

impl Slots {
    pub(crate) fn new(limit: usize) -> Self {
        Self { slots: Vec::new(), limit: limit.max(1) }
    }

    /// Whether this scope has a session yet.
    pub(crate) fn knows(&self, scope: &Scope) -> bool {
        self.slots.iter().any(|slot| scope.covers(&slot.scope))
    }

    /// The session for one more prompt: one that is free, else a new one while the limit allows (`None`), else the
    /// one with the fewest prompts before this one.
    pub(crate) fn pick(&self, scope: &Scope) -> Option<SessionId> {
        let mine: Vec<_> = self.slots.iter().filter(|slot| scope.covers(&slot.scope)).collect();
        let least = mine.iter().min_by_key(|slot| slot.claims.len())?;
        let room = mine.len() < self.limit;
        (least.claims.is_empty() || !room).then(|| least.session.clone())
    }

    /// Takes note of a session.
    pub(crate) fn add(&mut self, scope: Scope, session: SessionId) {
        self.slots.push(Slot { scope, session, claims: HashSet::new() });
    }

    /// A prompt was placed in a session that is known, or that another process opened.
    pub(crate) fn take(&mut self, scope: &Scope, session: &SessionId, message: MessageId) {
        if self.slots.iter().all(|slot| slot.session != *session) {
            self.add(scope.clone(), session.clone());
        }
        self.claim(scope, session, message);
    }

    /// Whether a prompt was placed in this session that has not ended.
    pub(crate) fn is_claimed(&self, session: &SessionId) -> bool {
        self.slots.iter().any(|slot| slot.session == *session && !slot.claims.is_empty())
    }

    /// Forgets the sessions of a scope: later prompts get the next one that is added.
    pub(crate) fn retire(&mut self, scope: &Scope) {
        self.slots.retain(|slot| !scope.covers(&slot.scope));
    }

    /// Forgets a session that is gone.
    pub(crate) fn forget(&mut self, session: &SessionId) {
        self.slots.retain(|slot| slot.session != *session);
    }

    /// A prompt was placed in this session. A run that has got its parent by now passes it on.
    pub(crate) fn claim(&mut self, scope: &Scope, session: &SessionId, message: MessageId) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.session == *session) {
            slot.claims.insert(message);
            slot.scope.parent = slot.scope.parent.take().or_else(|| scope.parent.clone());
        }
    }

    /// A placed prompt has ended.
    pub(crate) fn release(&mut self, message: &MessageId) {
        for slot in &mut self.slots {
            slot.claims.remove(message);
        }
    }
}
