//! One run in one process after another: the pure machine, its journal, and the host, on a clock that only moves when
//! nothing else does.

use std::collections::{HashSet, VecDeque};

use orch_config::policy::PolicyPatch;

use super::{
    Defect, Explorer,
    end::{End, lost},
    host::{Host, Unseen},
    person::{enough, latest_attempt, was_only_adopted},
};
use crate::{
    attempt::{DispatchId, Timestamp},
    decision::{Decision, Gate, GateReason, Rejected},
    history::{ForkError, ForkedRun},
    machine::{Batch, Effect, Input, Machine},
    port::AskReply,
    record::Record,
    testing::laws::{Broken, Laws},
    view::RunView,
};

const STARTED_AT: Timestamp = Timestamp(1_700_000_000_000);
/// An answer takes this long.
const WORK_MS: u64 = 1_000;
/// Whatever has not ended after so many inputs goes round in circles.
const MOST_MOVES: usize = 20_000;

pub(super) struct Run<'e> {
    explorer: &'e Explorer,
    machine: Machine,
    pub(super) journal: Vec<Record>,
    laws: Laws,
    pub(super) host: Host,
    pending: VecDeque<Effect>,
    now: Timestamp,
    /// The prompts after which a gate was open.
    pub(super) gated: HashSet<DispatchId>,
    /// The same of the run without a crash, if this one has come through one.
    gated_without_crash: Option<&'e HashSet<DispatchId>>,
}

/// How a process dies, and what had happened that it did not live to see.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Crash {
    pub(super) unseen: Vec<Unseen>,
    pub(super) downtime_ms: u64,
    /// Afterwards the host cannot tell about what was there.
    pub(super) blind: bool,
}

/// A moment at which the process may die: something is durable, or has been begun, that was not before.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// So many records are durable.
    pub(super) records: usize,
    /// So many were durable before the latest commit.
    pub(super) records_before: usize,
    pub(super) host: Host,
    pending: Vec<Effect>,
    now: Timestamp,
}

/// Why a run does not come to its end as it should.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Trouble {
    Broken(Broken),
    Replay(String),
    Refused(Rejected),
    Fork(ForkError),
    Stuck(String),
}

impl<'e> Run<'e> {
    /// Begins the run. The first record is durable, nothing has been taken up.
    pub(super) fn begin(explorer: &'e Explorer, begun: ForkedRun) -> Result<(Self, Moment), Trouble> {
        let (machine, batch) = Machine::begin_forked(STARTED_AT, begun).map_err(Trouble::Refused)?;
        let mut run = Self {
            explorer,
            machine,
            journal: Vec::new(),
            laws: Laws::new(),
            host: Host::default(),
            pending: VecDeque::new(),
            now: STARTED_AT,
            gated: HashSet::new(),
            gated_without_crash: None,
        };
        run.commit(batch)?;
        let moment = run.moment(0);
        Ok((run, moment))
    }

    /// Another process has the journal up to a moment, and a host on which more may have happened.
    pub(super) fn restart(
        explorer: &'e Explorer,
        journal: &[Record],
        moment: &Moment,
        crash: &Crash,
        gated_without_crash: &'e HashSet<DispatchId>,
    ) -> Result<Self, Trouble> {
        let defect = explorer.defect;
        let records = match defect {
            Some(Defect::StoreLosesACommit) => moment.records_before.max(1),
            _ => moment.records,
        };
        let journal = journal[..records].to_vec();
        let mut host = moment.host.clone();
        host.lose_client();
        for unseen in &crash.unseen {
            host.happens(*unseen);
        }
        if crash.blind {
            host.go_blind();
        }
        match defect {
            Some(Defect::HostForgetsArrivals) => host.forget_arrivals(),
            Some(Defect::HostForgetsAnswers) => host.forget_answers(),
            Some(Defect::StoreLosesACommit) | None => {}
        }
        let machine = Machine::replay(&journal).map_err(|error| Trouble::Replay(error.to_string()))?;
        let mut laws = Laws::new();
        laws.read(&journal).map_err(Trouble::Broken)?;
        let now = moment.now.plus_ms(crash.downtime_ms);
        Ok(Self {
            explorer,
            machine,
            journal,
            laws,
            host,
            pending: VecDeque::new(),
            now,
            gated: HashSet::new(),
            gated_without_crash: Some(gated_without_crash),
        })
    }

    /// Takes the run up and drives it to its end. `note` is told of every moment at which the process may die.
    pub(super) fn finish(&mut self, mut note: impl FnMut(Moment)) -> Result<(), Trouble> {
        let mut next = Some(Input::TakenUp);
        for _ in 0..MOST_MOVES {
            if let Some(input) = next {
                let before = self.journal.len();
                if self.tell(input)? {
                    note(self.moment(before));
                }
            }
            next = match self.pending.pop_front() {
                // A prompt that has arrived says nothing yet.
                Some(effect) => self.host.carry_out(effect, &self.explorer.script),
                None => match self.next_input()? {
                    Some(input) => Some(input),
                    None => return self.check(),
                },
            };
        }
        let latest = self.journal.last().map(|record| &record.body);
        Err(Trouble::Stuck(format!("the run goes round in circles: {latest:?}")))
    }

    pub(super) fn end(&self) -> End {
        End::of(&self.machine.view())
    }

    /// Results that the host has given and that are nowhere in the journal.
    pub(super) fn lost(&self) -> Vec<String> {
        lost(self.host.answers(), &self.journal, &self.laws)
    }

