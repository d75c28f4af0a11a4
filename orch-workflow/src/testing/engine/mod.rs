//! Lets the process that drives a run die around every append, with an executor and a workflow of your own.
//!
//! The [`Explorer`](super::Explorer) explores a plan by itself, on a host that is a function. This one explores what
//! really drives it: the [`Engine`](crate::driver::Engine), its store, and a [`StepExecutor`] that somebody has
//! written. A run is driven to its end once without a crash. Then it is driven again for every append to the store:
//! the process dies just before it or just after it, and another one, with an engine and an executor that remember
//! nothing, takes the run up at once or a while later.
//!
//! It must come to the same end. The [`Laws`](super::Laws) are held against its journal, which has to tell the state
//! that the engine shows. Nothing that the executor has answered may be [lost](Explored::lost), and nothing that it
//! has accepted may be sent again, so that it is [doubled](Explored::doubled).
//!
//! What lives on between the processes is the *world* of a run: whatever the executor works on. Each run has a new
//! one, and each process an executor of its own in it.
//!
//! ```
//! use orch_config::{
//!     Config, Profile, StepDefinition, WorkflowDefinition,
//!     id::{ProfileId, StepId, WorkflowId},
//! };
//! use orch_workflow::{
//!     plan::Plan,
//!     testing::{EngineExplorer, ScriptedHost, Turn},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let coder = ProfileId::new("coder")?;
//! let step = |id| Ok::<_, Box<dyn std::error::Error>>(StepDefinition::new(StepId::new(id)?, coder.clone(), "{task}"));
//! let mut config = Config::builtin();
//! config.insert_profile(Profile::new(coder.clone()));
//! config.insert_workflow(WorkflowDefinition::new(WorkflowId::new("ship")?, vec![step("build")?, step("check")?]));
//! let plan = Plan::compile(&config, "ship")?;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
//! // In a test of your own: #[tokio::test(start_paused = true)]
//! let world = || ScriptedHost::new().with("build", Turn::answers("built"));
//! let explored = EngineExplorer::new(plan, world, |host| host.executor())
//!     .with_arrivals(ScriptedHost::arrived)
//!     .explore()
//!     .await;
//!
//! assert_eq!(explored.findings, []);
//! assert_eq!((explored.lost, explored.doubled), (0, 0));
//! assert!(explored.points >= 20, "{explored}");
//! # });
//! # Ok(()) }
//! ```

mod recorder;
mod trial;

use std::{fmt, sync::Arc, time::Duration};

use orch_config::policy::PolicyPatch;

use self::trial::{Crash, Ended, Trial};
use super::{
    explorer::{
        end::{End, Expected},
        explored::{Explored, Finding},
        person::once_more_then_skip,
    },
    store::StoreFault,
};
use crate::{
    decision::{Decision, Gate},
    plan::Plan,
    port::StepExecutor,
    view::RunView,
};

/// A plan, the world that its executor works in, and when its process dies.
pub struct EngineExplorer<W> {
    plan: Plan,
    task: String,
    policy: PolicyPatch,
    world: Box<dyn Fn() -> W + Send + Sync>,
    executor: Executors<W>,
    arrivals: Arrivals<W>,
    person: Person,
    downtimes: Vec<Duration>,
    patience: Duration,
}

/// The executor that a new process brings into a world.
type Executors<W> = Box<dyn Fn(&W) -> Arc<dyn StepExecutor> + Send + Sync>;

/// What is said at a gate.
type Person = Box<dyn Fn(&RunView, &Gate) -> Decision + Send + Sync>;

/// The names of the prompts that have arrived in a world.
type Arrivals<W> = Box<dyn Fn(&W) -> Vec<String> + Send + Sync>;

