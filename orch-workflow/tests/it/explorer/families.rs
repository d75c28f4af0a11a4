//! Generated families of workflows, each with its world, from a seed.

use std::time::Instant;

use orch_config::{
    id::StepId,
    kind::ExecutionMode,
    policy::{Execution, Intervene},
    retry::Retry,
    workflow::GateDefault,
};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled, Timestamp, Warning, WarningCode},
    decision::{Decision, DecisionKind, Gate, GateReason},
    plan::Plan,
    port::{Ask, AskId, Dispatch},
    testing::{Explored, Explorer, Reply},
    view::RunView,
};

use serde_json::json;

use super::seed::Seed;
use crate::machine::story::{output, plan, policy, repeat, step, warned, when, workflow};

/// Explore from here on instead. A failure prints the seed that brings it back at once.
const SEED: &str = "ORCH_EXPLORER_SEED";
/// So many runs that have come through a crash are held against those without one, to the last attempt.
const ENDS: u64 = 100_000;
/// In one of so many workflows the host may also be unable to tell what became of the work.
const BLIND: u64 = 8;
const HOUR_MS: u64 = 3_600_000;

/// What may happen in the workflows of a family.
#[derive(Debug, Clone, Copy)]
struct Family {
    name: &'static str,
    /// Steps wait for any of those before them, instead of the one before.
    parallel: bool,
    replies: &'static [Kind],
    policies: Policies,
    decisions: &'static [DecisionKind],
    foreground: bool,
    /// Some steps in a row are repeated, and some are left out on a condition.
    conditions: bool,
    /// Some steps have to answer in a form.
    structured: bool,
    /// What may be spent is bounded.
    bounded: bool,
    /// Nobody is there: gates take their defaults.
    deserted: bool,
    /// Each run is forked from each of its steps.
    forks: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    Formless,
    Warned,
    WarnsFirst,
    Model,
    Transient,
    RateLimited,
    Overflow,
    BreaksOff,
    SentInDoubt,
    Unknown,
    NoPlace,
    Asks,
    Hangs,
}

#[derive(Debug, Clone, Copy)]
enum Policies {
    Default,
    All,
}

const PLAIN: Family = Family {
    name: "sequences",
    parallel: false,
    replies: &[Kind::Plain, Kind::Plain, Kind::Warned],
    policies: Policies::Default,
    decisions: &[DecisionKind::Continue],
    foreground: false,
    conditions: false,
    structured: false,
    bounded: false,
    deserted: false,
    forks: false,
};
const EVERYTHING: &[Kind] = &[
    Kind::Plain,
    Kind::Plain,
    Kind::Warned,
    Kind::WarnsFirst,
    Kind::Model,
    Kind::Transient,
    Kind::RateLimited,
    Kind::Overflow,
    Kind::BreaksOff,
    Kind::SentInDoubt,
    Kind::Unknown,
    Kind::NoPlace,
    Kind::Asks,
    Kind::Hangs,
];
const ANY: &[DecisionKind] =
    &[DecisionKind::Continue, DecisionKind::Retry, DecisionKind::Skip, DecisionKind::Replace];
const ANY_OR_END: &[DecisionKind] = &[
    DecisionKind::Continue,
    DecisionKind::Retry,
    DecisionKind::Skip,
    DecisionKind::Replace,
    DecisionKind::Abort,
];

