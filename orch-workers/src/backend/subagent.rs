//! A child session of the parent session, on the same host.

use std::sync::Arc;

use async_trait::async_trait;
use orch_config::{Profile, id::ProfileId, kind::WorkerKind, profile};
use orch_opencode::{HostError, HostErrorKind, NewSession, OpenCode, Session, SessionId, tracker::Patience};
use orch_workflow::attempt::AttemptError;

use super::{Backend, Hosting, OpenCodeWorker, Opened, heritage::Birth, slots::Scope};
use crate::{
    error::{Error, ErrorKind},
    locator::Home,
    verdict,
    worker::Context,
};

impl OpenCodeWorker {
    /// A worker whose sessions on this host are children of the run's parent session.
    #[must_use]
    pub fn subagent(profile: Arc<Profile>, host: Arc<dyn OpenCode>) -> Self {
        let (worker, context) = (profile.id.clone(), profile.context);
        Self::with_backend(profile, Box::new(Subagent { worker, context, host }))
    }
}

#[derive(Debug)]
struct Subagent {
    worker: ProfileId,
    /// What its children know of their parents.
    context: profile::Context,
    host: Arc<dyn OpenCode>,
}

impl Subagent {
    fn parent<'a>(&self, scope: &'a Scope) -> Result<&'a SessionId, Error> {
        scope.parent.as_ref().ok_or_else(|| Error::no_parent(&self.worker))
    }

    fn refused(&self, parent: &SessionId, error: HostError) -> AttemptError {
        if error.kind() != HostErrorKind::NotFound {
            return verdict::host_failure(&error);
        }
        let message = format!(
            "subagent worker `{}` cannot have {parent} as its parent: the host at {} has no such session",
            self.worker,
            self.host.origin()
        );
        Error::new(ErrorKind::UnknownParent, message).with_source(error).into()
    }
}

#[async_trait]
impl Backend for Subagent {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Subagent
    }

    async fn host(&self, _cx: &Context, _home: Option<&Home>) -> Result<Hosting, AttemptError> {
        Ok(Hosting::given(&self.host))
    }

    fn admit(&self, scope: &Scope) -> Result<(), Error> {
        self.parent(scope).map(|_| ())
    }

    /// The host makes a child of anything without looking, so the port looks the parent up first; that the reply
    /// really is a child is checked here once more, because everything else rests on it.
    async fn open(
        &self,
        host: &Arc<dyn OpenCode>,
        scope: &Scope,
        new: NewSession,
        patience: &Patience,
    ) -> Result<Opened, AttemptError> {
        let parent = self.parent(scope)?;
        let new = NewSession { parent: Some(parent.clone()), ..new };
        let refused = |error| self.refused(parent, error);
        let opened = Birth { host, parent, new, patience, refused: &refused }.knowing(self.context).await?;
        let session = &opened.session;
        if session.parent.as_ref() == Some(parent) {
            return Ok(opened);
        }
        let message = format!(
            "worker `{}`: the host made session {} a child of {}, not of {parent}",
            self.worker,
            session.id,
            session.parent.as_ref().map_or("nothing", SessionId::as_str),
        );
        Err(Error::new(ErrorKind::NotAChild, message).into())
    }

    async fn earlier(
        &self,
        host: &dyn OpenCode,
        scope: &Scope,
        title: &str,
    ) -> Result<Vec<Session>, HostError> {
        let Some(parent) = &scope.parent else { return Ok(Vec::new()) };
        let mut children = match host.children(parent).await {
            Ok(children) => children,
            // `open` says more about a parent that is not there.
            Err(error) if error.kind() == HostErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        children.retain(|child| child.title == title);
        children.sort_by_key(|child| std::cmp::Reverse(child.created_ms));
        Ok(children)
    }
}
