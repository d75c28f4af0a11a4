//! A run, attempt by attempt and moment by moment.

use std::collections::{BTreeSet, HashMap};

use orch_config::{
    id::{ProfileId, StepId},
    kind::WorkerKind,
    settings::SessionPolicy,
};
use orch_opencode::{HostError, HostErrorKind, OpenCode, SessionId};
use orch_workflow::{
    attempt::{DispatchId, Outcome, RunId, Timestamp, Warning},
    event::{Event, EventBody, StepProgress},
    record::RunStatus,
    view::{ErrorView, RunView, Tokens},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    moment::{Moment, Teller},
    session::SessionTrace,
};
use crate::command;

/// What became of a session that a run was to leave none of.
const DELETED: &str = "it was deleted when the run had succeeded (`store.sessions` is `delete`)";

/// What happened in a run. The serialised form is that of `orch trace <run> --json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct RunTrace {
    /// The run.
    pub run: RunId,
    /// The workflow.
    pub workflow: String,
    /// The task.
    pub task: String,
    /// Where the run stands.
    pub status: RunStatus,
    /// The parent session.
    pub parent_session: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Time at work, in milliseconds.
    pub active_ms: u64,
    /// Tokens spent.
    pub tokens: Tokens,
    /// Money spent, in US dollars.
    pub cost_usd: f64,
    /// Every attempt of every step, oldest first.
    pub attempts: Vec<AttemptTrace>,
    /// Everything that happened, in order.
    pub moments: Vec<Moment>,
    /// The sessions that were looked up, in the order of their first use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionTrace>,
    /// The sessions that could not be, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<NotThere>,
    /// The sessions were to be deleted with the end of the run, and it has come to that.
    #[serde(skip)]
    deleted: bool,
}

/// One attempt of a step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct AttemptTrace {
    /// Its first dispatch.
    pub dispatch: DispatchId,
    /// The step.
    pub step: StepId,
    /// The step's title.
    pub title: String,
    /// The worker profile.
    pub worker: ProfileId,
    /// What the worker runs as.
    pub kind: WorkerKind,
    /// The worker's session.
    pub session: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it settled; `None` while it is at work.
    pub finished_at: Option<Timestamp>,
    /// How it ended; `None` while it is at work.
    pub outcome: Option<Outcome>,
    /// Its time at work, without waiting for people or limits.
    pub active_ms: Option<u64>,
    /// What it took, child sessions included; `None` while that is not known.
    pub tokens: Option<Tokens>,
    /// The same in US dollars.
    pub cost_usd: Option<f64>,
    /// How many prompts it took.
    pub turns: u32,
    /// The permissions and questions that it waited for.
    pub asks: u32,
    /// Its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorView>,
    /// Its remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A session that could not be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct NotThere {
    /// The session.
    pub session: String,
    /// Why, in words.
    pub reason: String,
}

/// The trace of a run from its view and all its journaled events.
#[must_use]
pub fn run_trace(run: &RunView, events: &[Event]) -> RunTrace {
    let mut attempts = Attempts::default();
    let mut teller = Teller::new(run.started_at);
    let mut moments = Vec::new();
    for event in events {
        attempts.observe(event);
        moments.extend(teller.tell(event));
    }
    RunTrace {
        run: run.id.clone(),
        workflow: run.workflow.to_string(),
        task: run.task.clone(),
        status: run.status,
        parent_session: run.parent_session.clone(),
        started_at: run.started_at,
        finished_at: run.finished_at,
        active_ms: run.active_ms,
        tokens: run.tokens,
        cost_usd: run.cost_usd,
        attempts: attempts.list,
        moments,
        sessions: Vec::new(),
        missing: Vec::new(),
        deleted: run.status == RunStatus::Success && run.sessions == SessionPolicy::Delete,
    }
}