    /// Prompts that a model worked on more than once.
    pub(super) fn doubled(&self) -> Vec<String> {
        let calls = self.host.calls().into_iter().filter(|(_, calls)| *calls > 1);
        calls.map(|(dispatch, calls)| format!("{dispatch} has reached a model {calls} times")).collect()
    }

    fn moment(&self, records_before: usize) -> Moment {
        Moment {
            records: self.journal.len(),
            records_before,
            host: self.host.clone(),
            pending: self.pending.iter().cloned().collect(),
            now: self.now,
        }
    }

    /// What happens next; `None` when the run has ended.
    fn next_input(&mut self) -> Result<Option<Input>, Trouble> {
        let due = self.machine.next_deadline();
        if due.is_some_and(|due| due <= self.now) {
            return Ok(Some(Input::Tick));
        }
        if let Some(input) = self.host.hear() {
            self.now = self.now.plus_ms(WORK_MS);
            return Ok(Some(input));
        }
        if self.machine.status().is_terminal() {
            return Ok(None);
        }
        let view = self.machine.view();
        if let Some(ask) = view.asks.first() {
            let (ask, reply) = (ask.id.clone(), AskReply::Once);
            return Ok(Some(Input::Answer { ask, reply, by: "the explorer".to_owned() }));
        }
        if self.machine.at_rest()
            && let Some(gate) = &view.gate
            && let Some(decision) = self.decide(&view, gate)
        {
            let (policy, budget, by) = (PolicyPatch::default(), enough(gate), "the explorer".to_owned());
            let gate = Some(gate.id.clone());
            return Ok(Some(Input::Decide { gate, decision, policy, budget, by }));
        }
        let Some(due) = due else {
            return Err(Trouble::Stuck(format!(
                "waits for ever as {}: {:?}",
                view.status.as_str(),
                view.gate
            )));
        };
        self.now = due;
        Ok(Some(Input::Tick))
    }

    /// What the person at the gates says. What only a crash has brought about is not the person's business.
    fn decide(&mut self, view: &RunView, gate: &Gate) -> Option<Decision> {
        if let Some(attempt) = latest_attempt(view, gate) {
            let asked_anyway = self.gated_without_crash.is_none_or(|gated| gated.contains(&attempt.dispatch));
            if gate.reason == GateReason::InDoubt && self.host.is_blind_to(&attempt.dispatch) {
                return Some(Decision::Retry { note: None, session: None });
            }
            if !asked_anyway && was_only_adopted(attempt) {
                return Some(Decision::Continue);
            }
            self.gated.insert(attempt.dispatch.clone());
        }
        (self.explorer.person)(view, gate)
    }

    /// Gives the machine an input, and says whether anything came of it.
    fn tell(&mut self, input: Input) -> Result<bool, Trouble> {
        let batch = self.machine.handle(self.now, input).map_err(Trouble::Refused)?;
        if batch.is_empty() {
            return Ok(false);
        }
        self.commit(batch)?;
        Ok(true)
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Trouble> {
        let written = !batch.records.is_empty();
        self.laws.read(&batch.records).map_err(Trouble::Broken)?;
        self.journal.extend(batch.records.iter().cloned());
        let effects = self.machine.commit(batch);
        for effect in &effects {
            self.laws.check_effect(effect).map_err(Trouble::Broken)?;
        }
        if written {
            // What a process has come through does not change what follows: once more at its end is enough.
            if self.gated_without_crash.is_none() {
                self.check()?;
            }
            self.pending.retain(|effect| self.laws.is_live(effect.dispatch()));
        }
        self.pending.extend(effects);
        Ok(())
    }

    /// The machine is what its journal says, and nothing else.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        self.laws.check_machine(&self.machine).map_err(Trouble::Broken)?;
        let replayed = Machine::replay(&self.journal).map_err(|error| Trouble::Replay(error.to_string()))?;
        if replayed != self.machine {
            return Err(Trouble::Replay("the journal tells another state than the one in memory".to_owned()));
        }
        Ok(())
    }
}

impl Moment {
    /// Every way to die here: each effect under way done, not done, or anything between, and the work in flight
    /// answered or not.
    pub(super) fn deaths(&self) -> Vec<Vec<Unseen>> {
        let under_way: Vec<_> = self.pending.iter().map(|effect| self.host.possible_with(effect)).collect();
        let followed =
            self.host.followed(|dispatch| self.pending.iter().any(|effect| effect.dispatch() == dispatch));
        combinations(under_way.into_iter().chain(followed))
    }

    /// Whether a crash here leaves what a crash at `other` has left.
    pub(super) fn leaves_the_same_as(&self, records: usize, host: &Host) -> bool {
        let mut left = self.host.clone();
        left.lose_client();
        self.records == records && left == *host
    }
}

/// One of each, in every way. Where there are too many ways: none, each alone, and the furthest of all.
fn combinations(choices: impl IntoIterator<Item = Vec<Unseen>>) -> Vec<Vec<Unseen>> {
    const MOST: usize = 256;
    let choices: Vec<_> = choices.into_iter().filter(|choice| choice.len() > 1).collect();
    let ways = choices.iter().map(Vec::len).try_fold(1_usize, usize::checked_mul);
    if ways.is_none_or(|ways| ways > MOST) {
        let alone = choices.iter().flatten().map(|choice| vec![*choice]);
        let furthest = choices.iter().filter_map(|choice| choice.last().copied()).collect();
        return alone.chain([Vec::new(), furthest]).collect();
    }
    choices.iter().fold(vec![Vec::new()], |ways, choice| {
        let with = |way: &Vec<Unseen>| {
            let way = way.clone();
            choice.iter().map(move |one| way.iter().copied().chain([*one]).collect())
        };
        ways.iter().flat_map(with).collect()
    })
}
