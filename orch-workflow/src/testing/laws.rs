//! What must hold whatever happens, read from the journal alone by rules that are written down here a second time.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use orch_config::{id::StepId, kind::ExecutionMode, profile::Handoff};

use crate::{
    attempt::{AttemptError, DispatchId, Settled},
    decision::{Decision, DecisionKind, Gate, GateId, GateReason, Spent},
    machine::{Effect, Machine},
    plan::Plan,
    port::AskId,
    record::{Record, RecordBody, RunStatus, TurnPurpose},
    view::{RunView, StepStatus},
};

/// The invariants of a run, checked while its journal grows.
///
/// It knows nothing of the machine's state: only records, and the effects that were released after them.
///
/// * at most one live dispatch per step, at most `maxParallel` in all, at most one foreground step at a time;
/// * an attempt settles once, and a step that has its answer is begun again only by a decision;
/// * a paused run, a run at a gate and a run that comes to its end dispatch nothing, nor does one that is to pause;
/// * nothing begins before what it needs is over, and nothing that has no budget left;
/// * a run that has ended has no live dispatch, no gate and no timer, and its journal ends there;
/// * every resolved gate was open, and what was decided was allowed;
/// * no effect without its intent in the journal: nothing is sent before its place is there;
/// * the bounds of automatic repetition and of groups hold.
#[derive(Debug, Clone, Default)]
pub struct Laws {
    /// Shared: whoever tries all orders of events has many copies.
    plan: Option<Arc<Plan>>,
    status: Option<RunStatus>,
    seq: u64,
    begun: HashSet<DispatchId>,
    /// What was begun with the last of the records that were read last.
    latest: Vec<DispatchId>,
    placed: HashSet<DispatchId>,
    over: HashSet<DispatchId>,
    stopping: HashSet<DispatchId>,
    answered_asks: HashSet<AskId>,
    steps: HashMap<StepId, Step>,
    open_gates: Vec<Gate>,
    to_pause: bool,
    groups: HashMap<StepId, Passes>,
    ending: bool,
    /// A forked run begins with what it has from the other one, before anything else.
    takes_over: bool,
}

/// What the journal has said of a step.
#[derive(Debug, Clone, Default)]
struct Step {
    live: Option<DispatchId>,
    /// An attempt has begun and not ended; between its turns nothing of it is live.
    open: bool,
    latest: Option<Latest>,
    /// A record gives the reason to begin another attempt.
    renewed: bool,
    /// Attempts since the start, the latest decision on the step, or the begin of the pass.
    tries: u32,
}

/// What the journal has said of a group.
#[derive(Debug, Clone, Default)]
struct Passes {
    iteration: u32,
    /// After how many a decision was taken to make as many again.
    renewed_at: u32,
    over: bool,
}

#[derive(Debug, Clone)]
struct Latest {
    iteration: u32,
    failed: bool,
}

/// A law does not hold; in words, with what breaks it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// What has to hold, or else the sentence that says what is wrong.
macro_rules! hold {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(Broken(format!($($message)+)));
        }
    };
}

impl Laws {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes further records in, in order.
    ///
    /// # Errors
    /// The first law that they break.
    pub fn read(&mut self, records: &[Record]) -> Result<(), Broken> {
        self.latest.clear();
        for record in records {
            hold!(record.seq == self.seq + 1, "record {} follows record {}", record.seq, self.seq);
            self.seq = record.seq;
            let ended = self.status.is_some_and(RunStatus::is_terminal);
            hold!(!ended, "a record after the end: {:?}", record.body);
            self.take(&record.body)?;
        }
        Ok(())
    }

