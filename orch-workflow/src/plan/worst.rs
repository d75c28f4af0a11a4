//! The most that a run of a plan can do, computed before a token is spent.

use orch_config::{id::StepId, kind::ExecutionMode, retry::Retry};

use super::{Plan, PlanGroup, PlanStep};

/// The most that a run can do before somebody decides that a step or a group is to be done again.
///
/// Waiting is counted only between automatic attempts. Waiting for people, for a provider's rate limit, or for a
/// session that another step uses comes on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorstCase {
    /// The steps.
    pub steps: usize,
    /// Attempts, automatic repetitions and passes of groups included.
    pub attempts: u64,
    /// Of the prompts: those that ask a worker which a person has talked to for its hand-off.
    pub handoffs: u64,
    /// Of the prompts: those that ask once more for an answer that does not match its schema.
    pub repairs: u64,
    /// All prompts: one for each attempt, and the hand-offs and repairs.
    pub prompts: u64,
    /// Active time of all steps together, in milliseconds.
    pub active_ms: u64,
    /// Time by the clock, in milliseconds: the longest path of steps that wait for one another. Where more steps
    /// could be at work at once than may be, their waiting for one another is in it as well.
    pub elapsed_ms: u64,
}

/// Computes it.
pub(super) fn case(plan: &Plan) -> WorstCase {
    let mut worst = WorstCase {
        steps: plan.steps.len(),
        attempts: 0,
        handoffs: 0,
        repairs: 0,
        prompts: 0,
        active_ms: 0,
        elapsed_ms: 0,
    };
    let mut waits: u64 = 0;
    for step in &plan.steps {
        let passes = passes(plan, step);
        let attempts = attempts(step).saturating_mul(passes);
        let talks = step.execution == ExecutionMode::Foreground && step.hands_over();
        let (handoffs, repairs) =
            (if talks { attempts } else { 0 }, if step.output.is_some() { attempts } else { 0 });
        worst.attempts = worst.attempts.saturating_add(attempts);
        worst.handoffs = worst.handoffs.saturating_add(handoffs);
        worst.repairs = worst.repairs.saturating_add(repairs);
        worst.active_ms = worst.active_ms.saturating_add(active_ms(step, passes));
        waits = waits.saturating_add(waits_ms(&step.retry).saturating_mul(passes));
    }
    worst.prompts = worst.attempts.saturating_add(worst.handoffs).saturating_add(worst.repairs);
    let all = worst.active_ms.saturating_add(waits);
    worst.active_ms = plan.budget.max_active_ms.map_or(worst.active_ms, |most| most.min(worst.active_ms));
    // While anything is at work it is paid from the run's budget.
    worst.elapsed_ms = elapsed_ms(plan, all).min(worst.active_ms.saturating_add(waits));
    worst
}

/// The longest path, if there is room for everything that may be at work at once.
///
/// Otherwise R. L. Graham's bound for any order of dispatches that leaves no room unused: whenever not all of `m`
/// places are taken the longest path is gone along, so it is at most `(all + (m - 1) × path) / m`. A bound on what the
/// dispatcher does, not a simulation of it: steps that end earlier than at their limits can make the whole take longer.
fn elapsed_ms(plan: &Plan, all: u64) -> u64 {
    let path = longest_path(plan);
    let most = u64::from(plan.limits.max_parallel.max(1));
    let beside = |step: &PlanStep, only: fn(&PlanStep) -> bool| {
        let others = plan.steps.iter().filter(|other| only(other) && other.id != step.id);
        others.filter(|other| !is_before(plan, step, other) && !is_before(plan, other, step)).count()
    };
    // People are with one step at a time.
    let talks = |step: &PlanStep| step.execution == ExecutionMode::Foreground;
    if plan.steps.iter().any(|step| talks(step) && beside(step, talks) > 0) {
        return all;
    }
    let fits = |step: &PlanStep| u64::try_from(beside(step, |_| true)).is_ok_and(|beside| beside < most);
    if plan.steps.iter().all(fits) {
        return path;
    }
    let all = u128::from(all) + u128::from(path) * u128::from(most - 1);
    u64::try_from(all.div_ceil(u128::from(most))).unwrap_or(u64::MAX)
}

