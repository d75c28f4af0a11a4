//! From the journal's records to the public events.

use std::{collections::HashMap, sync::Arc};

use orch_config::id::StepId;

use super::{Event, EventBody, StepProgress};
use crate::{
    attempt::{AttemptError, DispatchId, Settled, Usage, Warning, WarningCode},
    plan::{Plan, PlanGroup, PlanStep},
    record::{Record, RecordBody, ReusedResult, RunStarted, RunStatus},
    view::ErrorView,
};

/// Folds a journal into events: each record gives none, one or a few, with the record's own number.
///
/// Feed it every record of one run from the first on, whether or not its event is wanted: later events need what
/// earlier records said.
#[derive(Debug, Default)]
pub struct Projector {
    started: Option<Arc<RunStarted>>,
    /// What is known of attempts that have not settled, by step.
    open: HashMap<StepId, OpenAttempt>,
    /// The step that failed last, and why.
    failed: Option<(StepId, AttemptError)>,
    /// Whether it was told that the run fails.
    failing: bool,
}

/// What earlier records said of an attempt, and its result does not repeat.
#[derive(Debug, Default)]
struct OpenAttempt {
    warnings: Vec<Warning>,
    /// What its answered prompts took.
    answered: Usage,
    /// What the prompt in flight took at least.
    in_flight: Usage,
}

impl OpenAttempt {
    fn answer(&mut self, usage: Usage) {
        self.answered += std::mem::take(&mut self.in_flight).at_least(usage);
    }
}

impl Projector {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next record. Nothing for a record that means nothing outside, or before the run's start.
    pub fn project(&mut self, record: &Record) -> impl Iterator<Item = Event> + use<> {
        if let RecordBody::RunStarted(started) = &record.body {
            self.started.get_or_insert_with(|| Arc::clone(started));
        }
        let (seq, at) = (record.seq, record.at);
        let known = self.started.clone().map(|started| {
            let asides = self.asides(&record.body);
            (started.run.clone(), asides.into_iter().chain(self.body(&started.plan, &record.body)))
        });
        known.into_iter().flat_map(move |(run, bodies)| {
            bodies.map(move |body| Event { seq, at, run: run.clone(), live: false, body })
        })
    }

    /// What a record says by the way and has an event of its own, told before the record's.
    fn asides(&mut self, record: &RecordBody) -> Vec<EventBody> {
        match record {
            RecordBody::Settled { dispatch, result, .. } => {
                if let Some(error) = &result.error {
                    self.failed = Some((dispatch.step.clone(), error.clone()));
                }
                let low = |warning: &&Warning| warning.code == WarningCode::BudgetLow;
                result.warnings.iter().filter(low).map(|warning| remark(dispatch, warning)).collect()
            }
            RecordBody::Failing { .. } => {
                self.failing = true;
                Vec::new()
            }
            RecordBody::Finished { status: RunStatus::Error, error: Some(error), .. } if !self.failing => {
                let failed = self.failed.take().filter(|(_, known)| known == error);
                vec![EventBody::Error { step: failed.map(|(step, _)| step), error: error_view(error) }]
            }
            _ => Vec::new(),
        }
    }

