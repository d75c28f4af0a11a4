//! Whose turn it is in a session: the host answers all queued prompts with one turn, so ours go one after the other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use orch_opencode::{MessageId, SessionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The turns of one worker's sessions, and the prompts that wait for one or have one.
#[derive(Debug)]
pub(super) struct Turns {
    sessions: Mutex<HashMap<SessionId, Arc<Semaphore>>>,
    flights: Mutex<HashMap<MessageId, Controls>>,
    /// How many prompts may wait.
    queue: Arc<Semaphore>,
}

/// The right to prompt a session; ends with the value.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// A place in the queue for a turn.
#[derive(Debug)]
pub(super) struct Queued {
    _place: OwnedSemaphorePermit,
    session: Arc<Semaphore>,
}

impl Queued {
    /// Waits until everything before it is over. Cancel safe: dropping it leaves the queue.
    pub(super) async fn wait(self) -> Option<Turn> {
        self.session.acquire_owned().await.ok().map(|permit| Turn { _permit: permit })
    }
}

/// What a prompt gets that asks for its turn.
#[derive(Debug)]
pub(super) enum Entry {
    Now(Turn),
    Later(Queued),
    Full,
}

/// How others steer a prompt that is on its way in this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Controls {
    /// Asks it to stop.
    pub(super) stop: CancellationToken,
    /// Says that it has ended.
    pub(super) ended: CancellationToken,
}

/// The entry of a prompt in the list of those on their way; leaves it when dropped.
#[derive(Debug)]
pub(super) struct Boarding {
    turns: Arc<Turns>,
    message: MessageId,
    pub(super) controls: Controls,
}

impl Turns {
    pub(super) fn new(queue: usize) -> Self {
        Self { sessions: Mutex::default(), flights: Mutex::default(), queue: Arc::new(Semaphore::new(queue)) }
    }

    /// Asks for the next turn in a session.
    pub(super) fn enter(&self, session: &SessionId) -> Entry {
        let turn = {
            let mut sessions = lock(&self.sessions);
            sessions.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(sessions.entry(session.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        if let Ok(permit) = Arc::clone(&turn).try_acquire_owned() {
            return Entry::Now(Turn { _permit: permit });
        }
        match Arc::clone(&self.queue).try_acquire_owned() {
            Ok(place) => Entry::Later(Queued { _place: place, session: turn }),
            Err(_) => Entry::Full,
        }
    }

    /// Puts a prompt on the list of those on their way.
    pub(super) fn board(self: &Arc<Self>, message: MessageId) -> Boarding {
        let controls = Controls::default();
        lock(&self.flights).insert(message.clone(), controls.clone());
        Boarding { turns: Arc::clone(self), message, controls }
    }

    /// The controls of a prompt that is on its way in this process.
    pub(super) fn controls(&self, message: &MessageId) -> Option<Controls> {
        lock(&self.flights).get(message).cloned()
    }
}

impl Drop for Boarding {
    fn drop(&mut self) {
        lock(&self.turns.flights).remove(&self.message);
        self.controls.ended.cancel();
    }
}

/// Plain maps stay consistent even if a holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
