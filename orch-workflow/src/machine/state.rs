//! What a journal says: the durable part of the machine.

use std::sync::Arc;

use orch_config::{
    budget::Budget,
    id::StepId,
    policy::{Policy, PolicyPatch},
};
use serde_json::Value;

use crate::{
    attempt::{AttemptError, DispatchId, ErrorCode, Outcome, RunId, Settled, Timestamp, Usage, Warning},
    carry::Block,
    decision::{DecisionKind, Gate, GateId},
    machine::{
        graph::{Graph, Node},
        schedule,
        steps::{Mark, Steps},
    },
    plan::{Plan, PlanStep},
    port::{Ask, AskReply, Locator, SessionChoice},
    record::{ReusedResult, RunStarted, RunStatus, StopReason, TurnPurpose},
    view::StepStatus,
};

/// The fold of a journal. Cheap to clone: what is large is shared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) started: Arc<RunStarted>,
    pub(crate) started_at: Timestamp,
    /// The number and time of the last record.
    pub(crate) seq: u64,
    pub(crate) last_at: Timestamp,
    pub(crate) status: RunStatus,
    /// The run's own policy and every decision's change on top of it.
    pub(crate) policy: PolicyPatch,
    /// The run's own bounds and those of every decision on top of them.
    pub(crate) budget: Budget,
    pub(crate) parent_session: Option<String>,
    /// What the parent session is called if a worker has to create it.
    pub(crate) parent_title: Arc<str>,
    /// In plan order.
    pub(crate) steps: Steps,
    /// In plan order.
    pub(crate) groups: Vec<Arc<Group>>,
    pub(crate) graph: Arc<Graph>,
    /// Open gates, oldest first.
    pub(crate) gates: Vec<Arc<Gate>>,
    pub(crate) resolved: Arc<Vec<Resolved>>,
    pub(crate) pause_requested: bool,
    /// How the run ends once what is in flight is at rest, when it is to end.
    pub(crate) ending: Option<Arc<Ending>>,
    pub(crate) ending_since: Option<Timestamp>,
    pub(crate) finished: Option<Arc<Finished>>,
}

/// A gate that has been answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    pub(crate) gate: Arc<Gate>,
    pub(crate) decision: DecisionKind,
    pub(crate) by: String,
}

/// The end that the run comes to once nothing is in flight.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ending {
    pub(crate) status: RunStatus,
    pub(crate) error: AttemptError,
    /// What is in flight until then was aborted for this.
    pub(crate) aborted: AttemptError,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finished {
    pub(crate) at: Timestamp,
    pub(crate) error: Option<AttemptError>,
    pub(crate) notes: Vec<String>,
}

/// The passes of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// `running` during a pass, `ready` when a person wants another one.
    pub(crate) status: StepStatus,
    /// The pass under way or the last one; 0 before the first.
    pub(crate) iteration: u32,
    /// The last pass that begins by itself.
    pub(crate) most: u32,
    /// How the next pass starts, when a decision said so.
    pub(crate) note: Option<String>,
    pub(crate) session: SessionChoice,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) status: StepStatus,
    /// The pass of its group, from 1.
    pub(crate) iteration: u32,
    /// How its result came about; `None` as long as there is none, and for a step that was left out.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) text: Arc<str>,
    pub(crate) output: Option<Arc<Value>>,
    pub(crate) carry: Option<Arc<Block>>,
    /// What it has from the run that this one was forked from.
    pub(crate) reused: Option<Arc<ReusedResult>>,
    /// Those of earlier passes as well.
    pub(crate) attempts: Vec<Arc<Attempt>>,
    /// The bounds that decisions gave it, over its own.
    pub(crate) budget: Budget,
    /// How the next attempt starts, when a decision said so.
    pub(crate) note: Option<String>,
    pub(crate) session: SessionChoice,
    /// What the hand-off is to answer, in the place of a summary.
    pub(crate) question: Option<String>,
    /// Attempts since the start or the last decision.
    pub(crate) tries: u32,
    /// The latest failure among them, and how often running.
    pub(crate) failure: Option<(Signature, u32)>,
    /// When its next automatic attempt is due, in status `backoff`.
    pub(crate) until: Timestamp,
    /// What may still be at work on the host although its latest attempt is over.
    pub(crate) still_runs: Option<String>,
}