const FAMILIES: [Family; 14] = [
    PLAIN,
    Family { name: "diamonds", parallel: true, ..PLAIN },
    Family {
        name: "retries",
        replies: &[Kind::Plain, Kind::Transient, Kind::RateLimited, Kind::BreaksOff, Kind::SentInDoubt],
        policies: Policies::All,
        ..PLAIN
    },
    Family {
        name: "gates",
        replies: &[Kind::Plain, Kind::Warned, Kind::WarnsFirst, Kind::Model, Kind::Overflow, Kind::Unknown],
        policies: Policies::All,
        decisions: ANY_OR_END,
        ..PLAIN
    },
    Family {
        name: "asks and timeouts",
        replies: &[Kind::Plain, Kind::Asks, Kind::Hangs],
        decisions: ANY,
        ..PLAIN
    },
    Family {
        name: "defaults of gates",
        replies: &[Kind::Plain, Kind::Warned, Kind::Model, Kind::Transient],
        policies: Policies::All,
        deserted: true,
        ..PLAIN
    },
    Family {
        name: "people in the foreground",
        replies: &[Kind::Plain, Kind::Warned, Kind::Model, Kind::Asks],
        policies: Policies::All,
        decisions: ANY,
        foreground: true,
        ..PLAIN
    },
    Family { name: "repeats and conditions", conditions: true, ..PLAIN },
    Family {
        name: "failing repeats",
        conditions: true,
        replies: EVERYTHING,
        policies: Policies::All,
        decisions: ANY_OR_END,
        ..PLAIN
    },
    Family {
        name: "output repairs",
        structured: true,
        replies: &[Kind::Plain, Kind::Plain, Kind::Formless, Kind::Formless, Kind::Warned, Kind::Transient],
        policies: Policies::All,
        decisions: ANY,
        ..PLAIN
    },
    Family {
        name: "budgets",
        bounded: true,
        replies: &[Kind::Plain, Kind::Warned, Kind::Transient, Kind::Model],
        policies: Policies::All,
        decisions: ANY,
        ..PLAIN
    },
    Family { name: "forks", forks: true, parallel: true, ..PLAIN },
    Family {
        name: "forks of failing repeats",
        forks: true,
        conditions: true,
        replies: EVERYTHING,
        policies: Policies::All,
        decisions: ANY,
        ..PLAIN
    },
    Family {
        name: "everything at once",
        parallel: true,
        replies: EVERYTHING,
        policies: Policies::All,
        decisions: ANY_OR_END,
        ..PLAIN
    },
];

/// Fault: the process dies at any point, with what was under way done and not done, and again while it recovers.
#[test]
fn a_hundred_thousand_crash_points_lose_nothing_and_double_nothing() {
    let first: u64 = std::env::var(SEED).map_or(1, |seed| seed.parse().expect("a seed is a number"));
    let share = ENDS / FAMILIES.len() as u64 + 1;
    let explore = |family: &Family| {
        let (began, mut explored) = (Instant::now(), Explored::default());
        let mut last = first;
        for seed in first.. {
            last = seed;
            if explored.ends >= share {
                break;
            }
            let explorer = family.generate(&mut Seed::new(seed));
            let explorer = if seed % BLIND == 0 { explorer } else { explorer.without_blindness() };
            explored += explorer.explore();
            if let Some(finding) = explored.findings.first() {
                panic!("{} with {SEED}={seed}: {finding}", family.name);
            }
        }
        println!("{:<28}{explored}, seeds {first} to {}, {:.1?}", family.name, last - 1, began.elapsed());
        explored
    };
    let explored: Explored = std::thread::scope(|scope| {
        let families = FAMILIES.iter().map(|family| scope.spawn(move || explore(family))).collect::<Vec<_>>();
        families.into_iter().map(|family| family.join().expect("the family is sound")).sum()
    });
    println!("{:<28}{explored}", "all");
    assert!(explored.ends >= ENDS, "{explored}");
    assert_eq!((explored.lost, explored.doubled), (0, 0), "{explored}");
}