    fn body(&mut self, plan: &Plan, record: &RecordBody) -> Option<EventBody> {
        Some(match record {
            RecordBody::RunStarted(started) => EventBody::RunStarted {
                workflow: plan.workflow.clone(),
                task: started.task.clone(),
                steps: plan.steps.iter().map(|step| step.id.clone()).collect(),
                order: plan.line(),
                groups: plan.groups.iter().map(|group| group.id.clone()).collect(),
                parent_session: started.parent_session.clone(),
                forked_from: started.forked_from.clone(),
                warnings: started.warnings.clone(),
            },
            RecordBody::AttemptStarted { dispatch, prompt, .. } => {
                self.open.remove(&dispatch.step);
                let PlanStep { id, title, worker, kind, execution, .. } = plan.step(&dispatch.step)?;
                EventBody::StepStarted {
                    step: id.clone(),
                    title: title.clone(),
                    dispatch: dispatch.clone(),
                    worker: worker.clone(),
                    kind: *kind,
                    execution: *execution,
                    prompt: Arc::clone(prompt),
                }
            }
            RecordBody::TurnStarted { dispatch, prompt, purpose } => {
                progress(dispatch, StepProgress::Turn { prompt: Arc::clone(prompt), purpose: *purpose })
            }
            RecordBody::Placed { dispatch, session, parent_session, .. } => {
                let (session, parent_session) = (session.clone(), parent_session.clone());
                progress(dispatch, StepProgress::Placed { session, parent_session })
            }
            RecordBody::Warned { dispatch, warning } => {
                self.open(dispatch).warnings.push(warning.clone());
                remark(dispatch, warning)
            }
            RecordBody::AskOpened { dispatch, ask } => {
                EventBody::AskOpened { step: dispatch.step.clone(), ask: ask.clone() }
            }
            // The worker has not taken the answer yet; `ask.resolved` follows when it has.
            RecordBody::AskAnswered { .. } => return None,
            RecordBody::Failing { step, error } => {
                EventBody::Error { step: Some(step.clone()), error: error_view(error) }
            }
            RecordBody::Skipped { step } => {
                let PlanStep { id, title, when, .. } = plan.step(step)?;
                let condition = when.as_ref().map_or_else(String::new, ToString::to_string);
                EventBody::StepSkipped { step: id.clone(), title: title.clone(), condition }
            }
            RecordBody::Reused { step, result } => {
                let PlanStep { id, title, .. } = plan.step(step)?;
                let ReusedResult { from, session, outcome, text, .. } = result.as_ref().clone();
                EventBody::StepReused { step: id.clone(), title: title.clone(), from, outcome, text, session }
            }
            RecordBody::IterationStarted { group, iteration } => {
                let PlanGroup { id, title, .. } = plan.group(group)?;
                let (group, title, iteration) = (id.clone(), title.clone(), *iteration);
                EventBody::GroupIteration { steps: members(plan, &group), group, title, iteration }
            }
            RecordBody::GroupEnded { group, end } => {
                let PlanGroup { id, title, .. } = plan.group(group)?;
                let (group, title, end) = (id.clone(), title.clone(), *end);
                EventBody::GroupFinished { steps: members(plan, &group), group, title, end }
            }
            RecordBody::AskClosed { dispatch, ask, by } => {
                let (step, ask, by) = (dispatch.step.clone(), ask.clone(), by.clone());
                EventBody::AskResolved { step, ask, by }
            }
            RecordBody::Answered { dispatch, result, .. } => {
                let open = self.open(dispatch);
                open.warnings.extend(result.warnings.clone());
                open.answer(result.usage);
                progress(dispatch, StepProgress::Answered { text: result.text.clone() })
            }
            RecordBody::Stopping { dispatch, why } => {
                progress(dispatch, StepProgress::Stopping { reason: why.to_string() })
            }
            RecordBody::Settled { dispatch, result, active_ms, .. } => {
                self.settled(dispatch, result, *active_ms)
            }
            RecordBody::InDoubt { dispatch, reason } => {
                progress(dispatch, StepProgress::InDoubt { reason: reason.clone() })
            }
            RecordBody::BackedOff { dispatch, until, error } => {
                progress(dispatch, StepProgress::Backoff { until: *until, error: error_view(error) })
            }
            RecordBody::GateOpened { gate } => EventBody::GateOpened { gate: gate.clone() },
            RecordBody::Used { dispatch, usage } => {
                let open = self.open(dispatch);
                open.in_flight = open.in_flight.at_least(*usage);
                progress(dispatch, StepProgress::used(*usage))
            }
            RecordBody::GateResolved { gate, decision, policy, budget, by } => EventBody::GateResolved {
                gate: gate.clone(),
                decision: decision.kind(),
                policy: *policy,
                budget: *budget,
                by: by.clone(),
            },
            RecordBody::PauseRequested { by } => requested("pause", by),
            RecordBody::CancelRequested { by } => requested("cancel", by),
            RecordBody::Paused => EventBody::RunPaused,
            RecordBody::Resumed => EventBody::RunResumed,
            RecordBody::Finished { status, error, notes } => EventBody::RunFinished {
                status: *status,
                error: error.as_ref().map(error_view),
                notes: notes.clone(),
            },
        })
    }

    fn settled(&mut self, dispatch: &DispatchId, result: &Settled, active_ms: u64) -> EventBody {
        let mut result = result.clone();
        let mut open = self.open.remove(&dispatch.step).unwrap_or_default();
        open.answer(result.usage);
        open.warnings.append(&mut result.warnings);
        result.warnings = open.warnings;
        EventBody::StepSettled {
            step: dispatch.step.clone(),
            dispatch: dispatch.clone(),
            outcome: result.outcome(),
            text: result.text,
            output: result.output,
            error: result.error.as_ref().map(error_view),
            warnings: result.warnings,
            active_ms,
            tokens: Some(open.answered.into()),
            cost_usd: Some(open.answered.cost_usd),
        }
    }

    fn open(&mut self, dispatch: &DispatchId) -> &mut OpenAttempt {
        self.open.entry(dispatch.step.clone()).or_default()
    }
}

fn members(plan: &Plan, group: &StepId) -> Vec<StepId> {
    let members = plan.steps.iter().filter(|step| step.group.as_ref() == Some(group));
    members.map(|step| step.id.clone()).collect()
}

fn progress(dispatch: &DispatchId, progress: StepProgress) -> EventBody {
    EventBody::StepProgress { step: dispatch.step.clone(), dispatch: dispatch.clone(), progress }
}

fn remark(dispatch: &DispatchId, warning: &Warning) -> EventBody {
    if warning.code == WarningCode::CarryTrimmed {
        return EventBody::CarryTrimmed {
            step: dispatch.step.clone(),
            dispatch: dispatch.clone(),
            message: warning.message.clone(),
        };
    }
    if warning.code == WarningCode::BudgetLow {
        return EventBody::BudgetLow {
            step: dispatch.step.clone(),
            dispatch: dispatch.clone(),
            message: warning.message.clone(),
        };
    }
    EventBody::Warning { step: dispatch.step.clone(), warning: warning.clone() }
}

fn requested(request: &str, by: &str) -> EventBody {
    EventBody::RunRequested { request: request.to_owned(), by: by.to_owned() }
}

fn error_view(error: &AttemptError) -> ErrorView {
    ErrorView { code: error.code, message: error.message.clone() }
}
