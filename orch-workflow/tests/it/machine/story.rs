//! Tells a run step by step: time, results and decisions in; status, gates and effects out.

use std::path::PathBuf;

use orch_config::{
    Config, Profile, StepDefinition, WorkflowDefinition,
    expression::Expression,
    id::{ProfileId, StepId, WorkflowId},
    kind::WorkerKind,
    policy::{Execution, Intervene, Policy, PolicyPatch},
};
use orch_workflow::{
    attempt::{AttemptError, DispatchId, ErrorCode, RunId, Settled, Timestamp, Warning, WarningCode},
    decision::{Decision, DecisionKind, Gate, GateReason, Rejected},
    history::ForkedRun,
    machine::{Batch, Effect, Input, Machine},
    plan::Plan,
    port::{AskPolicy, Locator, Placement},
    record::{FORMAT_VERSION, Record, RunStarted, RunStatus},
    view::{RunView, StepStatus, StepView},
};
use serde_json::json;

pub(crate) const TASK: &str = "build a boat";

/// A workflow to be, with steps `one`, `two`, … unless a test says otherwise.
pub(crate) fn workflow(steps: impl IntoIterator<Item = StepDefinition>) -> WorkflowDefinition {
    WorkflowDefinition::new(WorkflowId::new("boat").unwrap(), steps)
}

pub(crate) fn step(id: &str) -> StepDefinition {
    let prompt = format!("{id}: {{task}}");
    StepDefinition::new(StepId::new(id).unwrap(), ProfileId::new("coder").unwrap(), prompt)
}

pub(crate) fn config(workflow: WorkflowDefinition) -> Config {
    let mut config = Config::builtin();
    config.insert_profile(Profile::new(ProfileId::new("coder").unwrap()).with_kind(WorkerKind::Agent));
    config.insert_workflow(workflow);
    config
}

pub(crate) fn plan(workflow: WorkflowDefinition) -> Plan {
    let id = workflow.id.to_string();
    Plan::compile(&config(workflow), &id).unwrap()
}

/// A plan of steps that wait for exactly the steps named with them.
pub(crate) fn graph(steps: &[(&str, &[&str])]) -> Plan {
    let mut plan = plan(workflow(steps.iter().map(|(id, _)| step(id))));
    for (planned, (_, needs)) in plan.steps.iter_mut().zip(steps) {
        planned.needs = needs.iter().map(|id| StepId::new(*id).unwrap()).collect();
    }
    plan
}

/// The same plan with these steps repeated together.
pub(crate) fn repeat(
    mut plan: Plan,
    id: &str,
    needs: &[&str],
    steps: &[&str],
    max: u32,
    until: &str,
) -> Plan {
    let group = json!({ "id": id, "title": id, "needs": needs, "max": max, "until": until });
    plan.groups.push(serde_json::from_value(group).unwrap());
    let members = plan.steps.iter_mut().filter(|step| steps.contains(&step.id.as_str()));
    members.for_each(|step| step.group = Some(StepId::new(id).unwrap()));
    plan
}

/// The same plan with a step or group that is left out unless a condition holds.
pub(crate) fn when(mut plan: Plan, id: &str, condition: &str) -> Plan {
    let condition = Some(Expression::parse(condition).unwrap());
    match plan.groups.iter_mut().find(|group| group.id.as_str() == id) {
        Some(group) => group.when = condition,
        None => plan.steps.iter_mut().find(|step| step.id.as_str() == id).unwrap().when = condition,
    }
    plan
}

/// An answer with structured output.
pub(crate) fn output(text: &str, output: serde_json::Value) -> Settled {
    let mut settled = Settled::answer(text);
    settled.output = Some(output);
    settled
}

pub(crate) fn policy(execution: Execution, intervene: Intervene) -> PolicyPatch {
    PolicyPatch { execution: Some(execution), intervene: Some(intervene) }
}

pub(crate) fn auto(intervene: Intervene) -> PolicyPatch {
    policy(Execution::Auto, intervene)
}

pub(crate) fn run_started(plan: Plan, policy: PolicyPatch) -> RunStarted {
    RunStarted {
        format: FORMAT_VERSION,
        run: RunId::new("run_1").unwrap(),
        digest: plan.digest(),
        plan,
        task: TASK.to_owned(),
        policy,
        budget: Default::default(),
        parent_session: None,
        directory: PathBuf::from("project"),
        asks: AskPolicy::Wait,
        attachments: Vec::new(),
        metadata: serde_json::Value::Null,
        forked_from: None,
        warnings: Vec::new(),
        sessions: Default::default(),
    }
}

pub(crate) fn warned(text: &str) -> Settled {
    Settled::answer(text).with_warning(Warning::new(WarningCode::ToolFailed, "`make` failed"))
}

