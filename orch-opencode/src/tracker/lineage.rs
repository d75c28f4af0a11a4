//! Which sessions belong to the one that was prompted.

use std::collections::HashMap;

use crate::error::{HostError, HostErrorKind};
use crate::host::OpenCode;
use crate::id::SessionId;
use crate::session::DEEPEST;

/// Remembers who descends from a session. Ancestry never changes, so every session is looked up at most once.
#[derive(Debug)]
pub(super) struct Lineage {
    known: HashMap<SessionId, bool>,
}

impl Lineage {
    pub(super) fn of(root: SessionId) -> Self {
        Self { known: HashMap::from([(root, true)]) }
    }

    /// A session was created under this parent.
    pub(super) fn born(&mut self, child: &SessionId, parent: Option<&SessionId>) {
        let belongs = match parent {
            None => Some(false),
            Some(parent) => self.known.get(parent).copied(),
        };
        if let Some(belongs) = belongs {
            self.known.entry(child.clone()).or_insert(belongs);
        }
    }

    /// Already known to belong.
    pub(super) fn knows(&self, session: &SessionId) -> bool {
        self.known.get(session).copied().unwrap_or_default()
    }

    /// `session` is the root or one of its descendants; asks the host where that is not known yet.
    pub(super) async fn covers(
        &mut self,
        host: &dyn OpenCode,
        session: &SessionId,
    ) -> Result<bool, HostError> {
        let mut path = vec![session.clone()];
        let belongs = loop {
            let Some(current) = path.last() else { break false };
            if let Some(belongs) = self.known.get(current) {
                break *belongs;
            }
            let parent = match host.session(current).await {
                Ok(found) => found.parent,
                // Deleted meanwhile: it asks for nothing any more.
                Err(error) if error.kind() == HostErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            match parent {
                Some(parent) if path.len() < DEEPEST => path.push(parent),
                _ => break false,
            }
        };
        self.known.extend(path.into_iter().map(|session| (session, belongs)));
        Ok(belongs)
    }
}
