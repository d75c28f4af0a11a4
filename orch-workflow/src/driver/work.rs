//! Carrying out effects: calls into the executor, beside the run's own task, panics included.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::{self, JoinError, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    attempt::{AttemptError, DispatchId, ErrorCode, RunId, Settled},
    machine::{Effect, Input},
    port::{Dispatch, Locator, Probe, SendError, StepExecutor, Task, Update},
};

/// How many updates of workers may wait for the run's task.
const BACKLOG: usize = 256;
/// The waits between the probes of a host that cannot tell, before it counts as unknown.
const PROBE_WAITS_MS: [u64; 5] = [500, 1_000, 2_000, 4_000, 8_000];
/// The wait before a dispatch is probed that got lost: a request that is under way must have time to arrive.
const LOST_WAIT_MS: u64 = 500;
const LONGEST_LOST_WAIT_MS: u64 = 30_000;
/// How long the work in flight has to stop when the run cannot go on.
const ABORT_LIMIT: Duration = Duration::from_secs(10);
/// How long the sessions of a run have to be deleted.
const DELETE_LIMIT: Duration = Duration::from_secs(30);
/// How long a session has to give its latest answer.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// What the run's task hears from its work.
#[derive(Debug)]
pub(super) enum Heard {
    /// Something for the machine.
    Input(Input),
    /// An update of a worker.
    Update(DispatchId, Update),
    /// The answer that a decision waits for, by the number it was asked for with.
    Answer(u64, Result<Settled, AttemptError>),
}

/// All work of one run. Dropping it ends every call, not the work on the host.
#[derive(Debug)]
pub(super) struct Work {
    executor: Arc<dyn StepExecutor>,
    calls: JoinSet<()>,
    running: HashMap<task::Id, Call>,
    lost: HashMap<DispatchId, u32>,
    reads: u64,
    /// Boxed, because a channel sets aside room for many, in every run.
    sender: mpsc::Sender<Box<Heard>>,
    heard: mpsc::Receiver<Box<Heard>>,
}

/// One call under way.
#[derive(Debug)]
struct Call {
    what: What,
    /// Whether the host has the prompt, so that there is work to follow.
    accepted: Arc<AtomicBool>,
    handle: task::AbortHandle,
}

#[derive(Debug, Clone)]
enum What {
    Place(DispatchId),
    Send(DispatchId, Locator),
    Probe(DispatchId, Locator),
    Abort(DispatchId, Locator),
    Answer(DispatchId),
    LatestAnswer(u64),
    /// Ending what a panic has left behind.
    CleanUp(DispatchId, Locator),
}

impl Work {
    pub(super) fn new(executor: Arc<dyn StepExecutor>) -> Self {
        let (sender, heard) = mpsc::channel(BACKLOG);
        Self {
            executor,
            calls: JoinSet::new(),
            running: HashMap::new(),
            lost: HashMap::new(),
            reads: 0,
            sender,
            heard,
        }
    }

