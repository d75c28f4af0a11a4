//! The parent session of a run that was given none.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use orch_config::id::WorkflowId;
use orch_opencode::{HostError, NewSession, OpenCode, Session, SessionId, SessionQuery};
use orch_workflow::{attempt::RunId, port::Dispatch};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

/// Parents that were created here, one for each run.
#[derive(Debug, Default)]
pub(super) struct Parents {
    runs: Mutex<HashMap<RunId, Arc<OnceCell<SessionId>>>>,
}

impl Parents {
    /// The run's parent: the one that exists, also from an earlier process that ended before it could say so, else a
    /// new one. Steps that ask at the same time get the same.
    pub(super) async fn of(&self, host: &dyn OpenCode, dispatch: &Dispatch) -> Result<SessionId, HostError> {
        let cell = {
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(runs.entry(dispatch.id.run.clone()).or_default())
        };
        cell.get_or_try_init(|| find_or_create(host, dispatch)).await.cloned()
    }
}

/// The newest session on the host that was created as the parent of a run of this workflow. Runs of other projects have
/// theirs elsewhere: a host tells a client of the sessions of its own directory.
pub(super) async fn latest(
    host: &dyn OpenCode,
    workflow: &WorkflowId,
    name: &str,
) -> Result<Option<SessionId>, HostError> {
    let query = SessionQuery { roots: true, search: Some(name.to_owned()), ..SessionQuery::default() };
    let sessions = host.sessions(query).await?;
    let parents = sessions.into_iter().filter(|session| is_parent(session, "workflow", workflow.as_str()));
    Ok(parents.max_by_key(|session| session.created_ms).map(|session| session.id))
}

/// Whether we created a session as a parent, with this on its tag.
fn is_parent(session: &Session, key: &str, value: &str) -> bool {
    let tag = session.metadata.get("orch");
    let is = |key: &str, value: &str| tag.and_then(|tag| tag.get(key)).and_then(Value::as_str) == Some(value);
    is("role", "parent") && is(key, value)
}

async fn find_or_create(host: &dyn OpenCode, dispatch: &Dispatch) -> Result<SessionId, HostError> {
    let title = dispatch.parent_title.to_string();
    let query = SessionQuery { roots: true, search: Some(title.clone()), ..SessionQuery::default() };
    let run = &dispatch.id.run;
    let earlier = host.sessions(query).await?;
    if let Some(session) = earlier.into_iter().find(|session| is_parent(session, "run", run.as_str())) {
        return Ok(session.id);
    }
    let tag = json!({ "run": run, "role": "parent", "workflow": dispatch.workflow });
    let metadata = Map::from_iter([("orch".to_owned(), tag)]);
    let new = NewSession { title: Some(title), metadata, ..NewSession::default() };
    let session = host.create_session(new).await?;
    tracing::info!(%run, session = %session.id, "created the parent session");
    Ok(session.id)
}
