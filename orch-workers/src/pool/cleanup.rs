//! Deleting the sessions that a run has left.

use std::collections::{HashMap, HashSet};

use orch_opencode::{MessageId, SessionId};
use orch_workflow::{attempt::RunId, port::Locator};

use super::{Envelope, Key, Pool};
use crate::{backend::Fate, error::Error, locator::Whereabouts};

impl Pool {
    pub(super) async fn clean_up(&self, run: &RunId, placed: &[Locator], in_use: &[Locator]) {
        let cx = self.inner.common.cx.of_run(run);
        // What cannot be read names no session of ours.
        let used: HashSet<SessionId> =
            in_use.iter().filter_map(|locator| open(locator).ok()).map(|(_, at)| at.session).collect();
        let (mut sessions, mut ours) = (HashMap::new(), HashSet::<MessageId>::new());
        for locator in placed {
            match open(locator) {
                Ok((worker, at)) => {
                    ours.insert(at.message.clone());
                    sessions.insert(at.session.clone(), (worker, at));
                }
                // It is of a worker that somebody registered, and so is its session.
                Err(error) => tracing::debug!(%run, %error, "no session to delete"),
            }
        }
        for (session, ((worker, kind), at)) in sessions {
            if self.inner.common.registered.contains_key(&worker) {
                continue;
            }
            let fate = match self.inner.own(&worker, kind) {
                _ if used.contains(&session) => Ok(Fate::Kept("another run uses it")),
                Ok(worker) => worker.delete_session(&cx, run, &at, &ours).await,
                Err(error) => Err(error.into()),
            };
            match fate {
                Ok(Fate::Deleted) => tracing::debug!(%run, %session, %worker, "deleted a session"),
                Ok(Fate::Gone) => tracing::debug!(%run, %session, %worker, "the session was gone already"),
                Ok(Fate::Kept(reason)) => {
                    tracing::info!(%run, %session, %worker, reason, "the session stays")
                }
                Err(error) => tracing::warn!(%run, %session, %worker, %error, "the session was not deleted"),
            }
        }
    }
}

fn open(locator: &Locator) -> Result<(Key, Whereabouts), Error> {
    let (envelope, at) = Envelope::open(locator)?;
    Ok(((envelope.worker, envelope.kind), Whereabouts::open(&at)?))
}