pub(crate) fn failed(code: ErrorCode, message: &str) -> Settled {
    Settled::failed(AttemptError::new(code, message))
}

/// One run, its journal, and the effects that nobody has taken care of.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) machine: Machine,
    pub(crate) journal: Vec<Record>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) now: Timestamp,
    /// Batches with records: what a store would have to make durable one by one.
    pub(crate) commits: usize,
}

impl Story {
    /// Begins a run and takes it up.
    pub(crate) fn begin(workflow: WorkflowDefinition, policy: PolicyPatch) -> Self {
        Self::of(run_started(plan(workflow), policy))
    }

    pub(crate) fn of(started: RunStarted) -> Self {
        let mut story = Self::not_taken_up(started);
        story.tell(Input::TakenUp);
        story
    }

    pub(crate) fn not_taken_up(started: RunStarted) -> Self {
        Self::begun(Machine::begin(Timestamp(1_000), started).unwrap())
    }

    /// Begins a run that was forked from `run_1`, as `run_2`.
    pub(crate) fn forked(forked: ForkedRun) -> Self {
        let forked = forked.named(RunId::new("run_2").unwrap());
        let mut story = Self::begun(Machine::begin_forked(Timestamp(1_000), forked).unwrap());
        story.tell(Input::TakenUp);
        story
    }

    pub(crate) fn begun((machine, batch): (Machine, Batch)) -> Self {
        let now = Timestamp(1_000);
        let mut story = Self { machine, journal: Vec::new(), effects: Vec::new(), now, commits: 0 };
        story.commit(batch);
        story
    }

    /// Gives an input that is not refused.
    pub(crate) fn tell(&mut self, input: Input) -> &mut Self {
        self.try_tell(input).unwrap();
        self
    }

    pub(crate) fn try_tell(&mut self, input: Input) -> Result<(), Rejected> {
        let batch = self.machine.handle(self.now, input)?;
        self.commit(batch);
        Ok(())
    }

    pub(crate) fn commit(&mut self, batch: Batch) {
        self.commits += usize::from(!batch.records.is_empty());
        self.journal.extend(batch.records.iter().cloned());
        self.effects.extend(self.machine.commit(batch));
    }

