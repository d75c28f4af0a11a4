//! Lets the process die at every point of a run, and shows that it does not matter.
//!
//! A run is driven to its end once without a crash: by the pure machine, on a host that follows a script, with a
//! person at the gates who is a function. Then it is driven again for every point at which the process could have
//! died: after every commit, and for every effect that was under way there, with the effect not done, done, and (for
//! prompts) answered without anybody having seen it. A new process has the journal up to there and the host, nothing
//! else; it probes, goes on, and must come to the same end. It may die again on the way.
//!
//! After every commit the [`Laws`](super::Laws) are checked, and that the journal tells the state in memory.
//! The host counts how often each prompt has reached a model, and knows what it has answered: nothing may be
//! [doubled](Explored::doubled) or [lost](Explored::lost).
//!
//! The world of a plan is two functions. Both must give the same answer whenever they are asked the same, because a
//! run with a crash is compared with one without:
//!
//! ```
//! use orch_config::{
//!     Config, Profile, StepDefinition, WorkflowDefinition,
//!     id::{ProfileId, StepId, WorkflowId},
//! };
//! use orch_workflow::{
//!     attempt::ErrorCode,
//!     decision::Decision,
//!     plan::Plan,
//!     testing::{Explorer, Reply},
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
//! let explored = Explorer::new(plan)
//!     .with_host(|dispatch| match (dispatch.id.step.as_str(), dispatch.id.attempt) {
//!         ("check", 1) => Reply::fails(ErrorCode::Model, "the model refused"),
//!         _ => Reply::answer("done"),
//!     })
//!     .with_person(|_, _| Some(Decision::Continue))
//!     .explore();
//!
//! assert_eq!(explored.findings, []);
//! assert_eq!((explored.lost, explored.doubled), (0, 0));
//! assert!(explored.points > 30, "{explored}");
//! # Ok(()) }
//! ```

pub(super) mod end;
pub(super) mod explored;
mod host;
pub(super) mod person;
pub(super) mod run;

use std::{fmt, path::PathBuf, sync::Arc};

use orch_config::{budget::Budget, id::StepId, policy::PolicyPatch};
use serde_json::Value;

use self::{
    end::Expected,
    explored::told,
    host::Script,
    person::once_more_then_skip,
    run::{Crash, Moment, Run, Trouble},
};
use crate::{
    attempt::RunId,
    decision::{Decision, Gate},
    history::{self, Fork, ForkError, ForkedRun},
    plan::Plan,
    port::{AskPolicy, Dispatch},
    record::{FORMAT_VERSION, Record, RunStarted},
    view::RunView,
};

pub use self::{
    explored::{Explored, Finding, FindingKind},
    host::Reply,
};

type Person = Arc<dyn Fn(&RunView, &Gate) -> Option<Decision> + Send + Sync>;

/// A plan, its world, and how thoroughly it is to be explored.
#[derive(Clone)]
pub struct Explorer {
    started: RunStarted,
    script: Script,
    person: Person,
    crashes: u32,
    downtimes_ms: Vec<u64>,
    blind: bool,
    forks: bool,
    defect: Option<Defect>,
}

/// Something broken in the world, to see that an exploration can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// The store loses its latest commit when the process dies.
    StoreLosesACommit,
    /// The host forgets that prompts have arrived when the process dies.
    HostForgetsArrivals,
    /// The host forgets its answers when the process dies.
    HostForgetsAnswers,
}