    /// Looks at an effect that was released now.
    ///
    /// # Errors
    /// Its intent is not in the journal, or it must not happen any more.
    pub fn check_effect(&self, effect: &Effect) -> Result<(), Broken> {
        let id = effect.dispatch();
        hold!(self.is_live(id), "an effect for {id}, which is not live: {effect:?}");
        let stopped = self.stopping.contains(id) || self.ending;
        match effect {
            Effect::Place(_) => hold!(!self.placed.contains(id), "{id} is placed a second time"),
            Effect::Send(dispatch, _) => {
                hold!(self.placed.contains(id), "{id} is sent before its place is journaled");
                hold!(!stopped, "{id} is sent although it is being stopped");
                hold!(self.status == Some(RunStatus::Running), "{id} is sent although the run rests");
                hold!(dispatch.id == *id, "{id} is sent as {}", dispatch.id);
            }
            Effect::Probe(..) => hold!(self.placed.contains(id), "{id} is probed without a place"),
            Effect::Abort(..) => hold!(stopped, "{id} is aborted for no reason"),
            Effect::Answer(_, _, ask, _) => {
                hold!(
                    self.answered_asks.contains(ask),
                    "ask {ask} is answered before the answer is journaled"
                );
            }
        }
        Ok(())
    }

    /// The number of the last record that was read.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Looks at a machine whose journal has been read to its end.
    ///
    /// # Errors
    /// It says something else than its journal, or what was begun last was not to begin yet.
    pub fn check_machine(&self, machine: &Machine) -> Result<(), Broken> {
        let view = machine.view();
        hold!(
            Some(view.status) == self.status,
            "the run is {:?}, its journal says {:?}",
            view.status,
            self.status
        );
        hold!(view.seq == self.seq, "the run is at record {}, its journal at {}", view.seq, self.seq);
        let shown: Vec<&GateId> = view.gate.iter().chain(&view.gates).map(|gate| &gate.id).collect();
        if view.status.is_terminal() {
            hold!(shown.is_empty(), "an ended run has gates: {shown:?}");
            hold!(view.asks.is_empty(), "an ended run waits for answers: {:?}", view.asks);
            hold!(machine.next_deadline().is_none(), "an ended run has a timer");
            hold!(machine.at_rest(), "an ended run is not at rest");
        } else {
            let open: Vec<&GateId> = self.open_gates.iter().map(|gate| &gate.id).collect();
            hold!(shown == open, "the run shows gates {shown:?}, its journal has {open:?}");
        }
        self.latest.iter().try_for_each(|dispatch| self.was_to_begin(dispatch, &view))
    }

    fn was_to_begin(&self, dispatch: &DispatchId, view: &RunView) -> Result<(), Broken> {
        let planned = self.plan.as_ref().and_then(|plan| Some((plan, plan.step(&dispatch.step)?)));
        let Some((plan, step)) = planned else { return Err(Broken(format!("{dispatch} is not planned"))) };
        let group = plan.groups.iter().find(|group| Some(&group.id) == step.group.as_ref());
        let needs = step.needs.iter().chain(group.into_iter().flat_map(|group| &group.needs));
        let over = |id: &&StepId| {
            let step = view.steps.iter().find(|step| step.id == **id).map(|step| step.status);
            let group = view.groups.iter().find(|group| group.id == **id).map(|group| group.status);
            matches!(step.or(group), Some(StepStatus::Done | StepStatus::Skipped))
        };
        if let Some(need) = needs.into_iter().find(|need| !over(need)) {
            return Err(Broken(format!("{dispatch} begins before {need}, which it needs, is over")));
        }
        let its = |spent: &&Spent| spent.step.as_ref().is_none_or(|step| *step == dispatch.step);
        let spent = view.budgets.iter().filter(its).find(|spent| spent.is_all());
        hold!(spent.is_none(), "{dispatch} begins although nothing is left: {spent:?}");
        Ok(())
    }

    /// The dispatches that are intended and have no result.
    pub fn live(&self) -> impl Iterator<Item = &DispatchId> {
        self.steps.values().filter_map(|step| step.live.as_ref())
    }

    /// Whether the run only waits for what is in flight before it ends as something else than a success.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Whether a dispatch was stopped before it had its result.
    #[must_use]
    pub fn was_stopped(&self, dispatch: &DispatchId) -> bool {
        self.stopping.contains(dispatch)
    }

    /// Whether a dispatch is intended and has no result.
    #[must_use]
    pub fn is_live(&self, dispatch: &DispatchId) -> bool {
        self.steps.get(&dispatch.step).and_then(|step| step.live.as_ref()) == Some(dispatch)
    }

