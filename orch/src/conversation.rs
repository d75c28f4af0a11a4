//! Talking to workers outside of gates: a question at any time, and their sessions on a person's screen.

use orch_config::kind::WorkerKind;
use orch_opencode::SessionId;
use orch_ux::{command, view::workers::WorkerRow};
use orch_workers::Conversation;
use orch_workflow::attempt::Settled;

use crate::{
    error::{Error, ErrorKind},
    orchestrator::Orchestrator,
};

/// What the terminal interfaces of the host show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shown {
    /// The worker's session.
    Worker,
    /// The session above it.
    Parent,
}

impl Orchestrator {
    /// The worker of this profile that was used last, one that is at work before all others, or the one with this
    /// session; among those that the runs of the project have used.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when no run has given it a session; otherwise the store cannot be read.
    pub async fn worker(&self, name: &str) -> Result<WorkerRow, Error> {
        let rows = self.workers().await?.workers.into_iter();
        let mut found = rows.filter(|row| row.session.is_some());
        let is_it = |row: &WorkerRow| row.worker.as_str() == name || row.session.as_deref() == Some(name);
        found.find(is_it).ok_or_else(|| {
            let message = format!("no run of this project has given a worker {name:?} a session yet");
            Error::new(ErrorKind::Usage, "orch::workers::no-session", message)
                .with_help(format!("those that have one are listed by `{}`", command::WORKERS.form))
        })
    }

    /// Puts a question to a [worker](Self::worker) in its session and waits for the answer; one that is at work answers
    /// when it has finished. The answer is the caller's alone: no step and no journal holds it. What the worker asks
    /// leave for meanwhile is denied. Dropping the future leaves the question in the session.
    ///
    /// # Errors
    /// There is no such worker, its session is gone or cannot be reached, or the model failed.
    pub async fn ask(&self, worker: &str, question: &str) -> Result<Settled, Error> {
        let row = self.worker(worker).await?;
        let view = self.view(&row.run).await?;
        let session = row.session.clone().unwrap_or_default();
        let step = (row.run.clone(), view.workflow.clone(), row.step.clone());
        let conversation =
            Conversation::new((row.worker, row.kind), session, step).below(view.parent_session.clone());
        let answer = self.reach_for(&row.run).await?.pool().ask(conversation, question).await;
        answer.map_err(|error| {
            let message = format!("ask worker {worker:?}: {}", error.message);
            Error::new(ErrorKind::Host, "orch::workers::no-answer", message).with_help(format!(
                "what was said there is shown by `{}`",
                command::tracing(&session_of(&row.session))
            ))
        })
    }

    /// Shows a [worker](Self::worker), or what is above it, in every terminal interface at the host. Returns the
    /// session that is shown.
    ///
    /// # Errors
    /// There is no such worker, or nobody can look at it: its session is on a server of its own, or the host would have
    /// to be started.
    pub async fn open(&self, worker: &str, what: Shown) -> Result<SessionId, Error> {
        let row = self.worker(worker).await?;
        let not_here = |message: String| Error::new(ErrorKind::Usage, "orch::workers::not-shown", message);
        let session = session_of(&row.session);
        if row.kind == WorkerKind::Server {
            let message =
                format!("worker {worker:?} is on a server of its own, which has no terminal interface");
            return Err(not_here(message).with_help(format!("read it with `{}`", command::tracing(&session))));
        }
        if !self.has_running_host() {
            let message =
                "nobody sees it: no server is named, and one that is started has no terminal interface";
            return Err(not_here(message.to_owned()).with_help(
                "start OpenCode with `opencode --port 4096` or `opencode serve` and `opencode attach`, and name it with \
                 --server",
            ));
        }
        let id = SessionId::parse(session.as_str())
            .map_err(|_| not_here(format!("worker {worker:?} has no session of OpenCode: {session:?}")))?;
        let host = self.host().await?;
        let shown = match what {
            Shown::Worker => id,
            Shown::Parent => {
                let above = host.session(&id).await?.parent;
                let of_run = self.view(&row.run).await?.parent_session;
                let of_run = of_run.and_then(|parent| SessionId::parse(parent).ok());
                above.or(of_run).ok_or_else(|| {
                    not_here(format!(
                        "worker {worker:?} has no session above it, and its run has none either"
                    ))
                    .with_help("a worker of kind `subagent` has one")
                })?
            }
        };
        host.select_session(&shown).await?;
        Ok(shown)
    }
}

fn session_of(session: &Option<String>) -> String {
    session.clone().unwrap_or_default()
}
