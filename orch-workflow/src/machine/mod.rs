//! The state machine of one run. Pure: time, results and decisions come in; records and effects go out.
//!
//! The caller makes the records of a [`Batch`] durable *before* it commits the batch and carries out what
//! [`Machine::commit`] releases. Nothing else changes the state, and [`Machine::replay`] goes the same way, so
//! replaying a journal can never cause an effect.
//!
//! ```text
//! handle(now, input) ─► Batch ─► append its records ─► commit(batch) ─► effects
//!        ▲                                                                 │
//!        └──────────────── what became of them, time, people ◄─────────────┘
//! ```
//!
//! Two kinds of memory: `State` is the fold of the journal and is written by
//! `evolve` alone; `Follow` holds the clocks of the work that this process has
//! under way, and is gone when the process is.

mod budget;
mod condition;
mod deadline;
mod dispatch;
mod draft;
mod effect;
mod evolve;
mod gates;
mod graph;
mod groups;
mod handle;
mod input;
mod live;
mod output;
#[cfg(feature = "testing")]
mod prospects;
mod requests;
mod schedule;
mod settle;
mod snapshot;
mod state;
mod steps;

use std::sync::Arc;

pub(crate) use self::graph::{Graph, Node};
#[cfg(feature = "testing")]
pub use self::prospects::Prospects;
use self::{draft::Draft, evolve::evolve, live::Follow, state::State};
pub use self::{effect::Effect, input::Input};
use crate::{
    attachment,
    attempt::{DispatchId, RunId, Timestamp},
    decision::{DecisionKind, GateId, Rejected},
    history::ForkedRun,
    port::Locator,
    record::{FORMAT_VERSION, Record, RecordBody, RunStarted, RunStatus},
    view::RunView,
};

/// One run: what its journal says, and the clocks of the work in flight.
///
/// A clone is for looking ahead. Of all the clones only one can go on with the journal.
#[derive(Debug, Clone)]
pub struct Machine {
    state: Box<State>,
    follows: Vec<Follow>,
}

/// What the machine wants and what must be durable first.
///
/// A batch belongs to the state it was made from: append and commit it, or drop it, before the next input.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "append the records, then commit the batch"]
pub struct Batch {
    /// To be appended in one atomic write; may be empty.
    pub records: Vec<Record>,
    at: Timestamp,
    /// Released by `commit`.
    effects: Vec<Effect>,
    /// The state with the records taken in; none when there are no records.
    next: Option<Box<State>>,
}

impl Batch {
    /// Whether there is nothing to append and nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.effects.is_empty()
    }
}

/// The records are not the journal of one run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There are no records.
    #[error("the journal is empty")]
    Empty,
    /// The journal does not begin with the start of a run.
    #[error("the journal does not begin with the start of a run")]
    NoStart,
    /// The plan in the journal has no steps.
    #[error("the journaled plan has no steps")]
    NoSteps,
    /// A record is missing, doubled or out of place.
    #[error("the journal has record {found} where {expected} belongs")]
    Gap {
        /// The number that belongs there.
        expected: u64,
        /// The number that is there.
        found: u64,
    },
    /// A newer version wrote it.
    #[error("the journal has format {found}, this version reads up to {FORMAT_VERSION}: use a newer orch")]
    TooNew {
        /// Its format.
        found: u32,
    },
}

/// How much of an input the clocks have taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    Nothing,
    Life,
    Everything,
}

/// Two machines are equal when their journals say the same; the clocks of a process do not count.
impl PartialEq for Machine {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl Machine {
    /// Begins a run. The machine knows nothing of it until the batch is committed.
    ///
    /// # Errors
    /// The task is longer than the plan allows, or the plan has no steps.
    pub fn begin(now: Timestamp, started: RunStarted) -> Result<(Self, Batch), Rejected> {
        Self::begin_with(now, started, Vec::new())
    }

    /// Begins a run that has the results of another one from its first batch on.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn begin_forked(now: Timestamp, forked: ForkedRun) -> Result<(Self, Batch), Rejected> {
        Self::begin_with(now, forked.started, forked.reused)
    }