impl Explorer {
    /// A plan whose prompts are all answered, with a person who tries what failed once more, then leaves it out, and
    /// lets everything else go on.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            started: RunStarted {
                format: FORMAT_VERSION,
                run: run_id(),
                digest: plan.digest(),
                plan,
                task: "the task".to_owned(),
                policy: PolicyPatch::default(),
                budget: Budget::default(),
                parent_session: None,
                directory: PathBuf::from("."),
                asks: AskPolicy::Wait,
                attachments: Vec::new(),
                metadata: Value::Null,
                forked_from: None,
                warnings: Vec::new(),
                sessions: Default::default(),
            },
            script: Arc::new(|dispatch| Reply::answer(format!("{} is done", dispatch.id))),
            person: Arc::new(|view, gate| Some(once_more_then_skip(view, gate))),
            crashes: 1,
            downtimes_ms: vec![0],
            blind: true,
            forks: false,
            defect: None,
        }
    }

    /// What the run works on.
    #[must_use]
    pub fn with_task(mut self, task: impl Into<String>) -> Self {
        self.started.task = task.into();
        self
    }

    /// The policy of the run, over the workflow's own.
    #[must_use]
    pub fn with_policy(mut self, policy: PolicyPatch) -> Self {
        self.started.policy = policy;
        self
    }

    /// What becomes of each prompt. It must depend on the prompt and its id alone.
    #[must_use]
    pub fn with_host(mut self, host: impl Fn(&Dispatch) -> Reply + Send + Sync + 'static) -> Self {
        self.script = Arc::new(host);
        self
    }

    /// What the person says at a gate, once nothing is in flight; with `None` the gate's default has to come by
    /// itself. It must depend on what it is shown alone.
    ///
    /// Where steps run at once, whether work is left after an answer, and so whether there is a gate, depends on which
    /// of them is faster: a person who does not simply let such an answer pass makes the end depend on it as well.
    ///
    /// What only a crash has brought about is not asked: a result that was adopted is accepted, and what nobody can
    /// know about is tried again.
    #[must_use]
    pub fn with_person(
        mut self,
        person: impl Fn(&RunView, &Gate) -> Option<Decision> + Send + Sync + 'static,
    ) -> Self {
        self.person = Arc::new(person);
        self
    }

    /// How often the process may die in one run: 1 unless said otherwise. Each further time multiplies the work by the
    /// length of the run.
    #[must_use]
    pub fn with_crashes(mut self, crashes: u32) -> Self {
        self.crashes = crashes;
        self
    }

    /// After how long the next process takes the run up, each of these in turn; at once unless said otherwise.
    #[must_use]
    pub fn with_downtimes_ms(mut self, downtimes_ms: impl IntoIterator<Item = u64>) -> Self {
        self.downtimes_ms = downtimes_ms.into_iter().collect();
        self
    }

    /// Leaves out the explorations in which the host cannot tell afterwards what became of the work. Their end cannot
    /// be compared, because a person decides it, but the laws hold for them as well.
    #[must_use]
    pub fn without_blindness(mut self) -> Self {
        self.blind = false;
        self
    }

    /// Explores the forks of the run as well: one from each step and group, as far as the run has the results that it
    /// would keep.
    #[must_use]
    pub fn with_forks(mut self) -> Self {
        self.forks = true;
        self
    }

    /// Breaks the world.
    #[must_use]
    pub fn with_defect(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// Explores every point.
    #[must_use]
    pub fn explore(&self) -> Explored {
        let mut explored = Explored::default();
        let begun = ForkedRun { started: self.started.clone(), reused: Vec::new() };
        let journal = self.explore_run(begun, &mut explored);
        if self.forks
            && let Some(journal) = journal
        {
            for from in self.nodes() {
                match history::fork(&journal, Fork::new(from.clone())) {
                    Ok(forked) => drop(self.explore_run(forked, &mut explored)),
                    Err(ForkError::NoResult { .. }) => {}
                    Err(error) => explored.found(Finding::new(Trouble::Fork(error), told(&[]), &journal)),
                }
            }
        }
        explored
    }

    /// Explores a run, and gives its journal without a crash if it came to its end.
    fn explore_run(&self, begun: ForkedRun, explored: &mut Explored) -> Option<Vec<Record>> {
        let mut moments = Vec::new();
        let whole = Run::begin(self, begun).and_then(|(mut run, first)| {
            moments.push(first);
            run.finish(|moment| moments.push(moment))?;
            Ok(run)
        });
        explored.runs += 1;
        let whole = match whole {
            Ok(whole) => whole,
            Err(trouble) => {
                explored.found(Finding::new(trouble, told(&[]), &[]));
                return None;
            }
        };
        explored.audit(whole.lost(), whole.doubled(), || told(&[]), &whole.journal);
        let expected = Expected::of(whole.end(), whole.gated, &self.started.plan);
        let journal = whole.journal;
        for moment in &moments {
            self.die_at(moment, &journal, &expected, &mut Vec::new(), explored);
        }
        Some(journal)
    }

    /// Where a fork may begin.
    fn nodes(&self) -> impl Iterator<Item = &StepId> {
        let Plan { steps, groups, .. } = &self.started.plan;
        let steps = steps.iter().filter(|step| step.group.is_none()).map(|step| &step.id);
        steps.chain(groups.iter().map(|group| &group.id))
    }

    fn die_at(
        &self,
        moment: &Moment,
        journal: &[Record],
        expected: &Expected,
        path: &mut Vec<(usize, Crash)>,
        explored: &mut Explored,
    ) {
        let blindness: &[bool] = if self.blind { &[false, true] } else { &[false] };
        for unseen in moment.deaths() {
            for downtime_ms in &self.downtimes_ms {
                for blind in blindness {
                    let crash = Crash { unseen: unseen.clone(), downtime_ms: *downtime_ms, blind: *blind };
                    path.push((moment.records, crash));
                    self.recover(moment, journal, expected, path, explored);
                    path.pop();
                }
            }
        }
    }

    /// What the last crash of the path has left is taken up, and comes to its end.
    fn recover(
        &self,
        moment: &Moment,
        journal: &[Record],
        expected: &Expected,
        path: &mut Vec<(usize, Crash)>,
        explored: &mut Explored,
    ) {
        let Some((_, crash)) = path.last() else { return };
        let again = u32::try_from(path.len()).is_ok_and(|died| died < self.crashes);
        let blind = path.iter().any(|(_, crash)| crash.blind);
        explored.died(expected.compared(blind));
        let mut moments = Vec::new();
        let mut left = None;
        let finished = Run::restart(self, journal, moment, crash, &expected.gated).and_then(|mut run| {
            left = again.then(|| (run.journal.len(), run.host.clone()));
            run.finish(|moment| {
                if again {
                    moments.push(moment)
                }
            })?;
            Ok(run)
        });
        let run = match finished {
            Ok(run) => run,
            Err(trouble) => return explored.found(Finding::new(trouble, told(path), journal)),
        };
        explored.audit(run.lost(), run.doubled(), || told(path), &run.journal);
        if !blind && !expected.is_met_by(&run.end()) {
            let difference = expected.difference(&run.end());
            explored.found(Finding::outcome(difference, told(path), &run.journal));
        }
        let Some((records, host)) = left else { return };
        for moment in moments.iter().filter(|moment| !moment.leaves_the_same_as(records, &host)) {
            self.die_at(moment, &run.journal, expected, path, explored);
        }
    }
}

impl fmt::Debug for Explorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { started, crashes, downtimes_ms, blind, forks, defect, .. } = self;
        f.debug_struct("Explorer")
            .field("started", started)
            .field("crashes", crashes)
            .field("downtimes_ms", downtimes_ms)
            .field("blind", blind)
            .field("forks", forks)
            .field("defect", defect)
            .finish_non_exhaustive()
    }
}

pub(super) fn run_id() -> RunId {
    // The prefix and the characters are those that a run id may have.
    RunId::new("run_explored").unwrap_or_else(|invalid| unreachable!("{invalid}"))
}
