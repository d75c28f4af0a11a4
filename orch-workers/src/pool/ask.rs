//! A question to a worker outside any step.

use orch_config::{
    id::{ProfileId, StepId, WorkflowId},
    kind::{ExecutionMode, WorkerKind},
};
use orch_workflow::{
    attempt::{AttemptError, DispatchId, ErrorCode, RunId, Settled},
    port::{AskPolicy, Dispatch, SendError, SessionChoice, StepExecutor as _, Update},
};

use super::Pool;

/// A session that a worker has, and the step that it has it for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conversation {
    /// The profile.
    pub worker: ProfileId,
    /// What the worker runs as.
    pub kind: WorkerKind,
    /// The session.
    pub session: String,
    /// The run's parent session, if it has one.
    pub parent: Option<String>,
    /// The run that used it last.
    pub run: RunId,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// The step that used it last.
    pub step: StepId,
}

impl Conversation {
    /// What was said in this session of a worker, for this step of a run.
    #[must_use]
    pub fn new(
        (worker, kind): (ProfileId, WorkerKind),
        session: impl Into<String>,
        (run, workflow, step): (RunId, WorkflowId, StepId),
    ) -> Self {
        Self { worker, kind, session: session.into(), parent: None, run, workflow, step }
    }

    /// The same below this parent session.
    #[must_use]
    pub fn below(mut self, parent: Option<String>) -> Self {
        self.parent = parent;
        self
    }

    fn dispatch(self, directory: &str, question: &str) -> Dispatch {
        let prompt = format!(
            "Answer this question for somebody who sees nothing of this session but your answer: {question}"
        );
        Dispatch {
            id: DispatchId { run: self.run, step: self.step, iteration: 1, attempt: 1, turn: 1 },
            workflow: self.workflow,
            title: question.to_owned(),
            worker: self.worker,
            kind: self.kind,
            execution: ExecutionMode::Background,
            prompt: prompt.into(),
            session: SessionChoice::Same,
            continues: Some(self.session),
            parent_session: self.parent,
            parent_title: "".into(),
            directory: directory.into(),
            asks: AskPolicy::Deny,
            required_skills: Vec::new(),
            attachments: Vec::new(),
        }
    }
}

impl Pool {
    /// Puts a question to a worker in a session that it has, and waits for the answer. A session that is at work
    /// answers when it has finished. It belongs to no step: no journal holds it, and what the worker asks leave for
    /// meanwhile is denied. Dropping the future leaves the question where it is.
    ///
    /// # Errors
    /// The session is gone or cannot be reached, or the model failed.
    pub async fn ask(&self, conversation: Conversation, question: &str) -> Result<Settled, AttemptError> {
        let dispatch = conversation.dispatch(self.inner.host.directory(), question);
        let placement = self.place(&dispatch).await?;
        let mut task = match self.send(&placement.locator, &dispatch).await {
            Ok(task) => task,
            Err(SendError::Refused(error) | SendError::InDoubt(error)) => return Err(error),
        };
        while let Some(update) = task.next().await {
            if let Update::Settled(settled) = update {
                return match settled.error.clone() {
                    None => Ok(*settled),
                    Some(error) => Err(error),
                };
            }
        }
        let message = format!("lost sight of session {}; the answer may still come there", placement.session);
        Err(AttemptError::new(ErrorCode::Unreachable, message))
    }
}