    fn begin_with(
        now: Timestamp,
        started: RunStarted,
        reused: Vec<RecordBody>,
    ) -> Result<(Self, Batch), Rejected> {
        check_start(&started)?;
        let started = Arc::new(started);
        let state = Box::new(State::begun(Arc::clone(&started), now));
        let machine = Self { state, follows: Vec::new() };
        let mut draft = Draft::new(now, &machine.state, &machine.follows);
        draft.record(RecordBody::RunStarted(started));
        reused.into_iter().for_each(|record| draft.record(record));
        let batch = draft.finish();
        Ok((machine, batch))
    }

    /// The run that a journal tells. Causes nothing; give it [`Input::TakenUp`] to go on.
    ///
    /// # Errors
    /// The records are not the whole journal of one run, or a newer version wrote them.
    pub fn replay(records: &[Record]) -> Result<Self, ReplayError> {
        let first = records.first().ok_or(ReplayError::Empty)?;
        let RecordBody::RunStarted(started) = &first.body else { return Err(ReplayError::NoStart) };
        if started.format > FORMAT_VERSION {
            return Err(ReplayError::TooNew { found: started.format });
        }
        if started.plan.steps.is_empty() {
            return Err(ReplayError::NoSteps);
        }
        let mut state = Box::new(State::begun(Arc::clone(started), first.at));
        for record in records {
            let expected = state.seq + 1;
            if record.seq != expected {
                return Err(ReplayError::Gap { expected, found: record.seq });
            }
            evolve(&mut state, record);
        }
        Ok(Self { state, follows: Vec::new() })
    }