    /// The next thing that the work has to say. Cancel safe.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            tokio::select! {
                biased;
                Some(heard) = self.heard.recv() => return *heard,
                Some(ended) = self.calls.join_next_with_id() => match ended {
                    Ok((id, ())) => drop(self.running.remove(&id)),
                    Err(error) => {
                        if let Some(heard) = self.died(error) {
                            return heard;
                        }
                    }
                },
                else => std::future::pending().await,
            }
        }
    }

    /// Begins to carry out an effect.
    pub(super) fn begin(&mut self, effect: Effect) {
        let (executor, heard) = (Arc::clone(&self.executor), self.sender.clone());
        match effect {
            Effect::Place(dispatch) => {
                let what = What::Place(dispatch.id.clone());
                self.call(what, |_| async move {
                    failpoint!(before("place"));
                    let result = executor.place(&dispatch).await;
                    failpoint!(after("place"));
                    tell(&heard, Input::Placed { dispatch: dispatch.id, result }).await;
                });
            }
            Effect::Send(dispatch, locator) => {
                let what = What::Send(dispatch.id.clone(), locator.clone());
                self.call(what, |accepted| async move {
                    failpoint!(before("send"));
                    let sent = executor.send(&locator, &dispatch).await;
                    failpoint!(after("send"));
                    accepted.store(true, Ordering::Release);
                    let input = match sent {
                        Ok(task) => follow(task, &dispatch.id, &heard).await,
                        Err(SendError::Refused(error)) => settled(&dispatch.id, Settled::failed(error)),
                        Err(SendError::InDoubt(error)) => Input::Lost { dispatch: dispatch.id, error },
                    };
                    tell(&heard, input).await;
                });
            }
            Effect::Probe(dispatch, locator) => {
                let what = What::Probe(dispatch.id.clone(), locator.clone());
                let wait = self.wait_after_loss(&dispatch.id);
                self.call(what, |accepted| async move {
                    sleep(wait).await;
                    let input = probe(&*executor, &dispatch, &locator, &accepted, &heard).await;
                    tell(&heard, input).await;
                });
            }
            Effect::Abort(dispatch, locator) => {
                self.end_unaccepted(&dispatch);
                self.call(What::Abort(dispatch.clone(), locator.clone()), |_| async move {
                    failpoint!(before("abort"));
                    let result = executor.abort(&locator).await;
                    failpoint!(after("abort"));
                    tell(&heard, Input::AbortEnded { dispatch, result }).await;
                });
            }
            Effect::Answer(dispatch, locator, ask, reply) => {
                self.call(What::Answer(dispatch), |_| async move {
                    failpoint!(before("answer"));
                    let answered = executor.answer(&locator, &ask, &reply).await;
                    failpoint!(after("answer"));
                    if let Err(error) = answered {
                        tracing::warn!(%ask, %error, "the answer did not reach the worker; the ask stays open");
                    }
                });
            }
        }
    }

    /// Reads the latest answer in a session; it is heard under the number that this returns.
    pub(super) fn read_latest_answer(&mut self, locator: Locator) -> u64 {
        self.reads += 1;
        let number = self.reads;
        let (executor, heard) = (Arc::clone(&self.executor), self.sender.clone());
        self.call(What::LatestAnswer(number), |_| async move {
            failpoint!(before("read"));
            let read = timeout(READ_LIMIT, executor.latest_answer(&locator)).await;
            failpoint!(after("read"));
            let result = match read {
                Ok(result) => result,
                Err(_) => {
                    let message = format!("the session gave no answer within {} s", READ_LIMIT.as_secs());
                    Err(AttemptError::new(ErrorCode::Unreachable, message))
                }
            };
            let _ = heard.send(Box::new(Heard::Answer(number, result))).await;
        });
        number
    }

    /// Notes that nobody follows a dispatch any more: its next probe waits a moment, longer each time.
    pub(super) fn note_lost(&mut self, dispatch: &DispatchId) {
        *self.lost.entry(dispatch.clone()).or_default() += 1;
    }

    /// Ends every call for a dispatch that has its result: what comes later could only do harm.
    pub(super) fn end(&mut self, dispatch: &DispatchId) {
        self.lost.remove(dispatch);
        for call in self.running.values().filter(|call| call.what.dispatch() == Some(dispatch)) {
            call.handle.abort();
        }
    }

    /// Stops all work that may be going on at the host, because the run cannot go on. Takes 10 s at most.
    pub(super) async fn abort_all(&mut self) {
        let at_work: HashMap<_, _> = self
            .running
            .values()
            .filter_map(|call| match &call.what {
                What::Send(dispatch, locator)
                | What::Probe(dispatch, locator)
                | What::Abort(dispatch, locator)
                | What::CleanUp(dispatch, locator) => Some((dispatch.clone(), locator.clone())),
                What::Place(_) | What::Answer(_) | What::LatestAnswer(_) => None,
            })
            .collect();
        self.calls.abort_all();
        let mut aborts = JoinSet::new();
        for (dispatch, locator) in at_work {
            let executor = Arc::clone(&self.executor);
            aborts.spawn(async move {
                if let Err(error) = executor.abort(&locator).await {
                    tracing::warn!(%dispatch, %error, "the abort was not confirmed; the session may still run");
                }
            });
        }
        if timeout(ABORT_LIMIT, async { while aborts.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("aborts were not confirmed in time; sessions may still run");
        }
    }

    /// Has the sessions of a run deleted. Takes 30 s at most; what has not gone by then stays, as does what fails.
    pub(super) async fn delete_sessions(&self, run: RunId, placed: Vec<Locator>, in_use: Vec<Locator>) {
        let (executor, id) = (Arc::clone(&self.executor), run.clone());
        // On a task of its own: the run has succeeded, and a panic changes nothing about that.
        let mut deleting = JoinSet::new();
        deleting.spawn(async move { executor.delete_sessions(&id, &placed, &in_use).await });
        match timeout(DELETE_LIMIT, deleting.join_next()).await {
            Ok(Some(Err(error))) => tracing::warn!(%run, %error, "sessions of the run were left behind"),
            Ok(_) => {}
            Err(_) => {
                tracing::warn!(%run, "not all sessions of the run were deleted in time; the rest stays")
            }
        }
    }

    fn call<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        what: What,
        work: impl FnOnce(Arc<AtomicBool>) -> F,
    ) {
        let accepted = Arc::new(AtomicBool::new(false));
        let handle = self.calls.spawn(work(Arc::clone(&accepted)));
        self.running.insert(handle.id(), Call { what, accepted, handle });
    }

    /// A prompt that has not left yet must not leave after the abort.
    fn end_unaccepted(&mut self, dispatch: &DispatchId) {
        for call in self.running.values() {
            let sends = matches!(&call.what, What::Send(id, _) | What::Probe(id, _) if id == dispatch);
            if sends && !call.accepted.load(Ordering::Acquire) {
                call.handle.abort();
            }
        }
    }

    fn wait_after_loss(&self, dispatch: &DispatchId) -> Duration {
        let wait_ms = match self.lost.get(dispatch) {
            None => 0,
            Some(times) => LOST_WAIT_MS.saturating_mul(1 << (times - 1).min(10)).min(LONGEST_LOST_WAIT_MS),
        };
        Duration::from_millis(wait_ms)
    }

    /// A call that panicked becomes what the machine would have heard of a failure.
    fn died(&mut self, error: JoinError) -> Option<Heard> {
        let call = self.running.remove(&error.id())?;
        if !error.is_panic() {
            return None;
        }
        let failure =
            AttemptError::new(ErrorCode::Internal, format!("the worker panicked: {}", message(error)));
        tracing::error!(call = ?call.what, error = %failure, "a call into the worker panicked");
        let input = match call.what {
            What::Place(dispatch) => Input::Placed { dispatch, result: Err(failure) },
            What::Send(dispatch, locator) => {
                self.clean_up(dispatch, locator, failure);
                return None;
            }
            What::Probe(dispatch, _) => Input::Unknown { dispatch, reason: failure.message },
            What::Abort(dispatch, _) => Input::AbortEnded { dispatch, result: Err(failure) },
            What::CleanUp(dispatch, _) => settled(&dispatch, Settled::failed(failure)),
            What::LatestAnswer(number) => return Some(Heard::Answer(number, Err(failure))),
            What::Answer(_) => return None,
        };
        Some(Heard::Input(input))
    }

    /// Whatever a panic has left at work at the host is stopped before the attempt settles.
    fn clean_up(&mut self, dispatch: DispatchId, locator: Locator, failure: AttemptError) {
        let (executor, heard) = (Arc::clone(&self.executor), self.sender.clone());
        self.call(What::CleanUp(dispatch.clone(), locator.clone()), |_| async move {
            let mut failure = failure;
            match timeout(ABORT_LIMIT, executor.abort(&locator)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failure.message += &format!("; the session may still run: {error}"),
                Err(_) => failure.message += "; the session may still run: the abort was not confirmed",
            }
            tell(&heard, settled(&dispatch, Settled::failed(failure))).await;
        });
    }
}

