//! One run, driven by one process or by two.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use super::{EngineExplorer, recorder::Notes};
use crate::{
    attempt::{DispatchId, RunId, Timestamp},
    decision::{Decision, DecisionRequest, Gate, GateReason, Request},
    driver::{Engine, EngineError, NewRun, Run},
    machine::Machine,
    port::AskReply,
    record::Record,
    store::{MemoryStore, Owner, RunStore},
    testing::{
        FaultyStore, Laws, StoreFault,
        explorer::{
            end::{Expected, lost},
            person::{enough, latest_attempt, was_only_adopted},
            run::Trouble,
            run_id,
        },
    },
    view::RunView,
};

const STARTED_AT: Timestamp = Timestamp(1_700_000_000_000);
/// A run with more gates than that goes round in circles.
const MOST_DECISIONS: usize = 1_000;

/// When the first process dies, and after how long the next one is there.
#[derive(Debug, Clone)]
pub(super) struct Crash {
    pub(super) append: u64,
    pub(super) fault: StoreFault,
    pub(super) downtime: Duration,
}

/// A run in a world of its own.
pub(super) struct Trial<'e, W> {
    explorer: &'e EngineExplorer<W>,
    world: W,
    store: Arc<MemoryStore>,
    /// What the process reaches the store through that may die.
    faulty: Arc<FaultyStore>,
    notes: Notes,
    began: Instant,
    gated: HashSet<DispatchId>,
    /// What the run without a crash has come to, if this one is to have one.
    expected: Option<&'e Expected>,
    blind: bool,
}

/// A run that has ended.
pub(super) struct Ended {
    pub(super) view: RunView,
    pub(super) journal: Vec<Record>,
    pub(super) lost: Vec<String>,
    pub(super) doubled: Vec<String>,
}

impl<'e, W> Trial<'e, W> {
    pub(super) fn new(explorer: &'e EngineExplorer<W>, expected: Option<&'e Expected>) -> Self {
        let store = Arc::new(MemoryStore::new());
        Self {
            explorer,
            world: (explorer.world)(),
            faulty: Arc::new(FaultyStore::new(Arc::clone(&store) as _)),
            store,
            notes: Notes::default(),
            began: Instant::now(),
            gated: HashSet::new(),
            expected,
            blind: false,
        }
    }

    /// Drives the run to its end in one process.
    pub(super) async fn without_a_crash(&mut self) -> Result<Ended, Trouble> {
        let engine = self.engine(Arc::clone(&self.faulty) as _, Owner::current());
        let view = self.start(&engine).await?;
        self.ended(&engine, view).await
    }

    /// Lets the process die, and another one go on.
    pub(super) async fn with_a_crash(&mut self, crash: &Crash) -> Result<Ended, Trouble> {
        let faulty = FaultyStore::new(Arc::clone(&self.store) as _).with(crash.append, crash.fault.clone());
        self.faulty = Arc::new(faulty);
        let (engine, faulty) = (self.engine(Arc::clone(&self.faulty) as _, dead()), Arc::clone(&self.faulty));
        let survived = tokio::select! {
            biased;
            () = faulty.severed() => None,
            view = self.start(&engine) => Some(view?),
        };
        if let Some(view) = survived {
            return self.ended(&engine, view).await;
        }
        drop(engine);
        sleep(crash.downtime).await;

        let engine = self.engine(Arc::clone(&self.store) as _, Owner::current());
        let run = self.run().await?;
        let run = engine.resume(&run).await.map_err(gave_up)?;
        let view = self.drive(run).await?;
        self.ended(&engine, view).await
    }

    /// So many appends were made, as long as nothing failed.
    pub(super) fn appends(&self) -> u64 {
        self.faulty.appends()
    }

    /// Whether a person had to decide what nobody could know.
    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// The prompts after which a gate was open.
    pub(super) fn into_gated(self) -> HashSet<DispatchId> {
        self.gated
    }

