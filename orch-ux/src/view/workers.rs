//! The workers of a project: what `orch workers` shows.

use orch_config::{
    id::{ProfileId, StepId},
    kind::WorkerKind,
};
use orch_workflow::{
    attempt::{RunId, Timestamp},
    view::{RunView, StepStatus, StepView},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    command,
    page::Page,
    text::{duration, word},
};

/// The workers that the runs of a project have used. The serialised form is that of `orch workers --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Workers {
    /// The moment.
    pub at: Timestamp,
    /// Those at work first, then by their latest use.
    pub workers: Vec<WorkerRow>,
}

/// A worker as the runs of a project have used it: a profile, running as a kind, in one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct WorkerRow {
    /// The profile.
    pub worker: ProfileId,
    /// What it runs as.
    pub kind: WorkerKind,
    /// Its session; `None` while it has none.
    pub session: Option<String>,
    /// What it does.
    pub state: WorkerState,
    /// The run that used it last.
    pub run: RunId,
    /// The step that used it last.
    pub step: StepId,
    /// How many attempts it has made, in all runs.
    pub attempts: usize,
    /// When it was last given work, or had finished it.
    pub last_at: Timestamp,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WorkerState {
    /// It is at work.
    Busy,
    /// It waits for a person: a permission, a question, or a talk that is not over.
    Waiting,
    /// Nobody drives its run, or nobody knows what became of its prompt.
    Unknown,
    /// It has nothing to do.
    AtRest,
}

/// The workers of these runs at the moment `now`.
#[must_use]
pub fn workers<'a>(runs: impl IntoIterator<Item = &'a RunView>, now: Timestamp) -> Workers {
    let mut rows: Vec<WorkerRow> = Vec::new();
    for run in runs {
        for step in run.steps.iter().filter(|step| !step.attempts.is_empty()) {
            let new = row(run, step);
            let same = |row: &&mut WorkerRow| {
                row.session.is_some() && (&row.worker, &row.session) == (&new.worker, &new.session)
            };
            match rows.iter_mut().find(same) {
                Some(known) => known.take_in(new),
                None => rows.push(new),
            }
        }
    }
    rows.sort_by_key(|row| (row.state as u8, std::cmp::Reverse(row.last_at)));
    Workers { at: now, workers: rows }
}

fn row(run: &RunView, step: &StepView) -> WorkerRow {
    let last = step.attempts.last();
    WorkerRow {
        worker: step.worker.clone(),
        kind: step.kind,
        session: step.session.clone(),
        state: state(run, step),
        run: run.id.clone(),
        step: step.id.clone(),
        attempts: step.attempts.len(),
        last_at: last.map_or(run.started_at, |attempt| attempt.finished_at.unwrap_or(attempt.started_at)),
    }
}

fn state(run: &RunView, step: &StepView) -> WorkerState {
    let interactive = || {
        let interactive = orch_workflow::decision::GateReason::Interactive;
        run.gate.iter().chain(&run.gates).any(|gate| gate.reason == interactive && gate.step == step.id)
    };
    match step.status {
        _ if run.status.is_terminal() => WorkerState::AtRest,
        StepStatus::InDoubt => WorkerState::Unknown,
        StepStatus::Running if run.interrupted => WorkerState::Unknown,
        _ if !step.asks.is_empty() || interactive() => WorkerState::Waiting,
        StepStatus::Running => WorkerState::Busy,
        _ => WorkerState::AtRest,
    }
}

impl WorkerRow {
    fn take_in(&mut self, other: Self) {
        let attempts = self.attempts + other.attempts;
        if (other.state as u8, std::cmp::Reverse(other.last_at))
            < (self.state as u8, std::cmp::Reverse(self.last_at))
        {
            *self = other;
        }
        self.attempts = attempts;
    }
}

impl Workers {
    /// The same for people.
    #[must_use]
    pub fn page(&self) -> Page {
        let mut page = Page::new();
        if self.workers.is_empty() {
            page.line(&format!(
                "no run has used a worker yet; `{}` lists the profiles",
                command::PROFILES.form
            ));
            return page;
        }
        self.write(&mut page);
        let session = self.workers.iter().find_map(|row| row.session.as_deref());
        page.commands(session.map(|session| (command::tracing(session), "see what it did".to_owned())));
        page
    }

    pub(super) fn write(&self, page: &mut Page) {
        let cells = |row: &WorkerRow| {
            vec![
                row.worker.to_string(),
                row.kind.to_string(),
                word(&row.state),
                duration(self.at.ms_since(row.last_at)),
                row.attempts.to_string(),
                format!("{} of {}", row.step, row.run),
                row.session.clone().unwrap_or_default(),
            ]
        };
        let head = ["worker", "kind", "state", "since", "attempts", "last", "session"];
        page.table(&head, self.workers.iter().map(cells));
    }
}