    /// Says what an input means: what to write down, and what to do then. Late and repeated inputs give an empty
    /// batch.
    ///
    /// Nothing that can be seen from outside changes before the batch is committed; only the clocks of the work in
    /// flight take note of signs of life.
    ///
    /// # Errors
    /// A person asked for something that is not possible now; nothing changes.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<Batch, Rejected> {
        if self.take_note(now, &input) == Noted::Everything {
            return Ok(Batch { records: Vec::new(), at: now, effects: Vec::new(), next: None });
        }
        let mut draft = Draft::new(now, &self.state, &self.follows);
        handle::handle(&mut draft, input)?;
        Ok(draft.finish())
    }

    /// Takes in a batch whose records are durable, and releases its effects.
    ///
    /// A batch that was made from another state than the present one is dropped: it releases nothing.
    pub fn commit(&mut self, batch: Batch) -> Vec<Effect> {
        if let Some(next) = batch.next {
            let before = batch.records.first().map_or(0, |record| record.seq - 1);
            if before != self.state.seq {
                tracing::error!(run = %self.state.run(), "a stale batch was dropped");
                return Vec::new();
            }
            self.state = next;
            self.state.steps.unite();
        }
        self.follow(&batch.effects, batch.at);
        batch.effects
    }

    /// When [`Input::Tick`] is due, unless something else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        deadline::next(&self.state, &self.follows)
    }

    /// A snapshot for people and frontends. Who drives the run is not known here.
    #[must_use]
    pub fn view(&self) -> RunView {
        snapshot::view(&self.state)
    }

    /// The same with what this process alone knows of the work in flight: what is being tried, and signs of life.
    #[must_use]
    pub fn live_view(&self) -> RunView {
        let mut view = self.view();
        for follow in &self.follows {
            if let Some(activity) = view.steps[follow.step].activity.as_mut() {
                follow.tell(activity);
            }
        }
        view
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &RunId {
        self.state.run()
    }

    /// What the run was started with.
    #[cfg(feature = "runtime")]
    pub(crate) fn started(&self) -> &RunStarted {
        &self.state.started
    }

    /// Where the run stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.state.status
    }

    /// The number of the last record; 0 before the first.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.state.seq
    }

    /// Whether nothing happens any more without a decision: the run has ended, or it is paused and nothing is in
    /// flight.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        match self.state.status {
            RunStatus::Success | RunStatus::Error | RunStatus::Cancelled => true,
            RunStatus::Paused => !self.state.anything_live(),
            RunStatus::Running => false,
        }
    }

    /// The gate that a decision without a name answers.
    #[cfg(feature = "runtime")]
    pub(crate) fn open_gate(&self) -> Option<&GateId> {
        self.state.gates.first().map(|gate| &gate.id)
    }

    /// Where the latest prompt of the step at a gate went; `None` means the gate that is open.
    #[must_use]
    pub fn locator_at(&self, gate: Option<&GateId>) -> Option<(DispatchId, Locator)> {
        let gate = match gate {
            Some(id) => self.state.gate(id)?,
            None => self.state.gates.first()?,
        };
        let step = self.state.index_of(&gate.step)?;
        let (dispatch, place) = self.state.steps[step].latest_place()?;
        Some((dispatch.clone(), place.locator.clone()))
    }

    /// Whether a gate would take a decision of this kind now; `None` means the gate that is open.
    ///
    /// # Errors
    /// Why it would not.
    pub fn would_take(&self, gate: Option<&GateId>, kind: DecisionKind) -> Result<(), Rejected> {
        gates::would_take(&self.state, gate.cloned(), kind)
    }

    /// Signs of life, and time that does not count, move clocks and nothing else. They are many, so no draft is made for those that say no more.
    fn take_note(&mut self, now: Timestamp, input: &Input) -> Noted {
        let (dispatch, noted) = match input {
            Input::Alive { dispatch } | Input::Waiting { dispatch, .. } | Input::Attached { dispatch } => {
                (dispatch, Noted::Everything)
            }
            Input::Warned { dispatch, .. } | Input::Used { dispatch, .. } => (dispatch, Noted::Life),
            Input::StoodStill { ms } => {
                self.follows.iter_mut().for_each(|follow| follow.leave_out(*ms, now));
                return Noted::Everything;
            }
            _ => return Noted::Nothing,
        };
        let Some(follow) = self.follows.iter_mut().find(|follow| follow.dispatch == *dispatch) else {
            return noted;
        };
        follow.alive_at = now;
        if let Input::Used { usage, .. } = input {
            follow.used = follow.used.at_least(*usage);
        }
        if matches!(input, Input::Attached { .. }) && follow.phase == live::Phase::Probing {
            follow.phase = live::Phase::Working;
        }
        if let Input::Waiting { waiting, .. } = input {
            follow.waiting = *waiting;
            let asks = self.state.live(dispatch).is_some_and(|(_, _, turn)| !turn.asks.is_empty());
            follow.set_clock(asks, now);
        }
        noted
    }

    /// Follows what the effects begin, and lets go of what has ended.
    fn follow(&mut self, effects: &[Effect], now: Timestamp) {
        let state = &self.state;
        self.follows.retain(|follow| state.live(&follow.dispatch).is_some());
        for effect in effects {
            let id = effect.dispatch();
            let Some((step, attempt, _)) = state.live(id) else { continue };
            let position = self.follows.iter().position(|follow| follow.dispatch == *id);
            let position = position.unwrap_or_else(|| {
                self.follows.push(Follow::new(id.clone(), step, attempt.known_active_ms(), now));
                self.follows.len() - 1
            });
            self.follows[position].begin(effect, now);
        }
        for follow in &mut self.follows {
            let asks = state.live(&follow.dispatch).is_some_and(|(_, _, turn)| !turn.asks.is_empty());
            follow.set_clock(asks, now);
        }
    }
}

fn check_start(started: &RunStarted) -> Result<(), Rejected> {
    budget::check(started.budget)?;
    let chars = started.task.chars().count();
    let max = started.plan.limits.max_task_chars;
    if chars > usize::try_from(max).unwrap_or(usize::MAX) {
        let message =
            format!("the task has {chars} characters, workflow {} takes {max}", started.plan.workflow);
        return Err(Rejected::Invalid { message });
    }
    if let Err(error) = attachment::check(&started.attachments) {
        return Err(Rejected::Invalid { message: error.to_string() });
    }
    if started.plan.steps.is_empty() {
        let message = format!("workflow {} has no steps", started.plan.workflow);
        return Err(Rejected::Invalid { message });
    }
    Ok(())
}