impl RunTrace {
    /// The sessions that workers used, each once, in the order of their first use.
    #[must_use]
    pub fn session_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for session in self.attempts.iter().filter_map(|attempt| attempt.session.as_ref()) {
            if !ids.contains(session) {
                ids.push(session.clone());
            }
        }
        ids
    }

    /// The same, with only what concerns this step; `false` when the run has not come to such a step.
    pub fn only(&mut self, step: &str) -> bool {
        self.attempts.retain(|attempt| attempt.step.as_str() == step);
        self.moments.retain(|moment| moment.step.as_ref().is_some_and(|id| id.as_str() == step));
        !self.attempts.is_empty() || !self.moments.is_empty()
    }

    /// Adds the transcripts of the sessions, with those of their children. One that the host does not have is named
    /// among the [`missing`](Self::missing), as are those that live on a server of their worker's own: see
    /// [`look_up_on`](Self::look_up_on).
    pub async fn look_up(&mut self, host: &dyn OpenCode) {
        let own = self.on_servers();
        for session in self.session_ids() {
            match own.get(&session) {
                Some(worker) => {
                    let start = command::TRACE.on(&self.run);
                    self.leave_out(
                        &session,
                        &format!(
                            "it lives on the server of worker {worker}; `{start} --start` starts that to look"
                        ),
                    );
                }
                None => self.read(host, &session).await,
            }
        }
    }

    /// The workers that have sessions on servers of their own.
    #[must_use]
    pub fn server_workers(&self) -> Vec<ProfileId> {
        let workers: BTreeSet<ProfileId> = self.on_servers().into_values().collect();
        workers.into_iter().collect()
    }

    /// Adds the transcripts of the sessions that this worker has on a server of its own, from there; or names the reason
    /// why nobody can look.
    pub async fn look_up_on(&mut self, worker: &ProfileId, server: Result<&dyn OpenCode, &str>) {
        let own = self.on_servers();
        let order = self.session_ids();
        for session in order.iter().filter(|session| own.get(*session) == Some(worker)) {
            self.missing.retain(|missing| missing.session != *session);
            match server {
                Ok(host) => self.read(host, session).await,
                Err(reason) => self.leave_out(session, reason),
            }
        }
        self.sessions.sort_by_key(|trace| order.iter().position(|session| *session == trace.session));
    }

    /// The sessions that are not on the host of the others, each with its worker.
    fn on_servers(&self) -> HashMap<String, ProfileId> {
        let own = self.attempts.iter().filter(|attempt| attempt.kind == WorkerKind::Server);
        own.filter_map(|attempt| Some((attempt.session.clone()?, attempt.worker.clone()))).collect()
    }

    async fn read(&mut self, host: &dyn OpenCode, session: &str) {
        let read = match SessionId::parse(session) {
            Ok(id) => SessionTrace::read(host, &id).await.map_err(|error| self.unread(&error)),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(trace) => self.sessions.push(trace),
            Err(reason) => self.leave_out(session, &reason),
        }
    }

    /// Why a session could not be read.
    fn unread(&self, error: &HostError) -> String {
        if self.deleted && error.kind() == HostErrorKind::NotFound {
            return DELETED.to_owned();
        }
        error.to_string()
    }

    /// Says of all sessions why they are not looked up.
    pub fn without_host(&mut self, reason: &str) {
        for session in self.session_ids() {
            self.leave_out(&session, reason);
        }
    }

    fn leave_out(&mut self, session: &str, reason: &str) {
        self.missing.push(NotThere { session: session.to_owned(), reason: reason.to_owned() });
    }
}

/// The attempts so far, oldest first.
#[derive(Default)]
struct Attempts {
    list: Vec<AttemptTrace>,
}

impl Attempts {
    fn observe(&mut self, event: &Event) {
        match &event.body {
            EventBody::StepStarted { step, title, dispatch, worker, kind, .. } => {
                self.list.push(AttemptTrace {
                    dispatch: dispatch.clone(),
                    step: step.clone(),
                    title: title.clone(),
                    worker: worker.clone(),
                    kind: *kind,
                    session: None,
                    started_at: event.at,
                    finished_at: None,
                    outcome: None,
                    active_ms: None,
                    tokens: None,
                    cost_usd: None,
                    turns: 1,
                    asks: 0,
                    error: None,
                    warnings: Vec::new(),
                })
            }
            EventBody::StepProgress { dispatch, progress, .. } => {
                if let Some(attempt) = self.of(dispatch) {
                    attempt.progress(progress);
                }
            }
            EventBody::StepSettled {
                dispatch,
                outcome,
                error,
                warnings,
                active_ms,
                tokens,
                cost_usd,
                ..
            } => {
                if let Some(attempt) = self.of(dispatch) {
                    attempt.finished_at = Some(event.at);
                    attempt.outcome = Some(*outcome);
                    attempt.active_ms = Some(*active_ms);
                    attempt.tokens = tokens.or(attempt.tokens);
                    attempt.cost_usd = cost_usd.or(attempt.cost_usd);
                    attempt.error.clone_from(error);
                    attempt.warnings.clone_from(warnings);
                }
            }
            EventBody::AskOpened { step, .. } => {
                if let Some(attempt) = self.list.iter_mut().rev().find(|attempt| attempt.step == *step) {
                    attempt.asks += 1;
                }
            }
            _ => {}
        }
    }

    fn of(&mut self, dispatch: &DispatchId) -> Option<&mut AttemptTrace> {
        let same = |attempt: &&mut AttemptTrace| {
            attempt.dispatch.step == dispatch.step
                && attempt.dispatch.iteration == dispatch.iteration
                && attempt.dispatch.attempt == dispatch.attempt
        };
        self.list.iter_mut().rev().find(same)
    }
}

impl AttemptTrace {
    fn progress(&mut self, progress: &StepProgress) {
        match progress {
            StepProgress::Placed { session, .. } => self.session = Some(session.clone()),
            StepProgress::Turn { .. } => self.turns += 1,
            StepProgress::Used { tokens, cost_usd } => {
                self.tokens = Some(*tokens);
                self.cost_usd = Some(*cost_usd);
            }
            _ => {}
        }
    }
}
