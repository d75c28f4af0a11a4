//! What the events of one run have said so far.

use std::mem::Discriminant;

use orch_config::id::StepId;
use orch_workflow::{
    attempt::{Outcome, RunId},
    decision::{DecisionKind, Gate},
    event::{Event, EventBody, StepProgress},
    record::GroupEnd,
    view::ErrorView,
};

use crate::{
    foreground::Stage,
    step_line::StepLine,
    text::{counted, plain, word},
};

const ID_CHARS: usize = 64;
const ORDER_CHARS: usize = 1_000;

/// Everything that a text about a run needs, folded from its events.
///
/// It tolerates a stream that was joined late: what was never said is left out of the texts.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// The run.
    pub(crate) run: RunId,
    /// The workflow, once `run.started` was seen.
    pub(crate) workflow: Option<String>,
    /// The task.
    pub(crate) task: String,
    /// The session for notices.
    pub(crate) parent_session: Option<String>,
    /// Gates that wait, oldest first.
    pub(crate) open_gates: Vec<Gate>,
    /// Whether the event that was observed last makes it possible, for the first time, to say that the run
    /// started: a parent session may be created only when the first worker needs it.
    pub(crate) start_can_be_told: bool,
    /// Whose session is shown.
    pub(crate) stage: Stage,
    planned: usize,
    /// The order of the steps, for people; empty if it was never said.
    order: String,
    steps: Vec<StepContext>,
    groups: Vec<StepId>,
    start_was_told: bool,
    seen: Seen,
}

/// What is known of one step.
#[derive(Debug, Clone)]
pub(crate) struct StepContext {
    id: StepId,
    pub(crate) standing: Standing,
    pub(crate) error: Option<ErrorView>,
    pub(crate) session: Option<String>,
    /// Whether its latest attempt left a text that can be read.
    pub(crate) answered: bool,
    active_ms: Option<u64>,
    /// The pass of its group, from 1, and the attempts in it.
    iteration: u32,
    attempts: usize,
}

/// Where a step stands, as far as events tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Pending,
    Running,
    InDoubt,
    Settled(Outcome),
    Skipped,
    Replaced,
}

/// The newest journaled event, to tell repetitions of a replay from news. One record may yield several events.
#[derive(Debug, Clone, Default)]
struct Seen {
    seq: u64,
    at_seq: Vec<Discriminant<EventBody>>,
}

