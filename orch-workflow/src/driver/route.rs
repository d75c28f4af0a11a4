//! Bringing a request to whoever drives the run: a task of this engine, another process, or, when there is none, a
//! new drive.

use std::time::Duration;

use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    engine::Engine,
    error::EngineError,
    ledger::answer,
    requests::{Command, Requested},
    run::Run,
};
use crate::{
    attempt::RunId,
    decision::{Answer, DecisionRequest, Reply, Request},
    store::{Owner, StoreError},
};

/// How long another process has to take up a posted request.
const REPLY_LIMIT_MS: u64 = 5_000;
/// The same when it has to read a session first.
const READ_AND_REPLY_LIMIT_MS: u64 = 16_000;
/// How often its reply is looked for.
const LOOK: Duration = Duration::from_millis(50);

impl Engine {
    /// Asks something of a run, wherever it is driven. A run that nobody drives is taken up here and driven on.
    ///
    /// A gate's time counts whoever lives: a decision that comes when it is over is refused, and the run is driven on
    /// here with the gate's default.
    ///
    /// Dropping the future does not take the request back.
    ///
    /// # Errors
    /// [`EngineError::Rejected`] when the run refuses, [`EngineError::NoReply`] when the process that drives it does
    /// not answer within 5 s, or the run is unknown, cannot go on here, or the store failed.
    pub async fn request(&self, run: &RunId, request: Request) -> Result<Requested, EngineError> {
        loop {
            self.0.check_open(run)?;
            if let Some(driven) = self.driven(run) {
                match driven.drive.ask(request.clone()).await {
                    Some(reply) => return told(reply, Some(driven)),
                    // It ended before it took the request up; if it failed, so did the request.
                    None => driven.drive.over().await?,
                }
                continue;
            }
            if let Some(owner) = self.other_driver(run).await? {
                return self.post(run, request, owner).await;
            }
            self.check(run, &request).await?;
            let (reply, replied) = oneshot::channel();
            match self.take_up(run, Some(Box::new(Command { request: request.clone(), reply }))).await {
                Ok(driven) => match replied.await {
                    Ok(reply) => return told(reply, Some(driven)),
                    Err(_) if driven.drive.is_over() => driven.drive.over().await?,
                    // Somebody else in this engine was faster.
                    Err(_) => {}
                },
                Err(EngineError::Store(StoreError::Locked { .. })) => sleep(LOOK).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// A decision that the run refuses as it stands is no reason to drive it on.
    async fn check(&self, run: &RunId, request: &Request) -> Result<(), EngineError> {
        if let Request::Decide(DecisionRequest { gate, answer, .. }) = request {
            let (machine, _) = self.replay(run).await?;
            machine.would_take(gate.as_ref(), answer.kind())?;
        }
        Ok(())
    }

    /// Leaves a request for the process that drives the run, and waits for its reply.
    async fn post(&self, run: &RunId, request: Request, mut owner: Owner) -> Result<Requested, EngineError> {
        let inner = &self.0;
        let request = self.with_gate(run, request).await?;
        let waited_ms = match &request {
            Request::Decide(DecisionRequest { answer: Answer::ReplaceFromSession, .. }) => {
                READ_AND_REPLY_LIMIT_MS
            }
            _ => REPLY_LIMIT_MS,
        };
        let give_up = Instant::now() + Duration::from_millis(waited_ms);
        failpoint!(before("post"));
        let id = answer(inner.store.post(run, &request, inner.wall.now())).await?;
        failpoint!(after("post"));
        let mut driven = None;
        loop {
            if let Some(reply) = answer(inner.store.reply_to(run, id)).await? {
                return told(reply, driven);
            }
            if Instant::now() >= give_up {
                return Err(EngineError::NoReply { run: run.clone(), owner: Box::new(owner), waited_ms });
            }
            match self.other_driver(run).await? {
                Some(present) => owner = present,
                // It has let go of the run: whoever takes it up now finds the request.
                None => match self.take_up(run, None).await {
                    Ok(taken) => driven = Some(taken),
                    Err(EngineError::Store(StoreError::Locked { .. })) => {}
                    Err(error) => return Err(error),
                },
            }
            sleep(LOOK).await;
        }
    }

    /// The live process that drives the run, if it is not driven here and could not be taken up.
    async fn other_driver(&self, run: &RunId) -> Result<Option<Owner>, EngineError> {
        let inner = &self.0;
        let now = inner.wall.now();
        let Some(holder) = answer(inner.store.holder(run, now)).await? else { return Ok(None) };
        let driven_here = self.driven(run).is_some();
        let ours_and_expired = holder.owner == inner.owner && now >= holder.expires;
        Ok((holder.alive && !driven_here && !ours_and_expired).then_some(holder.owner))
    }

    /// A decision on its way to another process names the gate that is open now, so that it can never answer a later
    /// one.
    async fn with_gate(&self, run: &RunId, request: Request) -> Result<Request, EngineError> {
        match request {
            Request::Decide(DecisionRequest { gate: None, answer, policy, budget, by }) => {
                let (machine, _) = self.replay(run).await?;
                let gate = machine.view().gate.map(|gate| gate.id);
                Ok(Request::Decide(DecisionRequest { gate, answer, policy, budget, by }))
            }
            request => Ok(request),
        }
    }
}

fn told(reply: Reply, run: Option<Run>) -> Result<Requested, EngineError> {
    match reply {
        Reply::Refused(rejected) => Err(rejected.into()),
        reply => Ok(Requested::new(reply, run)),
    }
}
