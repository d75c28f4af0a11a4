//! A run, and everything that may happen to it next.

use std::{collections::BTreeMap, sync::Arc};

use orch_config::policy::PolicyPatch;
use orch_workflow::{
    attempt::{DispatchId, ErrorCode, Settled, Timestamp},
    decision::{Decision, GateId, Rejected},
    machine::{Batch, Effect, Input, Machine, Prospects},
    record::{Record, RecordBody, RunStarted, RunStatus},
    testing::Laws,
};

use crate::machine::story::{failed, placement};

/// What may happen once in a run, at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Once {
    Pause,
    Cancel,
    /// The time of the work under way runs out.
    Timeout,
    /// An attempt fails.
    Failure,
    /// Another process takes the run over, with nothing but its journal.
    LeaseLoss,
    /// The time of a gate is over, and its default holds. It may come by itself while work runs out of time.
    Expiry,
}

use Once::{Cancel, Expiry, Failure, LeaseLoss, Pause, Timeout};

/// What the process has under way for a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Placing,
    Working,
    Probing,
    Aborting,
}

#[derive(Debug, Clone)]
pub(super) enum Move {
    Tell(Input),
    Fail(DispatchId),
    Once(Once),
    /// Two people answer a gate: this one is first.
    Decide(GateId, By),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Ann,
    Bob,
}

/// A run after some of its moves.
#[derive(Clone)]
pub(super) struct Node {
    machine: Machine,
    journal: Vec<Arc<Record>>,
    laws: Laws,
    now: Timestamp,
    under_way: BTreeMap<DispatchId, Phase>,
    once: Vec<Once>,
    /// How the run will end whatever happens, by what the journal says.
    bound_for: Option<&'static str>,
}