impl Family {
    fn generate(self, seed: &mut Seed) -> Explorer {
        let plan = self.plan(seed);
        let (host, person) = (seed.fork(), seed.fork());
        let policy = match self.policies {
            Policies::Default => policy(Execution::Auto, Intervene::OnError),
            Policies::All => policy(
                *seed.one_of(&[Execution::Auto, Execution::Step]),
                *seed.one_of(&[
                    Intervene::Never,
                    Intervene::OnError,
                    Intervene::OnWarning,
                    Intervene::Always,
                ]),
            ),
        };
        let crashes = if plan.steps.len() <= 2 && !self.parallel { 2 } else { 1 };
        let explorer = Explorer::new(plan)
            .with_policy(policy)
            .with_crashes(crashes)
            .with_downtimes_ms(if crashes == 1 { vec![0, HOUR_MS] } else { vec![0] })
            .with_host(move |dispatch| self.reply(dispatch, host));
        let explorer = if self.forks { explorer.with_forks() } else { explorer };
        if self.deserted {
            // A default that a gate does not allow is none.
            explorer.with_person(|_, gate| gate.default.is_none().then_some(Decision::Continue))
        } else {
            explorer.with_person(move |view, gate| Some(self.decide(view, gate, person)))
        }
    }

    fn plan(self, seed: &mut Seed) -> Plan {
        let ids = ["one", "two", "three", "four", "five"];
        let length = 1 + seed.below(if self.parallel { 5 } else { 4 });
        let steps = ids[..length].iter().map(|id| {
            let mut step = step(id);
            step.carry = seed.once_in(2);
            step.prompt = "{task} {carry}".to_owned();
            step.timeout_ms = 600_000;
            step.retry = Retry { max_attempts: 1 + seed.below(3) as u32, ..Retry::default() };
            step.execution = (self.foreground && seed.once_in(2)).then_some(ExecutionMode::Foreground);
            step
        });
        let mut workflow = workflow(steps.collect::<Vec<_>>());
        if self.deserted {
            let defaults = [GateDefault::Continue, GateDefault::Skip, GateDefault::Abort];
            workflow.gate_timeout_ms = Some(60_000);
            workflow.gate_default = Some(*seed.one_of(&defaults));
        }
        let mut plan = plan(workflow);
        if self.structured {
            let schema = json!({ "type": "object", "required": ["ok"] });
            let steps = plan.steps.iter_mut().filter(|_| seed.once_in(2));
            steps.for_each(|step| step.output = Some(schema.clone()));
        }
        if self.bounded {
            plan.budget.max_tokens = Some(500 * (1 + seed.below(6) as u64));
            let steps = plan.steps.iter_mut().filter(|_| seed.once_in(4));
            steps.for_each(|step| step.budget.max_tokens = Some(500));
        }
        if self.conditions {
            plan = conditional(plan, seed);
        }
        if self.parallel {
            plan.limits.max_parallel = 1 + seed.below(3) as u32;
            let ids: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
            for (number, step) in plan.steps.iter_mut().enumerate() {
                step.needs = ids[..number].iter().filter(|_| seed.once_in(2)).cloned().collect();
            }
        }
        plan
    }

    /// The same prompt gets the same reply, whoever sends it. The third attempt is always answered.
    fn reply(self, dispatch: &Dispatch, seed: Seed) -> Reply {
        let id = &dispatch.id;
        let answer = format!("## Summary\n{id} has answered");
        if id.attempt > 2 {
            return Reply::Settles(output(&answer, json!({ "ok": true })));
        }
        match seed.keyed(&format!("{id}")).one_of(self.replies) {
            Kind::Plain => {
                let mut result = output(&answer, json!({ "ok": seed.keyed(&answer).once_in(2) }));
                result.usage.output = 400;
                Reply::Settles(result)
            }
            Kind::Formless => Reply::answer(answer),
            Kind::Warned => Reply::Settles(warned(&answer)),
            Kind::WarnsFirst => {
                let warning = Warning::new(WarningCode::PermissionAuto, "a rule permitted it");
                Reply::Warns(warning, Settled::answer(answer))
            }
            Kind::Model => Reply::fails(ErrorCode::Model, "the model refused"),
            Kind::Transient => Reply::fails(ErrorCode::Unreachable, "the host is gone"),
            Kind::RateLimited => {
                let reset_at = Timestamp(1_700_000_000_000).plus_ms(120_000);
                let error = AttemptError::new(ErrorCode::RateLimited, "too fast").with_reset_at(reset_at);
                Reply::Settles(Settled::failed(error))
            }
            Kind::Overflow => Reply::fails(ErrorCode::ContextOverflow, "too long"),
            Kind::BreaksOff => Reply::BreaksOff,
            Kind::SentInDoubt => Reply::SentInDoubt {
                arrived: seed.keyed(&format!("{id} arrives")).once_in(2),
                answer: Settled::answer(answer),
            },
            Kind::Unknown => Reply::CannotBeKnown,
            Kind::NoPlace => Reply::HasNoPlace(AttemptError::new(ErrorCode::SpawnFailed, "no process")),
            Kind::Asks => {
                let ask = Ask::permission(AskId(format!("ask {id}")), "ses", "bash: make");
                Reply::Asks(ask, Settled::answer(answer))
            }
            Kind::Hangs => Reply::Hangs,
        }
    }