    fn take(&mut self, body: &RecordBody) -> Result<(), Broken> {
        if !matches!(body, RecordBody::AttemptStarted { .. } | RecordBody::TurnStarted { .. }) {
            self.latest.clear();
        }
        match body {
            RecordBody::RunStarted(started) => {
                hold!(self.status.is_none(), "the run starts a second time");
                self.status = Some(RunStatus::Running);
                self.plan = Some(Arc::new(started.plan.clone()));
                self.takes_over = started.forked_from.is_some();
            }
            RecordBody::AttemptStarted { dispatch, .. } => self.attempt_started(dispatch)?,
            RecordBody::TurnStarted { dispatch, purpose, .. } => {
                let open = self.steps.get(&dispatch.step).is_some_and(|step| step.open);
                hold!(open, "{dispatch} is a turn of no attempt");
                // A repair is part of what was in flight before the gate opened, or the pause was asked for.
                if *purpose != TurnPurpose::Repair {
                    self.free_to_begin(dispatch)?;
                }
                self.begun(dispatch)?;
            }
            RecordBody::Placed { dispatch, .. } => {
                hold!(self.is_live(dispatch), "{dispatch} is placed, but not live");
                hold!(self.placed.insert(dispatch.clone()), "{dispatch} is placed twice");
            }
            RecordBody::Stopping { dispatch, .. } => {
                hold!(self.is_live(dispatch), "{dispatch} is stopped, but not live");
                hold!(self.stopping.insert(dispatch.clone()), "{dispatch} is stopped twice");
            }
            RecordBody::AskAnswered { ask, .. } => drop(self.answered_asks.insert(ask.clone())),
            RecordBody::Answered { dispatch, .. } => drop(self.ended(dispatch)?),
            RecordBody::Settled { dispatch, result, .. } => self.settled(dispatch, result)?,
            RecordBody::InDoubt { dispatch, .. } => {
                let step = self.ended(dispatch)?;
                step.open = false;
                step.latest = Some(Latest { iteration: dispatch.iteration, failed: true });
            }
            RecordBody::Skipped { step } => {
                let resting = self.steps.get(step).is_none_or(|step| !step.open);
                hold!(resting, "step {step} is left out while it is at work");
            }
            RecordBody::Reused { step, result } => {
                hold!(
                    self.takes_over,
                    "step {step} has a result of another run, and this one goes on already"
                );
                let from = result.from.as_ref();
                let iteration = from.map_or(1, |dispatch| dispatch.iteration);
                self.steps.entry(step.clone()).or_default().latest =
                    Some(Latest { iteration, failed: false });
            }
            RecordBody::IterationStarted { group, iteration } => self.pass_started(group, *iteration)?,
            RecordBody::GroupEnded { group, .. } => {
                self.members_rest(group)?;
                let passes = self.groups.entry(group.clone()).or_default();
                hold!(!std::mem::replace(&mut passes.over, true), "group {group} ends twice");
            }
            RecordBody::BackedOff { dispatch, error, .. } => self.backed_off(dispatch, error)?,
            RecordBody::GateOpened { gate } => {
                hold!(!gate.allowed.is_empty(), "gate {} allows nothing", gate.id);
                let possible = gate.default.is_none_or(|default| gate.allows(default));
                hold!(possible, "the default of gate {} is not allowed at it", gate.id);
                hold!(self.open_gates.iter().all(|open| open.id != gate.id), "gate {} opens twice", gate.id);
                self.to_pause = false;
                self.open_gates.push(gate.clone());
                self.takes_over = false;
            }
            RecordBody::GateResolved { gate, decision, .. } => self.resolved(gate, decision)?,
            RecordBody::PauseRequested { .. } => self.to_pause = true,
            RecordBody::CancelRequested { .. } | RecordBody::Failing { .. } => self.ending = true,
            RecordBody::Paused => {
                hold!(self.status == Some(RunStatus::Running), "the run pauses, but was not running");
                hold!(!self.open_gates.is_empty(), "the run pauses at no gate");
                self.nothing_live("a paused run")?;
                self.status = Some(RunStatus::Paused);
            }
            RecordBody::Resumed => {
                hold!(self.status == Some(RunStatus::Paused), "the run goes on, but was not paused");
                self.status = Some(RunStatus::Running);
            }
            RecordBody::Finished { status, .. } => {
                hold!(status.is_terminal(), "the run finishes as {}", status.as_str());
                self.nothing_live("an ended run")?;
                self.status = Some(*status);
            }
            RecordBody::Used { dispatch, .. } => {
                hold!(self.is_live(dispatch), "{dispatch} uses something, but is not live");
            }
            RecordBody::Warned { .. } | RecordBody::AskOpened { .. } | RecordBody::AskClosed { .. } => {}
        }
        Ok(())
    }