/// A name for everything that what may still happen depends on.
pub(super) type State = (Prospects, BTreeMap<DispatchId, Phase>, Vec<Once>, Option<&'static str>);

impl Node {
    /// A run that has been taken up, and what may happen to it once.
    pub(super) fn begin(started: RunStarted, once: &[Once]) -> Self {
        let now = Timestamp(1_000);
        let (machine, batch) = Machine::begin(now, started).unwrap();
        let mut node = Self {
            machine,
            journal: Vec::new(),
            laws: Laws::new(),
            now,
            under_way: BTreeMap::new(),
            once: once.to_vec(),
            bound_for: None,
        };
        node.commit(batch);
        node.tell(Input::TakenUp).unwrap();
        node
    }

    pub(super) fn moves(&self) -> Vec<Move> {
        if self.machine.status().is_terminal() {
            return Vec::new();
        }
        let work = self.under_way.iter().flat_map(|(id, phase)| {
            let settled = Input::Settled { dispatch: id.clone(), result: Box::new(Settled::answer("done")) };
            let other = match phase {
                Phase::Placing => Input::Placed { result: Ok(placement(id)), dispatch: id.clone() },
                Phase::Working if self.once.contains(&Failure) => {
                    return vec![Move::Tell(settled), Move::Fail(id.clone())];
                }
                Phase::Working => return vec![Move::Tell(settled)],
                Phase::Probing => Input::Attached { dispatch: id.clone() },
                Phase::Aborting => Input::AbortEnded { dispatch: id.clone(), result: Ok(()) },
            };
            let answered = (*phase != Phase::Placing).then_some(Move::Tell(settled));
            [Move::Tell(other)].into_iter().chain(answered).collect()
        });
        let view = self.machine.view();
        let gates = view.gate.iter().chain(&view.gates).filter(|_| self.bound_for.is_none());
        let expiry = gates.clone().any(|gate| gate.expires_at.is_some());
        let gates = gates.flat_map(|gate| [By::Ann, By::Bob].map(|by| Move::Decide(gate.id.clone(), by)));
        let timeout = self.under_way.values().any(|phase| *phase == Phase::Working);
        let possible = |once: &Once| match once {
            Failure => false,
            Timeout => timeout,
            Expiry => expiry,
            Pause | Cancel | LeaseLoss => true,
        };
        let once = self.once.iter().copied().filter(possible).map(Move::Once);
        work.chain(gates).chain(once).collect()
    }

    pub(super) fn make(&mut self, step: Move) {
        match step {
            Move::Tell(input) => self.tell(input).unwrap(),
            Move::Fail(dispatch) => {
                self.once.retain(|left| *left != Failure);
                let result = Box::new(failed(ErrorCode::Model, "no"));
                self.tell(Input::Settled { dispatch, result }).unwrap();
            }
            Move::Once(once) => {
                self.once.retain(|left| *left != once);
                match once {
                    Pause => self.ask(Input::Pause { by: "ann".to_owned() }),
                    Cancel => self.ask(Input::Cancel { by: "ann".to_owned() }),
                    Timeout => self.time_out(),
                    LeaseLoss => self.lose_the_lease(),
                    Expiry => self.expire(),
                    Failure => unreachable!("a failure is one of a dispatch"),
                }
            }
            Move::Decide(gate, first) => {
                let second = if first == By::Ann { By::Bob } else { By::Ann };
                self.tell(decide(&gate, first)).unwrap();
                let by = format!("{first:?}");
                let decision = first.decision().kind();
                let told = Rejected::GateAlreadyResolved { gate: gate.clone(), by, decision };
                assert_eq!(self.tell(decide(&gate, second)), Err(told));
            }
        }
    }

    /// Somebody asks for something. A run that has its end already says so.
    fn ask(&mut self, input: Input) {
        match self.bound_for {
            Some(end) if !(end == "cancelled" && matches!(input, Input::Cancel { .. })) => {
                assert_eq!(self.tell(input), Err(Rejected::Ended { status: end.to_owned() }));
            }
            _ => self.tell(input).unwrap(),
        }
    }

    /// The clock is set to the end of the work that runs out first; silence may be remarked on the way.
    fn time_out(&mut self) {
        self.pass_time(|body| matches!(body, RecordBody::Stopping { .. }));
    }

    /// The clock is set to the end of the gate whose time is over first. Whoever answers it then is told so.
    fn expire(&mut self) {
        let before = self.journal.len();
        self.pass_time(|body| matches!(body, RecordBody::GateResolved { .. }));
        let expired = self.journal[before..].iter().filter_map(|record| match &record.body {
            RecordBody::GateResolved { gate, decision, .. } => Some((gate.clone(), decision.kind())),
            _ => None,
        });
        for (gate, decision) in expired.collect::<Vec<_>>() {
            let by = "timeout".to_owned();
            let told = Rejected::GateAlreadyResolved { gate: gate.clone(), by, decision };
            assert_eq!(self.tell(decide(&gate, By::Ann)), Err(told));
        }
    }

    /// Lets time pass until it has brought about such a record.
    fn pass_time(&mut self, is_due: impl Fn(&RecordBody) -> bool) {
        let before = self.journal.len();
        while !self.journal[before..].iter().any(|record| is_due(&record.body)) {
            self.now = self.machine.next_deadline().expect("something is due in its time");
            self.tell(Input::Tick).unwrap();
        }
    }

    /// The owner has just decided something when its write is refused; the next one knows only what was written.
    fn lose_the_lease(&mut self) {
        let refused = self.machine.handle(self.now, Input::Cancel { by: "the old owner".to_owned() });
        drop(refused);
        self.machine = self.replayed();
        self.under_way.clear();
        self.tell(Input::TakenUp).unwrap();
    }

    fn tell(&mut self, input: Input) -> Result<(), Rejected> {
        let batch = self.machine.handle(self.now, input.clone())?;
        if let Input::Attached { dispatch } = input {
            self.under_way.insert(dispatch, Phase::Working);
        }
        self.commit(batch);
        Ok(())
    }

    fn commit(&mut self, batch: Batch) {
        let journal = &mut self.journal;
        self.laws.read(&batch.records).unwrap_or_else(|broken| panic!("{broken}: {journal:#?}"));
        for record in &batch.records {
            self.bound_for = self.bound_for.or(end_of(&record.body));
            journal.push(Arc::new(record.clone()));
        }
        for effect in self.machine.commit(batch) {
            self.laws.check_effect(&effect).unwrap_or_else(|broken| panic!("{broken}: {journal:#?}"));
            let phase = match effect {
                Effect::Place(_) => Phase::Placing,
                Effect::Send(..) => Phase::Working,
                Effect::Probe(..) => Phase::Probing,
                Effect::Abort(..) => Phase::Aborting,
                other => panic!("nobody asked anything: {other:?}"),
            };
            self.under_way.insert(effect.dispatch().clone(), phase);
        }
        let laws = &self.laws;
        self.under_way.retain(|dispatch, _| laws.is_live(dispatch));
    }

    pub(super) fn state(&self) -> State {
        // Only what is left of these lets time pass.
        let time_passes = self.once.iter().any(|once| matches!(once, Timeout | Expiry));
        let prospects = self.machine.prospects(time_passes.then_some(self.now));
        (prospects, self.under_way.clone(), self.once.clone(), self.bound_for)
    }

    /// The same with everything that the machine remembers, whether it matters or not.
    pub(super) fn everything(&self) -> String {
        let Self { machine, now, under_way, once, bound_for, .. } = self;
        format!("{machine:?} {now:?} {under_way:?} {once:?} {bound_for:?}")
    }

    /// How it has ended.
    pub(super) fn status(&self) -> RunStatus {
        self.machine.status()
    }

    fn replayed(&self) -> Machine {
        let journal: Vec<_> = self.journal.iter().map(|record| Record::clone(record)).collect();
        Machine::replay(&journal).unwrap()
    }

    /// What has happened, one record a line.
    pub(super) fn told(&self) -> String {
        self.journal.iter().skip(1).map(|record| format!("\n{:?}", record.body)).collect()
    }

    /// The machine says what its journal says.
    pub(super) fn keeps_the_laws(&self) {
        let kept = self.laws.check_machine(&self.machine);
        kept.unwrap_or_else(|broken| panic!("{broken}: {}", self.told()));
    }

    /// A second result, and whatever comes after the end, changes nothing; people are told.
    pub(super) fn refuses_what_is_late(&self) {
        let mut late = self.machine.clone();
        for record in &self.journal {
            if let RecordBody::Settled { dispatch, .. } = &record.body {
                let again =
                    Input::Settled { dispatch: dispatch.clone(), result: Box::new(Settled::answer("late")) };
                assert!(late.handle(self.now, again).unwrap().is_empty());
            }
        }
        if let Some(end) = self.bound_for {
            let view = late.view();
            for gate in view.gate.iter().chain(&view.gates) {
                let told = Rejected::Ended { status: end.to_owned() };
                assert_eq!(late.handle(self.now, decide(&gate.id, By::Ann)), Err(told), "{}", self.told());
            }
        }
        let cancelled = self
            .journal
            .iter()
            .any(|record| matches!(&record.body, RecordBody::CancelRequested { by } if by == "ann"));
        let status = late.status();
        if status.is_terminal() {
            assert_eq!(self.replayed(), late);
            assert_eq!(cancelled, status == RunStatus::Cancelled, "{}", self.told());
            let by = || "late".to_owned();
            for input in [Input::Cancel { by: by() }, Input::Pause { by: by() }] {
                let told = Rejected::Ended { status: status.as_str().to_owned() };
                assert_eq!(late.handle(self.now, input), Err(told));
            }
        }
    }
}

impl By {
    fn decision(self) -> Decision {
        match self {
            Self::Ann => Decision::Continue,
            Self::Bob => Decision::Abort,
        }
    }
}

fn decide(gate: &GateId, by: By) -> Input {
    Input::Decide {
        gate: Some(gate.clone()),
        decision: by.decision(),
        policy: PolicyPatch::default(),
        budget: Default::default(),
        by: format!("{by:?}"),
    }
}

/// The end that a record makes certain.
fn end_of(body: &RecordBody) -> Option<&'static str> {
    match body {
        RecordBody::CancelRequested { .. } => Some("cancelled"),
        RecordBody::Failing { .. } | RecordBody::GateResolved { decision: Decision::Abort, .. } => {
            Some("error")
        }
        _ => None,
    }
}