    /// The same gate gets the same decision. What has been tried often enough is tried no more.
    fn decide(self, view: &RunView, gate: &Gate, seed: Seed) -> Decision {
        let step = view.steps.iter().find(|step| step.id == gate.step).map(|step| step.attempts.len());
        let group =
            view.groups.iter().find(|group| group.id == gate.step).map(|group| group.iteration as usize);
        let attempts = step.or(group).expect("a gate is at a step or a group");
        // Going on would take a higher budget.
        let spent = gate.reason == GateReason::Budget;
        let possible: Vec<_> = self
            .decisions
            .iter()
            .copied()
            .filter(|kind| {
                !(spent && *kind == DecisionKind::Continue)
                    && gate.allows(*kind)
                    && (attempts < 3 || *kind != DecisionKind::Retry)
            })
            .collect();
        let fallback =
            if gate.allows(DecisionKind::Continue) { DecisionKind::Continue } else { DecisionKind::Retry };
        let mut seed = seed.keyed(&format!("{} {attempts} {}", gate.step, gate.reason.as_str()));
        // Whether work is left after an answer, so that there is a gate, may depend on which of two steps is faster.
        let raced = self.parallel && !gate.allows(DecisionKind::Skip);
        let kind = if possible.is_empty() || raced { fallback } else { *seed.one_of(&possible) };
        match kind {
            DecisionKind::Continue => Decision::Continue,
            DecisionKind::Retry => {
                Decision::Retry { note: seed.once_in(2).then(|| "with care".to_owned()), session: None }
            }
            DecisionKind::Skip => Decision::Skip,
            DecisionKind::Replace => {
                let output = self.structured.then(|| json!({ "ok": true }));
                Decision::Replace { text: format!("{} by hand", gate.step), output }
            }
            DecisionKind::Abort => Decision::Abort,
        }
    }
}

/// Some steps in a row become a group, and a later one is wanted on a condition only.
fn conditional(mut plan: Plan, seed: &mut Seed) -> Plan {
    let ids: Vec<String> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    let first = seed.below(ids.len());
    let end = first + 1 + seed.below(ids.len() - first);
    let members: Vec<&str> = ids[first..end].iter().map(String::as_str).collect();
    let needs: Vec<_> = plan.steps[first].needs.drain(..).map(|need| need.to_string()).collect();
    let needs: Vec<_> = needs.iter().map(String::as_str).collect();
    if let Some(after) = plan.steps.get_mut(end) {
        after.needs = vec![StepId::new("loop").expect("it is an id")];
    }
    let last = members[members.len() - 1];
    let until = [format!("steps.{last}.output.ok"), "iteration >= 2".to_owned(), "false".to_owned()];
    let until = seed.one_of(&until);
    let max = 1 + seed.below(3) as u32;
    plan = repeat(plan, "loop", &needs, &members, max, until);
    match ids.get(end) {
        Some(after) if seed.once_in(2) => when(plan, after, &format!("steps.{last}.status == 'done'")),
        _ => plan,
    }
}
