//! Fault: a gate answered twice, cancel racing completion, pause racing dispatch, a timeout racing an answer, a gate's
//! default racing a person, a lease lost at any time. Every order of these in runs of up to three steps: exactly one
//! wins, the others are told.

mod node;

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::AddAssign,
    time::Instant,
};

use orch_config::policy::{Execution, Intervene, PolicyPatch};
use orch_workflow::{decision::DecisionKind, plan::Plan, record::RunStatus};

use self::node::{
    Node,
    Once::{self, Cancel, Expiry, Failure, LeaseLoss, Pause, Timeout},
};
use crate::machine::story::{auto, graph, policy, run_started};

/// How many orders end in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Ends {
    success: u128,
    error: u128,
    cancelled: u128,
}

/// Tries every order of what may happen. From orders that have led to the same state it goes on once.
struct Check<S> {
    /// What makes two states the same.
    state: fn(&Node) -> S,
    known: HashMap<u64, Ends>,
}

impl<S: Hash> Check<S> {
    fn new(state: fn(&Node) -> S) -> Self {
        Self { state, known: HashMap::new() }
    }

    fn explore(&mut self, node: &Node) -> Ends {
        let name = hash(&(self.state)(node));
        if let Some(known) = self.known.get(&name) {
            return *known;
        }
        node.keeps_the_laws();
        node.refuses_what_is_late();
        let moves = node.moves();
        let mut ends = Ends::default();
        if moves.is_empty() {
            ends.count(node);
        }
        for step in moves {
            let mut next = node.clone();
            next.make(step);
            ends += self.explore(&next);
        }
        self.known.insert(name, ends);
        ends
    }
}

fn hash(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Steps, and what each of them needs.
type Steps = &'static [(&'static str, &'static [&'static str])];

const ONE: Steps = &[("one", &[])];
const TWO: Steps = &[("one", &[]), ("two", &["one"])];
const THREE: Steps = &[("one", &[]), ("two", &["one"]), ("three", &["two"])];
const SIDE_BY_SIDE: Steps = &[("one", &[]), ("two", &[])];
const ABREAST: Steps = &[("one", &[]), ("two", &[]), ("three", &[])];
const FORK: Steps = &[("one", &[]), ("two", &["one"]), ("three", &["one"])];
const JOIN: Steps = &[("one", &[]), ("two", &[]), ("three", &["one", "two"])];
const APART: Steps = &[("one", &[]), ("two", &["one"]), ("three", &[])];

/// A shape, and whether its gates may also expire.
struct Row {
    name: &'static str,
    steps: Steps,
    gates: &'static [Gates],
}

const BOTH: &[Gates] = &[Gates::Wait, Gates::Expire];
const WAIT: &[Gates] = &[Gates::Wait];

/// In each of them all events may happen. Three steps at once, each with gates, have a million million orders.
const TABLE: &[Row] = &[
    Row { name: "one step", steps: ONE, gates: BOTH },
    Row { name: "two steps", steps: TWO, gates: BOTH },
    Row { name: "three steps", steps: THREE, gates: BOTH },
    Row { name: "two at once", steps: SIDE_BY_SIDE, gates: BOTH },
    Row { name: "three at once", steps: ABREAST, gates: WAIT },
    Row { name: "a fork", steps: FORK, gates: WAIT },
    Row { name: "a join", steps: JOIN, gates: WAIT },
    Row { name: "two steps and one beside them", steps: APART, gates: WAIT },
];

/// Whether each step is asked about when it is done.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Never,
    OnError,
    Always,
}

/// Whether a gate has a time after which its default holds. Work that runs out of its time lets such a gate do so
/// before, so a plan without is tried as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gates {
    Wait,
    Expire,
}

/// Far less than the time of a step's work.
const GATE_TIMEOUT_MS: u64 = 60_000;