/// What makes two failures the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    code: ErrorCode,
    status: Option<u16>,
    message: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attempt {
    pub(crate) turns: Vec<Turn>,
    pub(crate) session: SessionChoice,
    pub(crate) started_at: Timestamp,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) usage: Usage,
    /// Time at work in the turns that are over.
    pub(crate) active_ms: u64,
    pub(crate) stopping: Option<StopReason>,
    pub(crate) stopping_since: Timestamp,
    pub(crate) end: Option<End>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    pub(crate) dispatch: DispatchId,
    /// What it is for; the first one is the prompt itself.
    pub(crate) purpose: Option<TurnPurpose>,
    pub(crate) prompt: Arc<str>,
    pub(crate) started_at: Timestamp,
    pub(crate) placed: Option<Arc<Place>>,
    pub(crate) asks: Vec<OpenAsk>,
    /// When the journal last spoke of it. Nobody can know whether it was at work later than that.
    pub(crate) seen_at: Timestamp,
    /// What it has used, as far as the journal tells before its result.
    pub(crate) used: Usage,
    /// Time spent waiting for people, up to `asking_since`.
    pub(crate) waited_ms: u64,
    pub(crate) asking_since: Timestamp,
    pub(crate) answered: bool,
    /// What is wrong with the answer, where it does not match the step's schema.
    pub(crate) complaints: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) locator: Locator,
    pub(crate) session: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenAsk {
    pub(crate) ask: Ask,
    pub(crate) since: Timestamp,
    /// The latest answer that was given here, and by whom.
    pub(crate) answer: Option<(AskReply, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<AttemptError>,
}

impl State {
    /// A run of which nothing but its beginning is known.
    pub(crate) fn begun(started: Arc<RunStarted>, at: Timestamp) -> Self {
        let mut state = Self {
            graph: Arc::new(Graph::of(&started.plan)),
            steps: Steps::pending(started.plan.steps.len()),
            groups: started.plan.groups.iter().map(|group| Arc::new(Group::pending(group.max))).collect(),
            policy: started.policy,
            budget: started.budget,
            parent_session: started.parent_session.clone(),
            parent_title: parent_title(&started.plan.name, &started.task),
            started,
            started_at: at,
            seq: 0,
            last_at: at,
            status: RunStatus::Running,
            gates: Vec::new(),
            resolved: Arc::default(),
            pause_requested: false,
            ending: None,
            ending_since: None,
            finished: None,
        };
        (0..state.steps.len()).for_each(|step| state.review(step));
        state
    }

    /// Changes a step, and what follows from it for others.
    pub(crate) fn change<T>(&mut self, step: usize, change: impl FnOnce(&mut Step) -> T) -> T {
        let over = self.steps[step].is_over();
        let result = self.steps.change(step, change);
        self.review(step);
        if over != self.steps[step].is_over() {
            self.review_dependents(Node::Step(step));
        }
        result
    }

    /// Changes a group, and what follows from it for its steps and for others.
    pub(crate) fn change_group(&mut self, group: usize, change: impl FnOnce(&mut Group)) {
        let over = self.groups[group].is_over();
        change(Arc::make_mut(&mut self.groups[group]));
        let graph = Arc::clone(&self.graph);
        graph.members(group).iter().for_each(|step| self.review(*step));
        if over != self.groups[group].is_over() {
            self.review_dependents(Node::Group(group));
        }
    }

    fn review_dependents(&mut self, node: Node) {
        let graph = Arc::clone(&self.graph);
        for dependent in graph.dependents(node) {
            if let Node::Step(step) = dependent {
                self.review(*step);
            }
        }
    }

    fn review(&mut self, step: usize) {
        let ready = schedule::is_ready(self, step);
        self.steps.set(Mark::Ready, step, ready);
    }

    pub(crate) fn run(&self) -> &RunId {
        &self.started.run
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.started.plan
    }

    pub(crate) fn planned(&self, step: usize) -> &PlanStep {
        &self.started.plan.steps[step]
    }

    pub(crate) fn index_of(&self, step: &StepId) -> Option<usize> {
        self.graph.step(step.as_str())
    }

    /// The policy in force for a node; a group has none of its own.
    pub(crate) fn policy_for(&self, node: Node) -> Policy {
        let own = match node {
            Node::Step(step) => self.planned(step).ui,
            Node::Group(_) => PolicyPatch::default(),
        };
        self.policy.apply(own.apply(self.plan().policy))
    }

    /// New bounds are for whatever the gate is about.
    pub(crate) fn allow_more(&mut self, gate: &Gate, budget: Budget) {
        let of_step = gate.budget.as_ref().and_then(|spent| self.index_of(spent.step.as_ref()?));
        match of_step {
            Some(step) => {
                self.change(step, |step| step.budget = step.budget.then(budget));
            }
            None => self.budget = self.budget.then(budget),
        }
    }

    /// The step and turn that a dispatch names, if it is live: intended, and without a result.
    pub(crate) fn live(&self, dispatch: &DispatchId) -> Option<(usize, &Attempt, &Turn)> {
        self.live_steps().find(|(_, _, turn)| turn.dispatch == *dispatch)
    }

    /// Every step that has a live dispatch.
    pub(crate) fn live_steps(&self) -> impl Iterator<Item = (usize, &Attempt, &Turn)> {
        self.steps.with(Mark::Live).filter_map(|step| {
            let (attempt, turn) = self.steps[step].live()?;
            Some((step, attempt, turn))
        })
    }

    /// Whether a live dispatch only has to come to rest.
    pub(crate) fn is_stopping(&self, attempt: &Attempt) -> bool {
        attempt.stopping.is_some() || self.ending.is_some()
    }

    /// How the run has ended, or will as soon as what is in flight is at rest.
    pub(crate) fn bound_for(&self) -> Option<RunStatus> {
        let ended = self.status.is_terminal().then_some(self.status);
        ended.or(self.ending.as_ref().map(|ending| ending.status))
    }

    pub(crate) fn anything_live(&self) -> bool {
        self.steps.with(Mark::Live).next().is_some()
    }

    /// Whether what waits for a node may go on.
    pub(crate) fn is_over(&self, node: Node) -> bool {
        match node {
            Node::Step(step) => self.steps[step].is_over(),
            Node::Group(group) => self.groups[group].is_over(),
        }
    }

    pub(crate) fn node(&self, id: &StepId) -> Option<Node> {
        self.graph.node(id.as_str())
    }

    pub(crate) fn id_of(&self, node: Node) -> &StepId {
        match node {
            Node::Step(step) => &self.planned(step).id,
            Node::Group(group) => &self.plan().groups[group].id,
        }
    }

    pub(crate) fn title_of(&self, node: Node) -> &str {
        match node {
            Node::Step(step) => &self.planned(step).title,
            Node::Group(group) => &self.plan().groups[group].title,
        }
    }

    /// The first node that is not over, in written order: a step, or the group whose steps are all over.
    pub(crate) fn first_open(&self) -> Option<Node> {
        let open = |node: &&Node| !self.is_over(**node);
        let node = *self.graph.nodes.iter().find(open)?;
        let Node::Group(group) = node else { return Some(node) };
        let member = self.graph.members(group).iter().find(|step| !self.steps[**step].is_over());
        Some(member.map_or(node, |step| Node::Step(*step)))
    }

    pub(crate) fn gate(&self, id: &GateId) -> Option<&Arc<Gate>> {
        self.gates.iter().find(|gate| gate.id == *id)
    }
}

impl Group {
    fn pending(max: u32) -> Self {
        Self {
            status: StepStatus::Pending,
            iteration: 0,
            most: max,
            note: None,
            session: SessionChoice::Same,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status, StepStatus::Done | StepStatus::Skipped)
    }

    /// Whether another pass may begin without anybody being asked, or has been asked for.
    pub(crate) fn may_go_on(&self) -> bool {
        match self.status {
            StepStatus::Pending | StepStatus::Ready => true,
            StepStatus::Running => self.iteration < self.most,
            _ => false,
        }
    }
}

impl Step {
    pub(crate) fn pending() -> Self {
        Self {
            status: StepStatus::Pending,
            iteration: 1,
            outcome: None,
            text: Arc::from(""),
            output: None,
            carry: None,
            reused: None,
            attempts: Vec::new(),
            budget: Budget::default(),
            note: None,
            session: SessionChoice::Same,
            question: None,
            tries: 0,
            failure: None,
            until: Timestamp::default(),
            still_runs: None,
        }
    }

    /// Whether nothing of it is due any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status, StepStatus::Done | StepStatus::Skipped)
    }

    /// As it is when a pass of its group begins: of the earlier ones only their attempts are left.
    pub(crate) fn in_pass(&self, iteration: u32) -> Self {
        let still_runs = self.still_runs.clone();
        let (attempts, budget) = (self.attempts.clone(), self.budget);
        Self { iteration, attempts, budget, still_runs, ..Self::pending() }
    }

    /// The attempts of the pass under way, or of the last one.
    pub(crate) fn this_pass(&self) -> &[Arc<Attempt>] {
        let earlier = self.attempts.iter().rposition(|attempt| attempt.iteration() != self.iteration);
        &self.attempts[earlier.map_or(0, |earlier| earlier + 1)..]
    }

    /// The attempt that has not ended.
    pub(crate) fn open_attempt(&self) -> Option<&Attempt> {
        self.attempts.last().map(Arc::as_ref).filter(|attempt| attempt.end.is_none())
    }

    /// The dispatch that is intended and has no result.
    pub(crate) fn live(&self) -> Option<(&Attempt, &Turn)> {
        let attempt = self.open_attempt()?;
        let turn = attempt.turns.last()?;
        (!turn.answered).then_some((attempt, turn))
    }

    /// Where its latest prompt went.
    pub(crate) fn latest_place(&self) -> Option<(&DispatchId, &Place)> {
        let turns = self.attempts.iter().rev().flat_map(|attempt| attempt.turns.iter().rev());
        turns.into_iter().find_map(|turn| Some((&turn.dispatch, turn.placed.as_deref()?)))
    }

    pub(crate) fn error(&self) -> Option<&AttemptError> {
        self.this_pass().last()?.end.as_ref()?.error.as_ref()
    }
}

