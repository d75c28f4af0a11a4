//! Fault: a gate answered twice, cancel racing completion, pause racing dispatch, a timeout racing an answer, a lease
//! lost at any time. Every order of these in runs of up to three steps: exactly one wins, the others are told.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use orch_config::policy::{Execution, Intervene, PolicyPatch};
use orch_workflow::{
    attempt::{DispatchId, ErrorCode, Settled, Timestamp},
    decision::{Decision, GateId, Rejected},
    machine::{Batch, Effect, Input, Machine},
    plan::Plan,
    record::{Record, RecordBody, RunStarted, RunStatus},
    testing::Laws,
};

use crate::machine::story::{auto, failed, graph, placement, policy, run_started};

/// What may happen once in a run, at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Once {
    Pause,
    Cancel,
    /// The time of the work under way runs out.
    Timeout,
    /// An attempt fails.
    Failure,
    /// Another process takes the run over, with nothing but its journal.
    LeaseLoss,
}

use Once::{Cancel, Failure, LeaseLoss, Pause, Timeout};

/// What the process has under way for a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Placing,
    Working,
    Probing,
    Aborting,
}

#[derive(Debug, Clone)]
enum Move {
    Tell(Input),
    Fail(DispatchId),
    Once(Once),
    /// Two people answer a gate: this one is first.
    Decide(GateId, By),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Ann,
    Bob,
}

/// A run after some of its moves.
#[derive(Clone)]
struct Node {
    machine: Machine,
    journal: Vec<Record>,
    laws: Laws,
    now: Timestamp,
    under_way: BTreeMap<DispatchId, Phase>,
    once: Vec<Once>,
}

/// The orders that lead on from a state, and how many of them end in which way.
type Ends = BTreeMap<&'static str, u128>;

/// Orders that have led to the same state are gone on from once.
#[derive(Default)]
struct Check {
    known: HashMap<(u64, u64), Ends>,
}

fn check(plan: Plan, policy: PolicyPatch, once: &[Once]) -> (usize, Ends) {
    let mut check = Check::default();
    let mut node = Node::begin(run_started(plan, policy), once);
    node.tell(Input::TakenUp).unwrap();
    let ends = check.explore(&node);
    (check.known.len(), ends)
}

impl Check {
    fn explore(&mut self, node: &Node) -> Ends {
        let state = node.state();
        if let Some(known) = self.known.get(&state) {
            return known.clone();
        }
        node.refuses_what_is_late();
        let moves = node.moves();
        let mut ends = Ends::new();
        if moves.is_empty() {
            assert!(node.machine.status().is_terminal(), "nothing can happen any more: {}", node.told());
            ends.insert(node.machine.status().as_str(), 1);
        }
        for step in moves {
            let mut next = node.clone();
            next.make(step);
            for (end, orders) in self.explore(&next) {
                *ends.entry(end).or_default() += orders;
            }
        }
        self.known.insert(state, ends.clone());
        ends
    }
}

impl Node {
    fn begin(started: RunStarted, once: &[Once]) -> Self {
        let now = Timestamp(1_000);
        let (machine, batch) = Machine::begin(now, started).unwrap();
        let mut node = Self {
            machine,
            journal: Vec::new(),
            laws: Laws::new(),
            now,
            under_way: BTreeMap::new(),
            once: once.to_vec(),
        };
        node.commit(batch);
        node
    }

    fn moves(&self) -> Vec<Move> {
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
        let answerable = self.bound_for().is_none();
        let gates = view.gate.iter().chain(&view.gates).filter(|_| answerable);
        let gates = gates.flat_map(|gate| [By::Ann, By::Bob].map(|by| Move::Decide(gate.id.clone(), by)));
        let timeout = self.under_way.values().any(|phase| *phase == Phase::Working);
        let possible = |once: &Once| *once != Failure && (*once != Timeout || timeout);
        let once = self.once.iter().copied().filter(possible).map(Move::Once);
        work.chain(gates).chain(once).collect()
    }

    fn make(&mut self, step: Move) {
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
        match self.bound_for() {
            Some(end) if !(end == "cancelled" && matches!(input, Input::Cancel { .. })) => {
                assert_eq!(self.tell(input), Err(Rejected::Ended { status: end }));
            }
            _ => self.tell(input).unwrap(),
        }
    }

    /// How the run will end whatever happens, by what the journal says.
    fn bound_for(&self) -> Option<String> {
        self.journal.iter().find_map(|record| match &record.body {
            RecordBody::CancelRequested { .. } => Some("cancelled".to_owned()),
            RecordBody::Failing { .. } => Some("error".to_owned()),
            RecordBody::GateResolved { decision: Decision::Abort, .. } => Some("error".to_owned()),
            _ => None,
        })
    }

    /// The clock is set to the end of the work that runs out first; silence may be remarked on the way.
    fn time_out(&mut self) {
        let stopped = |node: &Self| {
            node.journal.iter().filter(|record| matches!(record.body, RecordBody::Stopping { .. })).count()
        };
        let before = stopped(self);
        while stopped(self) == before {
            self.now = self.machine.next_deadline().expect("the time of the work is limited");
            self.tell(Input::Tick).unwrap();
        }
    }

    /// The owner has just decided something when its write is refused; the next one knows only what was written.
    fn lose_the_lease(&mut self) {
        let refused = self.machine.handle(self.now, Input::Cancel { by: "the old owner".to_owned() });
        drop(refused);
        self.machine = Machine::replay(&self.journal).unwrap();
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
        journal.extend(batch.records.iter().cloned());
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
        laws.check_machine(&self.machine).unwrap_or_else(|broken| panic!("{broken}: {journal:#?}"));
    }