    /// Time passes; what becomes due on the way happens when it is due.
    pub(crate) fn wait(&mut self, ms: u64) -> &mut Self {
        let until = self.now.plus_ms(ms);
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let seq = self.machine.seq();
            self.tell(Input::Tick);
            assert!(
                self.machine.seq() > seq || self.machine.next_deadline() > Some(due),
                "the deadline at {due:?} does nothing"
            );
        }
        self.now = until;
        self
    }

    /// The owner dies and another process takes the run up, from the journal alone.
    pub(crate) fn crash(&mut self) -> &mut Self {
        self.reopen();
        self.tell(Input::TakenUp)
    }

    pub(crate) fn reopen(&mut self) -> &mut Self {
        self.machine = Machine::replay(&self.journal).unwrap();
        self.effects.clear();
        self
    }

    /// The effects since the last look, in words: `place one`, `send one`, `abort one`.
    pub(crate) fn wanted(&mut self) -> Vec<String> {
        std::mem::take(&mut self.effects)
            .iter()
            .map(|effect| {
                let word = match effect {
                    Effect::Place(_) => "place",
                    Effect::Send(..) => "send",
                    Effect::Probe(..) => "probe",
                    Effect::Abort(..) => "abort",
                    Effect::Answer(..) => "answer",
                    _ => "?",
                };
                format!("{word} {}", short(effect.dispatch()))
            })
            .collect()
    }

    /// The dispatch that was placed last.
    pub(crate) fn dispatch(&self) -> DispatchId {
        self.journal
            .iter()
            .rev()
            .find_map(|record| match &record.body {
                orch_workflow::record::RecordBody::AttemptStarted { dispatch, .. }
                | orch_workflow::record::RecordBody::TurnStarted { dispatch, .. } => Some(dispatch.clone()),
                _ => None,
            })
            .expect("something was dispatched")
    }

    /// The latest dispatch of a step.
    pub(crate) fn dispatch_of(&self, step: &str) -> DispatchId {
        let begun = self.journal.iter().rev().filter_map(|record| match &record.body {
            orch_workflow::record::RecordBody::AttemptStarted { dispatch, .. }
            | orch_workflow::record::RecordBody::TurnStarted { dispatch, .. } => Some(dispatch),
            _ => None,
        });
        begun.into_iter().find(|dispatch| dispatch.step.as_str() == step).expect("the step has begun").clone()
    }

    /// `place` answers for the latest dispatch of a step.
    pub(crate) fn place_of(&mut self, step: &str) -> &mut Self {
        let dispatch = self.dispatch_of(step);
        let result = Ok(placement(&dispatch));
        self.tell(Input::Placed { dispatch, result })
    }

    /// The latest dispatch of a step settles.
    pub(crate) fn settle_of(&mut self, step: &str, result: Settled) -> &mut Self {
        let dispatch = self.dispatch_of(step);
        self.tell(Input::Settled { dispatch, result: Box::new(result) })
    }

    /// The latest dispatch of a step is placed, sent and settled.
    pub(crate) fn work_of(&mut self, step: &str, result: Settled) -> &mut Self {
        self.place_of(step).settle_of(step, result)
    }

    /// An abort of the latest dispatch of a step is confirmed.
    pub(crate) fn abort_of(&mut self, step: &str) -> &mut Self {
        let dispatch = self.dispatch_of(step);
        self.tell(Input::AbortEnded { dispatch, result: Ok(()) })
    }

    /// The steps of the open gates, oldest first.
    pub(crate) fn gated(&self) -> Vec<String> {
        let view = self.view();
        view.gate.iter().chain(&view.gates).map(|gate| gate.step.to_string()).collect()
    }

    /// Answers the gate of a step, wherever it stands in the queue.
    pub(crate) fn decide_at(&mut self, step: &str, decision: Decision) -> &mut Self {
        let view = self.view();
        let gate = view.gate.iter().chain(&view.gates).find(|gate| gate.step.as_str() == step);
        let gate = Some(gate.expect("the step has a gate").id.clone());
        let by = "test".to_owned();
        self.tell(Input::Decide {
            gate,
            decision,
            policy: PolicyPatch::default(),
            budget: Default::default(),
            by,
        })
    }

    /// `place` answers for the latest dispatch.
    pub(crate) fn place(&mut self) -> &mut Self {
        let dispatch = self.dispatch();
        let result = Ok(placement(&dispatch));
        self.tell(Input::Placed { dispatch, result })
    }

    /// The latest dispatch settles.
    pub(crate) fn settle(&mut self, result: Settled) -> &mut Self {
        let dispatch = self.dispatch();
        self.tell(Input::Settled { dispatch, result: Box::new(result) })
    }

    /// The latest dispatch is placed, sent and settled.
    pub(crate) fn work(&mut self, result: Settled) -> &mut Self {
        self.place().settle(result)
    }

    pub(crate) fn decide(&mut self, decision: Decision) -> &mut Self {
        self.try_decide(decision).unwrap();
        self
    }

    pub(crate) fn try_decide(&mut self, decision: Decision) -> Result<(), Rejected> {
        self.try_tell(Input::Decide {
            gate: None,
            decision,
            policy: PolicyPatch::default(),
            budget: Default::default(),
            by: "test".to_owned(),
        })
    }

    pub(crate) fn view(&self) -> RunView {
        self.machine.view()
    }

    pub(crate) fn status(&self) -> RunStatus {
        self.machine.status()
    }

    pub(crate) fn gate(&self) -> Gate {
        self.view().gate.expect("a gate is open")
    }

    pub(crate) fn reason(&self) -> GateReason {
        self.gate().reason
    }

    pub(crate) fn allowed(&self) -> Vec<DecisionKind> {
        self.gate().allowed
    }

    pub(crate) fn step(&self, id: &str) -> StepView {
        self.view().steps.into_iter().find(|step| step.id.as_str() == id).expect("the step is there")
    }

    pub(crate) fn step_status(&self, id: &str) -> StepStatus {
        self.step(id).status
    }

    pub(crate) fn prompt(&self) -> String {
        self.journal
            .iter()
            .rev()
            .find_map(|record| match &record.body {
                orch_workflow::record::RecordBody::AttemptStarted { prompt, .. }
                | orch_workflow::record::RecordBody::TurnStarted { prompt, .. } => Some(prompt.to_string()),
                _ => None,
            })
            .expect("something was dispatched")
    }
}

pub(crate) fn placement(dispatch: &DispatchId) -> Placement {
    Placement {
        locator: Locator(json!({ "message": dispatch.to_string() })),
        session: format!("ses_{}", dispatch.step),
        parent_session: None,
    }
}

/// `one/1/1`: step, attempt, turn.
pub(crate) fn short(dispatch: &DispatchId) -> String {
    let DispatchId { step, attempt, turn, .. } = dispatch;
    if *turn == 1 { format!("{step}#{attempt}") } else { format!("{step}#{attempt}.{turn}") }
}

pub(crate) fn retry() -> Decision {
    Decision::Retry { note: None, session: None }
}

pub(crate) fn replace(text: &str) -> Decision {
    Decision::Replace { text: text.to_owned(), output: None }
}

pub(crate) fn default_policy() -> PolicyPatch {
    let Policy { execution, intervene } = Policy::default();
    policy(execution, intervene)
}