impl Attempt {
    pub(crate) fn iteration(&self) -> u32 {
        self.turns.first().map_or(1, |turn| turn.dispatch.iteration)
    }

    /// Whether anything of it may have reached a worker.
    pub(crate) fn was_placed(&self) -> bool {
        self.turns.iter().any(|turn| turn.placed.is_some())
    }

    /// Time at work as far as the journal tells, without the waits for people.
    pub(crate) fn known_active_ms(&self) -> u64 {
        let turn = self.open_turn().map_or(0, |turn| {
            let until = if turn.asks.is_empty() { turn.seen_at } else { turn.asking_since };
            until.ms_since(turn.started_at).saturating_sub(turn.waited_ms)
        });
        self.active_ms + turn
    }

    /// What it has used as far as the journal tells.
    pub(crate) fn known_usage(&self) -> Usage {
        let mut usage = self.usage;
        if let Some(turn) = self.open_turn() {
            usage += turn.used;
        }
        usage
    }

    /// The latest turn, unless it was answered: then its time and its usage are in the attempt's own sums already.
    pub(crate) fn open_turn(&self) -> Option<&Turn> {
        self.turns.last().filter(|turn| !turn.answered)
    }

    /// Whether a turn for this purpose has begun.
    pub(crate) fn has_turn(&self, purpose: TurnPurpose) -> bool {
        self.turns.iter().any(|turn| turn.purpose == Some(purpose))
    }

    pub(crate) fn warned(&self, warning: &Warning) -> bool {
        self.warnings.contains(warning)
    }
}

impl Signature {
    /// Rate limits differ in their texts only by the time that is left.
    pub(crate) fn of(error: &AttemptError) -> Self {
        let message = if error.code == ErrorCode::RateLimited { "" } else { error.message.as_str() };
        Self { code: error.code, status: error.status, message: message.to_owned() }
    }
}

/// The class of a result together with what was remarked before.
pub(crate) fn outcome_of(result: &Settled, warned_before: bool) -> Outcome {
    match result.outcome() {
        Outcome::Ok if warned_before => Outcome::Warning,
        outcome => outcome,
    }
}

/// A parent session is titled after the workflow and the first line of the task.
fn parent_title(workflow: &str, task: &str) -> Arc<str> {
    const LONGEST: usize = 80;
    let line = task.trim().lines().next().unwrap_or_default();
    if line.is_empty() {
        return workflow.into();
    }
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => [workflow, ": ", &line[..end], "…"].concat().into(),
        None => [workflow, ": ", line].concat().into(),
    }
}