    /// As far as it was written; empty where nothing was.
    pub(super) async fn journal(&self) -> Vec<Record> {
        match self.run().await {
            Ok(run) => self.store.load(&run, 0).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    fn engine(&self, store: Arc<dyn RunStore>, owner: Owner) -> Engine {
        let executor = self.notes.taken_of((self.explorer.executor)(&self.world));
        let began = self.began;
        let now = move || STARTED_AT.plus_ms(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        Engine::builder(store, executor).owner(owner).wall_clock(now).build()
    }

    async fn start(&mut self, engine: &Engine) -> Result<RunView, Trouble> {
        let EngineExplorer { plan, task, policy, .. } = self.explorer;
        let mut new = NewRun::new(plan.clone(), task, ".");
        new.policy = *policy;
        let run = engine.start(new).await.map_err(gave_up)?;
        self.drive(run).await
    }

    /// Drives a run to its end, with a person at the gates.
    async fn drive(&mut self, run: Run) -> Result<RunView, Trouble> {
        let patience = self.explorer.patience;
        match timeout(patience, self.decide_until_the_end(run)).await {
            Ok(ended) => ended,
            Err(_) => Err(Trouble::Stuck(format!("the run has not ended within {patience:?}"))),
        }
    }

    async fn decide_until_the_end(&mut self, mut run: Run) -> Result<RunView, Trouble> {
        for _ in 0..MOST_DECISIONS {
            let view = self.rest(&run).await?;
            let Some(gate) = &view.gate else { return Ok(view) };
            let decision = DecisionRequest::new(self.decide(&view, gate), "the explorer")
                .at(gate.id.clone())
                .with_budget(enough(gate));
            let requested =
                run.engine().request(run.id(), Request::Decide(decision)).await.map_err(gave_up)?;
            let Some(driven) = requested.run else {
                return Err(Trouble::Stuck(format!("another process drives the run: {:?}", requested.reply)));
            };
            run = driven;
        }
        Err(Trouble::Stuck(format!("the run goes round in circles: {MOST_DECISIONS} decisions")))
    }

    /// Waits until the run is at rest, and permits whatever a worker asks for meanwhile.
    async fn rest(&self, run: &Run) -> Result<RunView, Trouble> {
        let (mut events, mut answered) = (run.engine().subscribe(), HashSet::new());
        loop {
            for ask in run.view().asks.into_iter().map(|ask| ask.id) {
                if answered.insert(ask.clone()) {
                    let (reply, by) = (AskReply::Once, "the explorer".to_owned());
                    // It may have gone away, or the run have ended, a moment ago.
                    let _ = run.engine().request(run.id(), Request::Answer { ask, reply, by }).await;
                }
            }
            tokio::select! {
                biased;
                rested = run.wait() => return rested.map_err(gave_up),
                _ = events.next() => {}
            }
        }
    }

    /// What the person at the gates says. What only a crash has brought about is not the person's business.
    fn decide(&mut self, view: &RunView, gate: &Gate) -> Decision {
        if let Some(attempt) = latest_attempt(view, gate) {
            let prompt = in_any_run(&attempt.dispatch);
            let asked_anyway = self.expected.is_none_or(|expected| expected.gated.contains(&prompt));
            if !asked_anyway && gate.reason == GateReason::InDoubt {
                self.blind = true;
                return Decision::Retry { note: None, session: None };
            }
            if !asked_anyway && was_only_adopted(attempt) {
                return Decision::Continue;
            }
            self.gated.insert(prompt);
        }
        (self.explorer.person)(view, gate)
    }

    /// Looks at a run that has ended: the engine shows what the journal tells, and the journal keeps the laws.
    async fn ended(&self, engine: &Engine, view: RunView) -> Result<Ended, Trouble> {
        let run = self.run().await?;
        let journal = self.store.load(&run, 0).await.map_err(|error| gave_up(error.into()))?;
        let machine = Machine::replay(&journal).map_err(|error| Trouble::Replay(error.to_string()))?;
        let shown = engine.view(&run).await.map_err(gave_up)?;
        // Who drives it is no part of the journal.
        if machine.view() != (RunView { owner: None, ..shown }) {
            return Err(Trouble::Replay("the engine shows another state than its journal tells".to_owned()));
        }
        let mut laws = Laws::new();
        laws.read(&journal).and_then(|()| laws.check_machine(&machine)).map_err(Trouble::Broken)?;
        let answers = self.notes.answers();
        let lost = lost(answers.iter().map(|(dispatch, answer)| (dispatch, answer.clone())), &journal, &laws);
        Ok(Ended { view, journal, lost, doubled: self.doubled() })
    }

    /// The prompts that the executor has accepted, or the world has received, more than once.
    fn doubled(&self) -> Vec<String> {
        let mut doubled = self.notes.doubled();
        let mut arrived = BTreeMap::new();
        for prompt in (self.explorer.arrivals)(&self.world) {
            *arrived.entry(prompt).or_insert(0_u32) += 1;
        }
        if doubled.is_empty() {
            let twice = arrived.into_iter().filter(|(_, times)| *times > 1);
            doubled.extend(twice.map(|(prompt, times)| format!("{prompt} has arrived {times} times")));
        }
        doubled
    }

    /// The one run in the store.
    async fn run(&self) -> Result<RunId, Trouble> {
        let runs = self.store.list().await.map_err(|error| gave_up(error.into()))?;
        let run = runs.into_iter().next().map(|entry| entry.run);
        run.ok_or_else(|| Trouble::Stuck("the run was never written".to_owned()))
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { append, fault, downtime } = self;
        let when = if *fault == StoreFault::CrashesBefore { "before" } else { "after" };
        write!(f, "crash {when} append {append}, continued {downtime:?} later")
    }
}

/// A process that everybody who looks finds dead.
fn dead() -> Owner {
    let mut owner = Owner::current();
    // No kernel gives so high a number.
    owner.pid = u32::MAX - 1;
    owner
}

/// The same prompt of whatever run: each has an id of its own.
fn in_any_run(dispatch: &DispatchId) -> DispatchId {
    DispatchId { run: run_id(), ..dispatch.clone() }
}

fn gave_up(error: EngineError) -> Trouble {
    match error {
        EngineError::Rejected(rejected) => Trouble::Refused(rejected),
        other => Trouble::Stuck(other.to_string()),
    }
}