impl Asked {
    fn policy(self) -> PolicyPatch {
        match self {
            Self::Never => auto(Intervene::Never),
            Self::OnError => auto(Intervene::OnError),
            Self::Always => policy(Execution::Step, Intervene::Always),
        }
    }
}

impl Gates {
    fn plan(self, steps: Steps) -> Plan {
        let mut plan = graph(steps);
        if self == Self::Expire {
            plan.gate_timeout_ms = Some(GATE_TIMEOUT_MS);
            plan.gate_default = Some(DecisionKind::Continue);
        }
        plan
    }

    /// What may happen once.
    fn events(self) -> &'static [Once] {
        match self {
            Self::Wait => &[Pause, Cancel, Timeout, LeaseLoss, Failure],
            Self::Expire => &[Pause, Cancel, Timeout, LeaseLoss, Failure, Expiry],
        }
    }
}

impl Row {
    #[expect(clippy::print_stdout, reason = "how many orders there are is a result")]
    fn check(&self, asked: Asked, gates: Gates) -> Ends {
        let (name, began, mut check) = (self.name, Instant::now(), Check::new(Node::state));
        let ends =
            check.explore(&Node::begin(run_started(gates.plan(self.steps), asked.policy()), gates.events()));
        let (states, took) = (check.known.len(), began.elapsed());
        println!("{name}, asked {asked:?}, gates {gates:?}: {ends}, {states} states, {took:.1?}");
        // Each way to end comes up, or the row proves nothing about it.
        assert!(ends.success > 0 && ends.error > 0 && ends.cancelled > 0, "{name}: {ends}");
        ends
    }
}

#[test]
fn in_every_order_of_events_exactly_one_wins() {
    let of_row = |row: &Row| {
        let mut ends = Ends::default();
        for asked in [Asked::Never, Asked::OnError, Asked::Always] {
            row.gates.iter().for_each(|gates| ends += row.check(asked, *gates));
        }
        ends
    };
    let all = std::thread::scope(|scope| {
        let rows: Vec<_> = TABLE.iter().map(|row| scope.spawn(move || of_row(row))).collect();
        rows.into_iter().fold(Ends::default(), |mut all, row| {
            all += row.join().expect("the row holds");
            all
        })
    });
    println!("all: {all}");
    assert!(all.orders() > 1_000_000_000_000, "{all}");
}

/// What lets the check go on once from many orders takes none of them away: with everything that the machine remembers
/// there are far more states, and as many orders to each end.
#[test]
fn states_with_the_same_prospects_have_the_same_future() {
    for (steps, asked, gates) in [
        (ONE, Asked::Always, Gates::Expire),
        (TWO, Asked::OnError, Gates::Wait),
        (SIDE_BY_SIDE, Asked::Never, Gates::Wait),
    ] {
        let begun = Node::begin(run_started(gates.plan(steps), asked.policy()), gates.events());
        let (mut check, mut control) = (Check::new(Node::state), Check::new(Node::everything));
        assert_eq!(check.explore(&begun), control.explore(&begun), "{steps:?}, asked {asked:?}");
        assert!(check.known.len() < control.known.len(), "{steps:?}, asked {asked:?}");
    }
}

impl Ends {
    /// Counts an order after which nothing can happen any more.
    fn count(&mut self, node: &Node) {
        match node.status() {
            RunStatus::Success => self.success += 1,
            RunStatus::Error => self.error += 1,
            RunStatus::Cancelled => self.cancelled += 1,
            RunStatus::Running | RunStatus::Paused => {
                panic!("nothing can happen any more: {}", node.told())
            }
        }
    }

    fn orders(self) -> u128 {
        self.success + self.error + self.cancelled
    }
}

impl AddAssign for Ends {
    fn add_assign(&mut self, other: Self) {
        self.success += other.success;
        self.error += other.error;
        self.cancelled += other.cancelled;
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { success, error, cancelled } = self;
        let orders = self.orders();
        write!(f, "{orders} orders ({success} to success, {error} to error, {cancelled} cancelled)")
    }
}