    fn attempt_started(&mut self, dispatch: &DispatchId) -> Result<(), Broken> {
        self.free_to_begin(dispatch)?;
        self.begun(dispatch)?;
        self.in_pass(dispatch)?;
        let step = self.steps.entry(dispatch.step.clone()).or_default();
        hold!(!step.open, "{dispatch} begins while an attempt of its step is open");
        match &step.latest {
            Some(latest) if latest.iteration == dispatch.iteration => {
                hold!(step.renewed, "{dispatch} runs a step again, and nobody has decided so");
            }
            _ => step.tries = 0,
        }
        step.tries += 1;
        step.renewed = false;
        step.open = true;
        self.one_foreground()
    }

    fn free_to_begin(&self, dispatch: &DispatchId) -> Result<(), Broken> {
        hold!(self.open_gates.is_empty(), "{dispatch} begins while a gate is open");
        hold!(!self.to_pause, "{dispatch} begins although somebody wants a pause");
        Ok(())
    }

    fn begun(&mut self, dispatch: &DispatchId) -> Result<(), Broken> {
        hold!(self.status == Some(RunStatus::Running), "{dispatch} begins in a run that rests");
        hold!(!self.ending, "{dispatch} begins in a run that ends");
        hold!(self.begun.insert(dispatch.clone()), "{dispatch} begins twice");
        self.latest.push(dispatch.clone());
        self.takes_over = false;
        let step = self.steps.entry(dispatch.step.clone()).or_default();
        if let Some(live) = step.live.replace(dispatch.clone()) {
            return Err(Broken(format!("{dispatch} begins while {live} is live")));
        }
        let most = self.plan.as_ref().map_or(0, |plan| plan.limits.max_parallel.max(1));
        let live = self.live().count();
        hold!(
            live <= usize::try_from(most).unwrap_or(usize::MAX),
            "{live} dispatches at once, {most} allowed"
        );
        Ok(())
    }

    fn settled(&mut self, dispatch: &DispatchId, result: &Settled) -> Result<(), Broken> {
        let step = self.ended(dispatch)?;
        step.open = false;
        step.latest = Some(Latest { iteration: dispatch.iteration, failed: result.error.is_some() });
        Ok(())
    }

    /// A dispatch has its one result.
    fn ended(&mut self, dispatch: &DispatchId) -> Result<&mut Step, Broken> {
        hold!(self.is_live(dispatch), "{dispatch} has a result, but is not live");
        hold!(self.over.insert(dispatch.clone()), "{dispatch} has a second result");
        let step = self.steps.entry(dispatch.step.clone()).or_default();
        step.live = None;
        Ok(step)
    }

    /// Automatic attempts are bounded by the plan. A rate limit with its end is waited for beyond that, until the same
    /// comes three times running.
    fn backed_off(&mut self, dispatch: &DispatchId, error: &AttemptError) -> Result<(), Broken> {
        let plan = self.plan.as_ref().and_then(|plan| plan.step(&dispatch.step));
        let most = plan.map_or(1, |step| step.retry.max_attempts.max(1));
        let step = self.steps.entry(dispatch.step.clone()).or_default();
        let most = if error.reset_at.is_none() { most - 1 } else { most + 1 };
        hold!(step.tries <= most, "{dispatch} is tried again after {} tries: {error}", step.tries);
        step.renewed = true;
        Ok(())
    }

