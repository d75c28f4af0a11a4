//! What people and other processes ask of a run that is driven here, and what they are told.

use std::collections::{HashMap, HashSet};

use tokio::sync::{mpsc, oneshot};

use super::{run::Run, task::Task};
use crate::{
    attempt::{AttemptError, Settled},
    decision::{Answer, Decision, DecisionKind, DecisionRequest, Rejected, Reply, Request},
    machine::Input,
    store::{RequestId, StoreError},
};

/// What became of a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Requested {
    /// Whether it took effect.
    pub reply: Reply,
    /// The run, when this engine drives it now; `None` when another process does.
    pub run: Option<Run>,
}

impl Requested {
    pub(super) fn new(reply: Reply, run: Option<Run>) -> Self {
        Self { reply, run }
    }
}

/// A request of this process, and where its reply goes.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) request: Request,
    pub(super) reply: oneshot::Sender<Reply>,
}

impl Command {
    pub(super) fn into_request(self) -> (Request, Asker) {
        (self.request, Asker::Here(self.reply))
    }
}

/// Who is told what became of an input.
#[derive(Debug)]
pub(super) enum Asker {
    /// Nobody asked: it happened.
    Nobody,
    /// Somebody in this process.
    Here(oneshot::Sender<Reply>),
    /// Another process; it is told in the same write that makes the request's effect durable.
    Posted(RequestId),
}

impl Asker {
    pub(super) fn posted_reply(&self, reply: &Reply) -> Vec<(RequestId, Reply)> {
        match self {
            Self::Posted(id) => vec![(*id, reply.clone())],
            Self::Nobody | Self::Here(_) => Vec::new(),
        }
    }

    pub(super) fn reply(self, reply: Reply) {
        if let Self::Here(sender) = self {
            // Who asked may have gone; what was asked has happened all the same.
            let _ = sender.send(reply);
        }
    }
}

/// The requests on their way to a run's task.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Boxed, because a channel sets aside room for many, in every run.
    commands: mpsc::Receiver<Box<Command>>,
    posted: mpsc::Receiver<Box<(RequestId, Request)>>,
    /// Posted requests that were taken up. Until its reply is durable, a request is found again and again.
    taken: HashSet<RequestId>,
    /// Decisions that wait for a session's latest answer.
    reading: HashMap<u64, (DecisionRequest, Asker)>,
}

impl Inbox {
    pub(super) fn new(
        commands: mpsc::Receiver<Box<Command>>,
        posted: mpsc::Receiver<Box<(RequestId, Request)>>,
    ) -> Self {
        Self { commands, posted, taken: HashSet::new(), reading: HashMap::new() }
    }

    /// The next request. Cancel safe.
    pub(super) async fn next(&mut self) -> (Request, Asker) {
        loop {
            tokio::select! {
                Some(command) = self.commands.recv() => return command.into_request(),
                Some(posted) = self.posted.recv() => {
                    let (id, request) = *posted;
                    if self.taken.insert(id) {
                        return (request, Asker::Posted(id));
                    }
                }
                else => std::future::pending().await,
            }
        }
    }

    /// The requests of this process that wait already.
    pub(super) fn waiting(&mut self) -> Vec<(Request, Asker)> {
        std::iter::from_fn(|| self.commands.try_recv().ok()).map(|command| command.into_request()).collect()
    }

    /// Those posted requests that were not taken up before; they are from now on.
    pub(super) fn unseen(&mut self, posted: Vec<(RequestId, Request)>) -> Vec<(Request, Asker)> {
        posted
            .into_iter()
            .filter(|(id, _)| self.taken.insert(*id))
            .map(|(id, request)| (request, Asker::Posted(id)))
            .collect()
    }
}

impl Task {
    pub(super) async fn request(&mut self, request: Request, asker: Asker) -> Result<(), StoreError> {
        failpoint!(before("request"));
        self.carry_out(request, asker).await?;
        failpoint!(after("request"));
        Ok(())
    }

    async fn carry_out(&mut self, request: Request, asker: Asker) -> Result<(), StoreError> {
        let input = match request {
            Request::Pause { by } => Input::Pause { by },
            Request::Interrupt { by } => Input::Interrupt { by },
            Request::Cancel { by } => Input::Cancel { by },
            Request::Answer { ask, reply, by } => Input::Answer { ask, reply, by },
            Request::Decide(request) => {
                let request = self.at_the_gate_that_is_meant(request);
                // Where the gate's time is over, nobody may have been there to say so.
                self.tick().await?;
                match request.answer.clone() {
                    Answer::Decision(decision) => decide(request, decision),
                    Answer::ReplaceFromSession => return self.read_replacement(request, asker).await,
                }
            }
        };
        self.take(input, asker).await
    }

    /// A decision means the gate that is open when it arrives, never one that opens behind it.
    fn at_the_gate_that_is_meant(&self, request: DecisionRequest) -> DecisionRequest {
        let gate = request.gate.or_else(|| self.machine().open_gate().cloned());
        DecisionRequest { gate, ..request }
    }

    /// Nothing changed; whoever asked is told why.
    pub(super) async fn refuse(
        &mut self,
        rejected: Rejected,
        moot_at_the_end: bool,
        asker: Asker,
    ) -> Result<(), StoreError> {
        let reply = match rejected {
            Rejected::Ended { .. } if moot_at_the_end => Reply::FinishedFirst,
            rejected => Reply::Refused(rejected),
        };
        let replies = asker.posted_reply(&reply);
        if !replies.is_empty() {
            self.ledger.append(&[], &replies).await?;
        }
        asker.reply(reply);
        Ok(())
    }

    pub(super) fn reads_an_answer(&self) -> bool {
        !self.inbox.reading.is_empty()
    }

    /// Reads the answer that is to replace a step's result; the decision is taken when it is there.
    async fn read_replacement(&mut self, request: DecisionRequest, asker: Asker) -> Result<(), StoreError> {
        let possible = self.machine().would_take(request.gate.as_ref(), DecisionKind::Replace);
        if let Err(rejected) = possible {
            return self.refuse(rejected, false, asker).await;
        }
        let Some((_, locator)) = self.machine().locator_at(request.gate.as_ref()) else {
            let message = "the step has no session to take an answer from; give the text instead".to_owned();
            return self.refuse(Rejected::Invalid { message }, false, asker).await;
        };
        let number = self.work.read_latest_answer(locator);
        self.inbox.reading.insert(number, (request, asker));
        Ok(())
    }

    pub(super) async fn replace(
        &mut self,
        number: u64,
        answer: Result<Settled, AttemptError>,
    ) -> Result<(), StoreError> {
        let Some((request, asker)) = self.inbox.reading.remove(&number) else { return Ok(()) };
        match answer {
            Ok(Settled { text, output, error: None, .. }) => {
                self.take(decide(request, Decision::Replace { text, output }), asker).await
            }
            Ok(Settled { error: Some(error), .. }) | Err(error) => {
                let message = format!("the session's latest answer cannot be used: {error}");
                self.refuse(Rejected::Invalid { message }, false, asker).await
            }
        }
    }
}

fn decide(request: DecisionRequest, decision: Decision) -> Input {
    let DecisionRequest { gate, policy, budget, by, .. } = request;
    Input::Decide { gate, decision, policy, budget, by }
}