impl What {
    fn dispatch(&self) -> Option<&DispatchId> {
        match self {
            Self::Place(id)
            | Self::Send(id, _)
            | Self::Probe(id, _)
            | Self::Abort(id, _)
            | Self::CleanUp(id, _)
            | Self::Answer(id) => Some(id),
            Self::LatestAnswer(_) => None,
        }
    }
}

/// Passes a task's updates on until it has its result, or is gone.
async fn follow(mut task: Task, dispatch: &DispatchId, heard: &mpsc::Sender<Box<Heard>>) -> Input {
    while let Some(update) = task.next().await {
        if let Update::Settled(result) = update {
            return Input::Settled { dispatch: dispatch.clone(), result };
        }
        let _ = heard.send(Box::new(Heard::Update(dispatch.clone(), update))).await;
    }
    let error = AttemptError::new(ErrorCode::WorkerLost, "the worker was lost with the turn unfinished");
    Input::Lost { dispatch: dispatch.clone(), error }
}

/// Finds out what became of a dispatch. A host that cannot tell is asked again for a while.
async fn probe(
    executor: &dyn StepExecutor,
    dispatch: &Dispatch,
    locator: &Locator,
    accepted: &AtomicBool,
    heard: &mpsc::Sender<Box<Heard>>,
) -> Input {
    let mut waits = PROBE_WAITS_MS.into_iter();
    loop {
        failpoint!(before("probe"));
        let found = executor.probe(locator, dispatch).await;
        failpoint!(after("probe"));
        match found {
            Probe::Finished(result) => return Input::Settled { dispatch: dispatch.id.clone(), result },
            Probe::Running(task) => {
                accepted.store(true, Ordering::Release);
                tell(heard, Input::Attached { dispatch: dispatch.id.clone() }).await;
                return follow(task, &dispatch.id, heard).await;
            }
            Probe::Interrupted => {
                let message = "the worker is at rest and has not answered the prompt";
                let error = AttemptError::new(ErrorCode::WorkerLost, message);
                return settled(&dispatch.id, Settled::failed(error));
            }
            Probe::NeverArrived => return Input::NeverArrived { dispatch: dispatch.id.clone() },
            Probe::Unknown(reason) => match waits.next() {
                Some(wait) => sleep(Duration::from_millis(wait)).await,
                None => return Input::Unknown { dispatch: dispatch.id.clone(), reason },
            },
        }
    }
}

async fn tell(heard: &mpsc::Sender<Box<Heard>>, input: Input) {
    // The run's task ends its work when it ends: nobody is left to tell.
    let _ = heard.send(Box::new(Heard::Input(input))).await;
}

fn settled(dispatch: &DispatchId, result: Settled) -> Input {
    Input::Settled { dispatch: dispatch.clone(), result: Box::new(result) }
}

fn message(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (None, Some(text)) => text.clone(),
            (None, None) => "no message".to_owned(),
        },
        Err(error) => error.to_string(),
    }
}
