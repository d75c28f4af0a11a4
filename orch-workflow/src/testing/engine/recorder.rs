//! Writes down what an executor has accepted and answered, whoever asked it to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    attempt::{AttemptError, DispatchId, Settled},
    port::{AskId, AskReply, Dispatch, Locator, Placement, Probe, SendError, StepExecutor, Task, Update},
};

/// How many updates may wait for whoever follows a task.
const BACKLOG: usize = 64;

/// What the executors of one world have done. It outlives them all.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    accepted: BTreeMap<DispatchId, u32>,
    answers: BTreeMap<DispatchId, Settled>,
}

/// An executor, with somebody who takes notes.
#[derive(Debug)]
pub(super) struct Recorder {
    executor: Arc<dyn StepExecutor>,
    notes: Notes,
}

impl Notes {
    /// The same executor, which is written down from now on.
    pub(super) fn taken_of(&self, executor: Arc<dyn StepExecutor>) -> Arc<Recorder> {
        Arc::new(Recorder { executor, notes: self.clone() })
    }

    /// What was answered, and with what.
    pub(super) fn answers(&self) -> BTreeMap<DispatchId, Settled> {
        self.noted().answers.clone()
    }

    /// The prompts that were accepted more than once.
    pub(super) fn doubled(&self) -> Vec<String> {
        let noted = self.noted();
        let doubled = noted.accepted.iter().filter(|(_, times)| **times > 1);
        doubled.map(|(dispatch, times)| format!("{dispatch} was accepted {times} times")).collect()
    }

    fn accepted(&self, dispatch: &DispatchId) {
        *self.noted().accepted.entry(dispatch.clone()).or_default() += 1;
    }

    fn answered(&self, dispatch: &DispatchId, answer: &Settled) {
        self.noted().answers.insert(dispatch.clone(), answer.clone());
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// The same task, listened to for as long as somebody follows it.
    fn listen(&self, dispatch: &Dispatch, mut task: Task) -> Task {
        let (notes, dispatch) = (self.notes.clone(), dispatch.id.clone());
        let (sender, listened) = Task::channel(BACKLOG);
        tokio::spawn(async move {
            loop {
                let update = tokio::select! {
                    update = task.next() => update,
                    () = sender.unfollowed() => None,
                };
                let Some(update) = update else { return };
                if let Update::Settled(answer) = &update {
                    notes.answered(&dispatch, answer);
                }
                if sender.send(update).await.is_err() {
                    return;
                }
            }
        });
        listened
    }
}

#[async_trait]
impl StepExecutor for Recorder {
    async fn place(&self, dispatch: &Dispatch) -> Result<Placement, AttemptError> {
        self.executor.place(dispatch).await
    }

    async fn send(&self, locator: &Locator, dispatch: &Dispatch) -> Result<Task, SendError> {
        let task = self.executor.send(locator, dispatch).await?;
        self.notes.accepted(&dispatch.id);
        Ok(self.listen(dispatch, task))
    }

    async fn probe(&self, locator: &Locator, dispatch: &Dispatch) -> Probe {
        match self.executor.probe(locator, dispatch).await {
            Probe::Running(task) => Probe::Running(self.listen(dispatch, task)),
            Probe::Finished(answer) => {
                self.notes.answered(&dispatch.id, &answer);
                Probe::Finished(answer)
            }
            found => found,
        }
    }

    async fn abort(&self, locator: &Locator) -> Result<(), AttemptError> {
        self.executor.abort(locator).await
    }

    async fn latest_answer(&self, locator: &Locator) -> Result<Settled, AttemptError> {
        self.executor.latest_answer(locator).await
    }

    async fn answer(&self, locator: &Locator, ask: &AskId, reply: &AskReply) -> Result<(), AttemptError> {
        self.executor.answer(locator, ask, reply).await
    }
}