    fn resolved(&mut self, id: &GateId, made: &Decision) -> Result<(), Broken> {
        let decision = made.kind();
        let position = self.open_gates.iter().position(|open| open.id == *id);
        let Some(position) = position else {
            return Err(Broken(format!("gate {id} is resolved, but was not open")));
        };
        let gate = self.open_gates.remove(position);
        hold!(
            gate.allows(decision),
            "gate {id} is answered with {}, which it does not allow",
            decision.as_str()
        );
        self.ending |= decision == DecisionKind::Abort;
        if gate.reason == GateReason::DefinitionChanged {
            // It only names the step that comes next.
            return Ok(());
        }
        if let Some(passes) = self.groups.get_mut(&gate.step) {
            if decision == DecisionKind::Retry {
                passes.renewed_at = passes.iteration;
            }
            return Ok(());
        }
        let planned = self.plan.as_ref().and_then(|plan| plan.step(&gate.step));
        let asked = matches!(made, Decision::HandOff { .. });
        let hands_over = asked || planned.is_some_and(|step| step.handoff != Handoff::None);
        let step = self.steps.entry(gate.step).or_default();
        let failed = step.latest.as_ref().is_some_and(|latest| latest.failed);
        match decision {
            DecisionKind::Retry => {
                step.open = false;
                step.renewed = true;
                step.tries = 0;
            }
            DecisionKind::Continue if failed && !step.open => {
                step.renewed = true;
                step.tries = 0;
            }
            // The hand-off is a turn of the same attempt; without one the attempt is over.
            DecisionKind::Continue if step.open => step.open = hands_over,
            DecisionKind::Skip | DecisionKind::Replace => step.open = false,
            DecisionKind::Continue | DecisionKind::Abort => {}
        }
        Ok(())
    }

    /// A pass begins when all of the one before is over, and there are no more than the plan and people allow.
    fn pass_started(&mut self, group: &StepId, iteration: u32) -> Result<(), Broken> {
        hold!(self.status == Some(RunStatus::Running), "group {group} goes on in a run that rests");
        hold!(self.open_gates.is_empty(), "group {group} goes on while a gate is open");
        hold!(!self.ending, "group {group} goes on in a run that ends");
        self.members_rest(group)?;
        let planned =
            self.plan.as_ref().and_then(|plan| plan.groups.iter().find(|planned| planned.id == *group));
        let max = planned.map_or(0, |planned| planned.max.max(1));
        let passes = self.groups.entry(group.clone()).or_default();
        let most = passes.renewed_at.saturating_add(max);
        hold!(!passes.over, "group {group} goes on after its end");
        if self.takes_over {
            passes.iteration = iteration;
            return Ok(());
        }
        hold!(
            iteration == passes.iteration + 1,
            "group {group} makes pass {iteration} after {}",
            passes.iteration
        );
        hold!(iteration <= most, "group {group} makes pass {iteration} of {most}");
        passes.iteration = iteration;
        Ok(())
    }

    fn members_rest(&self, group: &StepId) -> Result<(), Broken> {
        let members =
            self.plan.iter().flat_map(|plan| &plan.steps).filter(|step| step.group.as_ref() == Some(group));
        let open = |id: &StepId| self.steps.get(id).is_some_and(|step| step.open);
        match members.into_iter().find(|step| open(&step.id)) {
            Some(step) => Err(Broken(format!("group {group} goes on while step {} is at work", step.id))),
            None => Ok(()),
        }
    }

    fn in_pass(&self, dispatch: &DispatchId) -> Result<(), Broken> {
        let planned = self.plan.as_ref().and_then(|plan| plan.step(&dispatch.step));
        let group = planned.and_then(|step| step.group.as_ref());
        let pass = group.map_or(1, |group| self.groups.get(group).map_or(0, |passes| passes.iteration));
        hold!(dispatch.iteration == pass, "{dispatch} begins in pass {pass}");
        Ok(())
    }

    fn one_foreground(&self) -> Result<(), Broken> {
        let Some(plan) = &self.plan else { return Ok(()) };
        let foreground = plan.steps.iter().filter(|step| step.execution == ExecutionMode::Foreground);
        let open = foreground.filter(|step| self.steps.get(&step.id).is_some_and(|step| step.open)).count();
        hold!(open <= 1, "a person is with {open} steps at once");
        Ok(())
    }

    fn nothing_live(&self, what: &str) -> Result<(), Broken> {
        match self.live().next() {
            Some(live) => Err(Broken(format!("{what} has {live} in flight"))),
            None => Ok(()),
        }
    }
}
