//! A host that answers, the workers on it, and, where it was launched, the data that it works on.

use std::{io, path::Path, sync::Arc, time::Duration};

use orch_config::private;
use orch_opencode::{
    HostError, HostErrorKind, OpenCode,
    serve::{Server, StopReport},
};
use tokio::time::{Instant, sleep};

use super::GRACE;
use crate::{
    claim::{Claim, MOST},
    orphans::{HOST, is_of_a_host},
    pool::Pool,
};

/// How long somebody else who works on the data of a run may take to let go of it: whoever is ending does.
const PATIENCE: Duration = GRACE.saturating_add(Duration::from_secs(1));
/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(50);

/// A host that answers, and the workers on it.
#[derive(Debug)]
pub struct Connection {
    pub(super) host: Arc<dyn OpenCode>,
    pub(super) pool: Pool,
    pub(super) launched: Option<Launched>,
}

/// A host that was started here.
#[derive(Debug)]
pub(super) struct Launched {
    /// Dropped first: the server ends before its data is given up.
    pub(super) server: Server,
    pub(super) claim: Option<Arc<Claim>>,
}

impl Connection {
    /// The host.
    #[must_use]
    pub fn host(&self) -> &Arc<dyn OpenCode> {
        &self.host
    }

    /// The workers.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The name of the data directory that its host works on, if that is one of ours.
    pub(super) fn data(&self) -> Option<&str> {
        self.launched.as_ref()?.claim.as_ref()?.name()
    }

    /// Whether its host was started here and has ended.
    pub async fn has_ended(&self) -> bool {
        match &self.launched {
            Some(launched) => launched.server.has_ended().await,
            None => false,
        }
    }

    /// What its host worked on, once nothing is left there of one that has ended.
    pub(super) async fn claim(&self) -> Option<Arc<Claim>> {
        self.end(Duration::ZERO).await;
        self.launched.as_ref()?.claim.clone()
    }

    pub(super) async fn end(&self, grace: Duration) -> Option<StopReport> {
        Some(self.launched.as_ref()?.server.stop(grace).await)
    }
}

/// Claims this data of launched hosts, or the first that is free.
pub(super) async fn claim(state: &Path, wanted: Option<&str>) -> Result<Claim, HostError> {
    let refused = |detail: String| HostError::new(HostErrorKind::Spawn, "start the host", "", detail);
    let unusable = |error: io::Error| {
        refused(format!("cannot use {} for its data: {error}", state.display())).caused_by(error)
    };
    private::directory(state).map_err(unusable)?;
    let Some(name) = wanted else {
        let taken = || refused(format!("{MOST} other programs have started one in this project already"));
        return Claim::first(state, HOST).map_err(unusable)?.ok_or_else(taken);
    };
    if !is_of_a_host(name) {
        return Err(refused(format!("the journal names no data of a host: {name:?}")));
    }
    let (path, over) = (state.join(name), Instant::now() + PATIENCE);
    loop {
        if let Some(claim) = Claim::of(&path).map_err(unusable)? {
            return Ok(claim);
        }
        if Instant::now() >= over {
            return Err(refused(format!(
                "the run has its sessions in {}, and another program works there; go on when that has ended",
                path.display()
            )));
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever works there goes on; the wait is on paused time.
    #[tokio::test(start_paused = true)]
    async fn what_somebody_else_works_on_is_waited_for_and_then_refused() {
        let state = tempfile::tempdir().unwrap();
        let used = claim(state.path(), None).await.unwrap();
        let refused = claim(state.path(), Some("host")).await.unwrap_err();
        assert!(refused.to_string().contains("another program works there"), "{refused}");
        let (freed, ()) = tokio::join!(claim(state.path(), Some("host")), async { drop(used) });
        assert_eq!(freed.unwrap().path(), state.path().join("host"));
    }
}