    /// A name for everything that what may still happen depends on.
    fn state(&self) -> (u64, u64) {
        let Self { machine, now, under_way, once, .. } = self;
        let state = format!("{machine:?} {now:?} {under_way:?} {once:?} {:?}", self.bound_for());
        let hash = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, &state).hash(&mut hasher);
            hasher.finish()
        };
        (hash(0), hash(1))
    }

    /// What has happened, one record a line.
    fn told(&self) -> String {
        self.journal.iter().skip(1).map(|record| format!("\n{:?}", record.body)).collect()
    }

    /// A second result, and whatever comes after the end, changes nothing; people are told.
    fn refuses_what_is_late(&self) {
        let mut late = self.machine.clone();
        for record in &self.journal {
            if let RecordBody::Settled { dispatch, .. } = &record.body {
                let again =
                    Input::Settled { dispatch: dispatch.clone(), result: Box::new(Settled::answer("late")) };
                assert!(late.handle(self.now, again).unwrap().is_empty());
            }
        }
        if let Some(end) = self.bound_for() {
            let view = late.view();
            for gate in view.gate.iter().chain(&view.gates) {
                let told = Rejected::Ended { status: end.clone() };
                assert_eq!(late.handle(self.now, decide(&gate.id, By::Ann)), Err(told), "{}", self.told());
            }
        }
        let cancelled = self
            .journal
            .iter()
            .any(|record| matches!(&record.body, RecordBody::CancelRequested { by } if by == "ann"));
        let status = late.status();
        if status.is_terminal() {
            assert_eq!(Machine::replay(&self.journal).unwrap(), late);
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

const ONE: &[(&str, &[&str])] = &[("one", &[])];
const TWO: &[(&str, &[&str])] = &[("one", &[]), ("two", &["one"])];
const THREE: &[(&str, &[&str])] = &[("one", &[]), ("two", &["one"]), ("three", &["two"])];
const SIDE_BY_SIDE: &[(&str, &[&str])] = &[("one", &[]), ("two", &[])];
const FORK: &[(&str, &[&str])] = &[("one", &[]), ("two", &["one"]), ("three", &["one"])];
const JOIN: &[(&str, &[&str])] = &[("one", &[]), ("two", &[]), ("three", &["one", "two"])];

/// Steps, whether each is asked about when it is done, and how many of the events that happen once come into one run.
type Row = (&'static str, &'static [(&'static str, &'static [&'static str])], Asked, usize);

#[derive(Debug, Clone, Copy)]
enum Asked {
    Never,
    OnError,
    Always,
}

const EVENTS: [Once; 5] = [Pause, Cancel, Timeout, LeaseLoss, Failure];
const ALL: usize = EVENTS.len();

/// Two steps at once, each with gates, have millions of orders of all five events: there it is every two of the five.
const TABLE: &[Row] = &[
    ("one step", ONE, Asked::Never, ALL),
    ("one step", ONE, Asked::OnError, ALL),
    ("one step", ONE, Asked::Always, ALL),
    ("two steps", TWO, Asked::Never, ALL),
    ("two steps", TWO, Asked::OnError, ALL),
    ("two steps", TWO, Asked::Always, ALL),
    ("three steps", THREE, Asked::Never, ALL),
    ("three steps", THREE, Asked::OnError, ALL),
    ("three steps", THREE, Asked::Always, ALL),
    ("two at once", SIDE_BY_SIDE, Asked::Never, ALL),
    ("two at once", SIDE_BY_SIDE, Asked::OnError, 2),
    ("two at once", SIDE_BY_SIDE, Asked::Always, 2),
    ("a fork", FORK, Asked::Never, ALL),
    ("a fork", FORK, Asked::OnError, 2),
    ("a fork", FORK, Asked::Always, 2),
    ("a join", JOIN, Asked::Never, ALL),
    ("a join", JOIN, Asked::OnError, 2),
    ("a join", JOIN, Asked::Always, 2),
];

/// Every choice of so many of the events.
fn choices(many: usize) -> Vec<Vec<Once>> {
    let masks = (0_u32..1 << ALL).filter(|mask| mask.count_ones() as usize == many);
    masks.map(|mask| (0..ALL).filter(|at| mask & (1 << at) != 0).map(|at| EVENTS[at]).collect()).collect()
}

#[test]
fn in_every_order_of_events_exactly_one_wins() {
    let of_row = |(name, steps, asked, many): &Row| {
        let began = std::time::Instant::now();
        let policy = match asked {
            Asked::Never => auto(Intervene::Never),
            Asked::OnError => auto(Intervene::OnError),
            Asked::Always => policy(Execution::Step, Intervene::Always),
        };
        let (mut states, mut ends) = (0, Ends::new());
        for once in choices(*many) {
            let (more, found) = check(graph(steps), policy, &once);
            states += more;
            found.into_iter().for_each(|(end, orders)| *ends.entry(end).or_default() += orders);
        }
        let orders: u128 = ends.values().sum();
        println!(
            "{name}, asked {asked:?}, {many} events: {orders} orders, {states} states, {ends:?}, {:.1?}",
            began.elapsed()
        );
        // Each way to end comes up, or the row proves nothing about it.
        assert!(
            ["success", "error", "cancelled"].iter().all(|end| ends.contains_key(end)),
            "{name}: {ends:?}"
        );
        orders
    };
    let orders: u128 = std::thread::scope(|scope| {
        let rows: Vec<_> = TABLE.iter().map(|row| scope.spawn(move || of_row(row))).collect();
        rows.into_iter().map(|row| row.join().expect("the row holds")).sum()
    });
    println!("{orders} orders");
    assert!(orders > 900_000, "{orders} orders");
}