/// The longest chain of steps and groups that wait for one another. A pass of a group begins when the one before is
/// over.
fn longest_path(plan: &Plan) -> u64 {
    let ends = |ids: Vec<(&StepId, &[StepId], u64)>| {
        let mut ends: Vec<(&StepId, u64)> = Vec::new();
        let mut left = ids;
        // What is written first need not come first.
        while !left.is_empty() {
            let waits = |needs: &[StepId], left: &[(&StepId, &[StepId], u64)]| {
                needs.iter().any(|need| left.iter().any(|(id, ..)| *id == need))
            };
            let Some(next) = left.iter().position(|(_, needs, _)| !waits(needs, &left)) else { break };
            let (id, needs, takes) = left.remove(next);
            let begins = ends.iter().filter(|(end, _)| needs.contains(end)).map(|(_, at)| *at).max();
            ends.push((id, begins.unwrap_or(0).saturating_add(takes)));
        }
        ends.into_iter().map(|(_, at)| at).max().unwrap_or(0)
    };
    let one_pass = |step: &PlanStep| active_ms(step, 1).saturating_add(waits_ms(&step.retry));
    let group = |group: &PlanGroup| {
        let members = plan.steps.iter().filter(|step| step.group.as_ref() == Some(&group.id));
        let pass = ends(members.map(|step| (&step.id, &step.needs[..], one_pass(step))).collect());
        pass.saturating_mul(group.max.max(1).into())
    };
    let steps = plan.steps.iter().filter(|step| step.group.is_none());
    let steps = steps.map(|step| (&step.id, &step.needs[..], one_pass(step)));
    let groups = plan.groups.iter().map(|node| (&node.id, &node.needs[..], group(node)));
    ends(steps.chain(groups).collect())
}

/// Whether one step is over before another begins: the other waits for it, itself or through groups and other steps.
fn is_before(plan: &Plan, one: &PlanStep, other: &PlanStep) -> bool {
    let mut reached: Vec<&StepId> = vec![&other.id];
    let mut next = 0;
    while let Some(id) = reached.get(next).copied() {
        next += 1;
        let step = plan.step(id);
        let needs = step.map_or_else(|| plan.group(id).map(|group| &group.needs), |step| Some(&step.needs));
        // A member waits for what its group waits for, and who waits for a group waits for its members.
        let around = step.and_then(|step| step.group.as_ref()).and_then(|id| plan.group(id));
        let members = plan.steps.iter().filter(|step| step.group.as_ref() == Some(id)).map(|step| &step.id);
        let all = needs.into_iter().flatten().chain(around.into_iter().flat_map(|group| &group.needs));
        for need in all.chain(members) {
            if need == &one.id {
                return true;
            }
            if !reached.contains(&need) {
                reached.push(need);
            }
        }
    }
    false
}

fn passes(plan: &Plan, step: &PlanStep) -> u64 {
    step.group.as_ref().and_then(|id| plan.group(id)).map_or(1, |group| group.max.max(1).into())
}

fn attempts(step: &PlanStep) -> u64 {
    step.retry.max_attempts.max(1).into()
}

/// The time limit covers all turns of an attempt; the step's budget all of its attempts.
fn active_ms(step: &PlanStep, passes: u64) -> u64 {
    let active_ms = attempts(step).saturating_mul(step.timeout_ms).saturating_mul(passes);
    step.budget.max_active_ms.map_or(active_ms, |most| most.min(active_ms))
}

/// The waits between automatic attempts.
fn waits_ms(retry: &Retry) -> u64 {
    let mut waits: u64 = 0;
    for tries in 1..retry.max_attempts {
        let wait = retry.wait_ms(tries);
        if wait == retry.max_backoff_ms {
            let left = u64::from(retry.max_attempts - tries);
            return waits.saturating_add(wait.saturating_mul(left));
        }
        waits = waits.saturating_add(wait);
    }
    waits
}