impl RunContext {
    /// A run of which nothing is known yet.
    #[must_use]
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            workflow: None,
            task: String::new(),
            parent_session: None,
            open_gates: Vec::new(),
            start_can_be_told: false,
            stage: Stage::default(),
            planned: 0,
            order: String::new(),
            steps: Vec::new(),
            groups: Vec::new(),
            start_was_told: false,
            seen: Seen::default(),
        }
    }

    /// Takes in one event. `false` for live progress and for an event that was taken in before.
    pub fn observe(&mut self, event: &Event) -> bool {
        if event.live || event.run != self.run || !self.seen.is_news(event) {
            return false;
        }
        self.fold(&event.body);
        self.stage.observe(&event.body);
        self.start_can_be_told =
            !self.start_was_told && self.workflow.is_some() && self.parent_session.is_some();
        self.start_was_told |= self.start_can_be_told;
        true
    }

    /// The lines of all steps, in plan order.
    #[must_use]
    pub fn step_lines(&self) -> Vec<StepLine> {
        self.steps.iter().map(|step| self.line_of(step)).collect()
    }

    /// The line of one step, known or not.
    #[must_use]
    pub fn step_line(&self, id: &StepId) -> StepLine {
        match self.step(id) {
            Some(step) => self.line_of(step),
            None => self.line_of(&StepContext::new(id.clone())),
        }
    }

    /// The steps and their order as part of a sentence: `3 steps, plan → code + docs`.
    pub(crate) fn order(&self) -> String {
        let ids = self.steps.iter().map(|step| plain(step.id.as_str(), ID_CHARS));
        let order = match self.order.as_str() {
            "" => ids.collect::<Vec<_>>().join(", "),
            order => plain(order, ORDER_CHARS),
        };
        format!("{}, {order}", counted(self.steps.len(), "step"))
    }

    /// Time at work so far, all steps together.
    #[must_use]
    pub fn active_ms(&self) -> u64 {
        self.steps.iter().filter_map(|step| step.active_ms).sum()
    }

    /// What a gate is about, as part of a sentence: `step 3/4 review (2nd pass)`, `group polish`.
    pub(crate) fn subject_of(&self, gate: &Gate) -> String {
        if self.groups.contains(&gate.step) {
            return format!("group {}", plain(gate.step.as_str(), ID_CHARS));
        }
        format!("step {}", self.step_line(&gate.step).name())
    }

    pub(crate) fn step(&self, id: &StepId) -> Option<&StepContext> {
        self.steps.iter().find(|step| step.id == *id)
    }

    pub(crate) fn steps(&self) -> &[StepContext] {
        &self.steps
    }

    fn fold(&mut self, body: &EventBody) {
        match body {
            EventBody::RunStarted { workflow, task, steps, order, groups, parent_session, .. } => {
                self.workflow = Some(workflow.to_string());
                self.task.clone_from(task);
                self.planned = steps.len();
                self.order.clone_from(order);
                self.steps = steps.iter().cloned().map(StepContext::new).collect();
                self.groups.clone_from(groups);
                self.parent_session.clone_from(parent_session);
            }
            EventBody::StepStarted { step, dispatch, .. } => {
                let step = self.step_mut(step);
                if step.iteration != dispatch.iteration {
                    step.begin_pass(dispatch.iteration);
                }
                step.standing = Standing::Running;
                step.attempts += 1;
            }
            EventBody::StepSkipped { step, .. } => self.step_mut(step).standing = Standing::Skipped,
            EventBody::GroupIteration { group, iteration, steps, .. } => {
                self.know_group(group);
                for step in steps {
                    self.step_mut(step).begin_pass(*iteration);
                }
            }
            EventBody::GroupFinished { group, end: GroupEnd::Skipped, steps, .. } => {
                self.know_group(group);
                for step in steps {
                    self.step_mut(step).standing = Standing::Skipped;
                }
            }
            EventBody::StepProgress { step, progress, .. } => self.fold_progress(step, progress),
            EventBody::StepSettled { step, outcome, text, error, active_ms, .. } => {
                let step = self.step_mut(step);
                step.standing = Standing::Settled(*outcome);
                step.error.clone_from(error);
                step.answered = !text.is_empty();
                step.active_ms = Some(step.active_ms.unwrap_or(0).saturating_add(*active_ms));
            }
            EventBody::StepReused { step, outcome, text, session, .. } => {
                let step = self.step_mut(step);
                step.standing = outcome.map_or(Standing::Skipped, Standing::Settled);
                step.answered = !text.is_empty();
                step.session.clone_from(session);
            }
            EventBody::GateOpened { gate } => self.open_gates.push(gate.clone()),
            EventBody::GateResolved { gate, decision, .. } => {
                let Some(index) = self.open_gates.iter().position(|open| open.id == *gate) else { return };
                let step = self.open_gates.remove(index).step;
                if self.groups.contains(&step) {
                    // What it means for the steps of the group is told by events of its own.
                    return;
                }
                match decision {
                    DecisionKind::Skip => self.step_mut(&step).standing = Standing::Skipped,
                    DecisionKind::Replace => self.step_mut(&step).standing = Standing::Replaced,
                    DecisionKind::Continue | DecisionKind::Retry | DecisionKind::Abort => {}
                }
            }
            _ => {}
        }
    }

    fn fold_progress(&mut self, step: &StepId, progress: &StepProgress) {
        match progress {
            StepProgress::Placed { session, parent_session } => {
                self.step_mut(step).session = Some(session.clone());
                if let Some(parent) = parent_session {
                    self.parent_session = Some(parent.clone());
                }
            }
            StepProgress::InDoubt { .. } => self.step_mut(step).standing = Standing::InDoubt,
            _ => {}
        }
    }

    fn know_group(&mut self, id: &StepId) {
        if !self.groups.contains(id) {
            self.groups.push(id.clone());
        }
    }

    /// The step, added at the end when the stream was joined too late to have heard of it.
    fn step_mut(&mut self, id: &StepId) -> &mut StepContext {
        let index = self.steps.iter().position(|step| step.id == *id).unwrap_or_else(|| {
            self.steps.push(StepContext::new(id.clone()));
            self.steps.len() - 1
        });
        &mut self.steps[index]
    }

    fn line_of(&self, step: &StepContext) -> StepLine {
        let position = self.steps.iter().position(|other| other.id == step.id).map_or(0, |index| index + 1);
        let known = (1..=self.planned).contains(&position);
        StepLine {
            position: if known { position } else { 0 },
            total: if known { self.planned } else { 0 },
            step: step.id.to_string(),
            state: step.standing.word(),
            iteration: step.iteration,
            ms: step.active_ms,
            session: step.session.clone(),
            attempts: step.attempts,
        }
    }
}

impl StepContext {
    fn new(id: StepId) -> Self {
        Self {
            id,
            standing: Standing::Pending,
            error: None,
            session: None,
            answered: false,
            active_ms: None,
            iteration: 1,
            attempts: 0,
        }
    }

    /// It is as if it had not begun, but for the time that it has taken.
    fn begin_pass(&mut self, iteration: u32) {
        let (active_ms, session) = (self.active_ms, self.session.take());
        *self = Self { iteration, active_ms, session, ..Self::new(self.id.clone()) };
    }
}

impl Standing {
    pub(crate) fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Settled(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whether the step has a result that counts.
    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Settled(Outcome::Ok | Outcome::Warning) | Self::Replaced)
    }

    fn word(self) -> String {
        match self {
            Self::Pending => "not run".to_owned(),
            Self::Running => "running".to_owned(),
            Self::InDoubt => "in doubt".to_owned(),
            Self::Settled(outcome) => word(&outcome),
            Self::Skipped => "skipped".to_owned(),
            Self::Replaced => "replaced".to_owned(),
        }
    }
}

impl Seen {
    fn is_news(&mut self, event: &Event) -> bool {
        let kind = std::mem::discriminant(&event.body);
        match event.seq.cmp(&self.seq) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal if self.at_seq.contains(&kind) => false,
            std::cmp::Ordering::Equal => {
                self.at_seq.push(kind);
                true
            }
            std::cmp::Ordering::Greater => {
                *self = Self { seq: event.seq, at_seq: vec![kind] };
                true
            }
        }
    }
}