impl<W> EngineExplorer<W> {
    /// A plan with a new world for each run, and in it an executor for each process; with a person who tries what
    /// failed once more, then leaves it out, and lets everything else go on.
    ///
    /// The same world must treat the same prompts alike, because a run with a crash is compared with one without.
    #[must_use]
    pub fn new<E: StepExecutor + 'static>(
        plan: Plan,
        world: impl Fn() -> W + Send + Sync + 'static,
        executor: impl Fn(&W) -> Arc<E> + Send + Sync + 'static,
    ) -> Self {
        Self {
            plan,
            task: "the task".to_owned(),
            policy: PolicyPatch::default(),
            world: Box::new(world),
            executor: Box::new(move |world| executor(world)),
            arrivals: Box::new(|_| Vec::new()),
            person: Box::new(once_more_then_skip),
            downtimes: vec![Duration::ZERO, Duration::from_secs(60)],
            patience: Duration::from_secs(24 * 60 * 60),
        }
    }

    /// What the run works on.
    #[must_use]
    pub fn with_task(mut self, task: impl Into<String>) -> Self {
        self.task = task.into();
        self
    }

    /// The policy of the run, over the workflow's own.
    #[must_use]
    pub fn with_policy(mut self, policy: PolicyPatch) -> Self {
        self.policy = policy;
        self
    }

    /// The world's own word on which prompts have arrived in it, each time with a name of the prompt. A name that
    /// comes twice is a prompt that was sent twice.
    ///
    /// Without it only a prompt that an executor has accepted, and is given again, counts as doubled: one that arrived
    /// unnoticed, because the process died while it was sent, is not seen.
    #[must_use]
    pub fn with_arrivals(mut self, arrivals: impl Fn(&W) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.arrivals = Box::new(arrivals);
        self
    }

    /// What the person says at a gate, once nothing is in flight. It must depend on what it is shown alone.
    ///
    /// What only a crash has brought about is not asked: a result that was adopted is accepted, and what nobody can
    /// know about is tried again.
    #[must_use]
    pub fn with_person(
        mut self,
        person: impl Fn(&RunView, &Gate) -> Decision + Send + Sync + 'static,
    ) -> Self {
        self.person = Box::new(person);
        self
    }

    /// After how long the next process takes the run up, each of these in turn; at once and after a minute unless said
    /// otherwise.
    #[must_use]
    pub fn with_downtimes(mut self, downtimes: impl IntoIterator<Item = Duration>) -> Self {
        self.downtimes = downtimes.into_iter().collect();
        self
    }

    /// How long a run may take before it counts as stuck; a day unless said otherwise, which is nothing on paused time.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Explores the death around every append.
    ///
    /// On paused time (`#[tokio::test(start_paused = true)]`) an executor that waits for nothing but timers is explored
    /// in no time; one that reaches a real host needs the time that the host takes, for every point. Dropping the
    /// future ends the exploration where it is.
    pub async fn explore(&self) -> Explored {
        let mut explored = Explored { runs: 1, ..Explored::default() };
        let mut whole = Trial::new(self, None);
        let ended = match whole.without_a_crash().await {
            Ok(ended) => ended,
            Err(trouble) => {
                let journal = whole.journal().await;
                explored.found(Finding::new(trouble, "without a crash".to_owned(), &journal));
                return explored;
            }
        };
        explored.audit(ended.lost, ended.doubled, || "without a crash".to_owned(), &ended.journal);
        let appends = whole.appends();
        let expected = Expected::of(End::of(&ended.view), whole.into_gated(), &self.plan);
        for append in 1..=appends {
            for fault in [StoreFault::CrashesBefore, StoreFault::CrashesAfter] {
                for downtime in &self.downtimes {
                    let crash = Crash { append, fault: fault.clone(), downtime: *downtime };
                    self.survive(&crash, &expected, &mut explored).await;
                }
            }
        }
        explored
    }

    /// One death, and what comes of the run afterwards.
    async fn survive(&self, crash: &Crash, expected: &Expected, explored: &mut Explored) {
        let mut trial = Trial::new(self, Some(expected));
        let Ended { view, journal, lost, doubled } = match trial.with_a_crash(crash).await {
            Ok(ended) => ended,
            Err(trouble) => {
                explored.died(expected.compared(trial.is_blind()));
                let journal = trial.journal().await;
                return explored.found(Finding::new(trouble, crash.to_string(), &journal));
            }
        };
        explored.died(expected.compared(trial.is_blind()));
        explored.audit(lost, doubled, || crash.to_string(), &journal);
        let end = End::of(&view);
        if !trial.is_blind() && !expected.is_met_by(&end) {
            explored.found(Finding::outcome(expected.difference(&end), crash.to_string(), &journal));
        }
    }
}

impl<W> fmt::Debug for EngineExplorer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, task, policy, downtimes, patience, .. } = self;
        f.debug_struct("EngineExplorer")
            .field("plan", plan)
            .field("task", task)
            .field("policy", policy)
            .field("downtimes", downtimes)
            .field("patience", patience)
            .finish_non_exhaustive()
    }
}
