//! What a run and its steps may spend: watched before each dispatch and while work is under way.
//!
//! At four fifths of a bound the attempt is remarked, once for each bound. At the whole of it whatever spends from it
//! is stopped, and a gate opens that only a higher bound, another result or the end of the run can answer. An answer
//! that came all the same has been paid for, and is kept.

use orch_config::budget::Budget;

use crate::{
    attempt::{Timestamp, Usage, Warning, WarningCode},
    decision::{Bound, Gate, GateReason, Rejected, Spent},
    machine::{
        draft::Draft,
        gates,
        live::Follow,
        requests::stop,
        state::{Attempt, State},
    },
    record::{RecordBody, StopReason},
};

/// Adds up what is spent: what the journal tells, and what this process knows of the work in flight.
pub(crate) struct Meter<'m> {
    state: &'m State,
    follows: &'m [Follow],
    now: Timestamp,
    /// What a step's prompt has used that is about to be journaled.
    latest: Option<(usize, Usage)>,
}

#[derive(Default)]
struct Used {
    usage: Usage,
    active_ms: u64,
}

impl<'m> Meter<'m> {
    /// As far as the journal tells.
    pub(crate) fn journaled(state: &'m State) -> Self {
        Self { state, follows: &[], now: state.last_at, latest: None }
    }

    fn of(draft: &'m Draft<'_>) -> Self {
        Self { state: &draft.state, follows: draft.follows(), now: draft.now, latest: None }
    }

    /// Every bound in force: the run's, then those of the steps.
    pub(crate) fn bounds(&self) -> Vec<Spent> {
        let mut bounds = self.of_run();
        for step in 0..self.state.steps.len() {
            bounds.extend(self.of_step(step));
        }
        bounds
    }

    /// The bounds that work of this step spends from.
    fn around(&self, step: usize) -> impl Iterator<Item = Spent> {
        self.of_run().into_iter().chain(self.of_step(step))
    }

    fn of_run(&self) -> Vec<Spent> {
        let budget = self.state.run_budget();
        if budget.is_unbounded() {
            return Vec::new();
        }
        let mut used = Used::default();
        (0..self.state.steps.len()).for_each(|step| self.add(step, &mut used));
        bounds(budget, &used)
    }

    fn of_step(&self, step: usize) -> Vec<Spent> {
        let budget = self.state.step_budget(step);
        if budget.is_unbounded() {
            return Vec::new();
        }
        let mut used = Used::default();
        self.add(step, &mut used);
        let id = &self.state.planned(step).id;
        bounds(budget, &used).into_iter().map(|spent| spent.by_step(id.clone())).collect()
    }

    fn add(&self, step: usize, used: &mut Used) {
        for attempt in &self.state.steps[step].attempts {
            used.usage += attempt.usage;
            if attempt.end.is_some() {
                used.active_ms += attempt.active_ms;
            } else {
                self.add_open(step, attempt, used);
            }
        }
    }

    fn add_open(&self, step: usize, attempt: &Attempt, used: &mut Used) {
        let turn = attempt.open_turn();
        let follow =
            turn.and_then(|turn| self.follows.iter().find(|follow| follow.dispatch == turn.dispatch));
        let mut usage = turn.map_or_else(Usage::default, |turn| turn.used);
        if let Some(follow) = follow {
            usage = usage.at_least(follow.used);
        }
        if let Some((_, latest)) = self.latest.filter(|(latest, _)| *latest == step) {
            usage = usage.at_least(latest);
        }
        used.usage += usage;
        used.active_ms +=
            follow.map_or_else(|| attempt.known_active_ms(), |follow| follow.clock.active_ms(self.now));
    }
}

fn bounds(budget: Budget, used: &Used) -> Vec<Spent> {
    let tokens = budget.max_tokens.map(|max| (Bound::Tokens, max as f64, used.usage.tokens() as f64));
    let cost = budget.max_cost_usd.map(|max| (Bound::CostUsd, max, used.usage.cost_usd));
    let active = budget.max_active_ms.map(|max| (Bound::ActiveMs, max as f64, used.active_ms as f64));
    let spent = |(bound, limit, used)| Spent::of_run(bound, limit, used);
    [tokens, cost, active].into_iter().flatten().map(spent).collect()
}

impl State {
    fn run_budget(&self) -> Budget {
        self.plan().budget.then(self.budget)
    }

    fn step_budget(&self, step: usize) -> Budget {
        self.planned(step).budget.then(self.steps[step].budget)
    }

    fn knows_budgets(&self) -> bool {
        let steps = || (0..self.steps.len()).any(|step| !self.step_budget(step).is_unbounded());
        !self.run_budget().is_unbounded() || steps()
    }
}

/// The bound that keeps a step from its next dispatch.
pub(crate) fn spent(draft: &Draft<'_>, step: usize) -> Option<Spent> {
    Meter::of(draft).around(step).find(Spent::is_all)
}

/// The bound that the step's latest attempt was stopped for.
pub(crate) fn stopped_for(draft: &Draft<'_>, step: usize) -> Option<Spent> {
    match draft.state.steps[step].attempts.last()?.stopping.as_ref()? {
        // By now more is known of what it used.
        StopReason::Budget { spent: known } => Some(spent(draft, step).unwrap_or_else(|| known.clone())),
        _ => None,
    }
}

/// Opens the gate of a step that may not go on.
pub(crate) fn hold(draft: &mut Draft<'_>, step: usize, spent: Spent) {
    let title = &draft.state.planned(step).title;
    let message = format!("{title} may not go on: {spent}; `continue` needs a higher budget");
    gates::over_budget(draft, step, spent, message);
}

/// Stops what may not go on, and remarks what soon may not.
pub(crate) fn watch(draft: &mut Draft<'_>) {
    if !draft.state.knows_budgets() {
        return;
    }
    let live: Vec<_> =
        draft.state.live_steps().map(|(step, _, turn)| (step, turn.dispatch.clone())).collect();
    for (step, dispatch) in live {
        let at_work =
            draft.state.live(&dispatch).is_some_and(|(_, attempt, _)| !draft.state.is_stopping(attempt));
        if !at_work {
            continue;
        }
        if let Some(spent) = spent(draft, step) {
            note_used(draft);
            stop(draft, step, StopReason::Budget { spent });
            continue;
        }
        for warning in remarks(draft, step, Usage::default()) {
            note_used(draft);
            draft.record(RecordBody::Warned { dispatch: dispatch.clone(), warning });
        }
    }
}

/// The bounds of which most is used, with what a step is about to have used, unless that was said before.
pub(crate) fn remarks(draft: &Draft<'_>, step: usize, latest: Usage) -> Vec<Warning> {
    let meter = Meter { latest: Some((step, latest)), ..Meter::of(draft) };
    let low = meter.around(step).filter(Spent::is_most).map(|spent| low(&spent));
    low.filter(|warning| !was_said(&draft.state, warning)).collect()
}

fn low(spent: &Spent) -> Warning {
    Warning::new(WarningCode::BudgetLow, format!("four fifths of {} are used", spent.budget()))
}

fn was_said(state: &State, warning: &Warning) -> bool {
    state.steps.iter().any(|step| step.attempts.iter().any(|attempt| attempt.warned(warning)))
}

/// Journals what the work in flight has used: what follows from it is journaled, too, and a later process has no other
/// source.
pub(crate) fn note_used(draft: &mut Draft<'_>) {
    let news: Vec<_> = draft
        .follows()
        .iter()
        .filter_map(|follow| {
            let (_, _, turn) = draft.state.live(&follow.dispatch)?;
            let usage = turn.used.at_least(follow.used);
            (usage != turn.used).then(|| (follow.dispatch.clone(), usage))
        })
        .collect();
    for (dispatch, usage) in news {
        draft.record(RecordBody::Used { dispatch, usage });
    }
}

/// When time alone will have used up a bound, or most of it.
pub(crate) fn due(state: &State, follows: &[Follow]) -> Option<Timestamp> {
    let at_work = |follow: &&Follow| {
        state.live(&follow.dispatch).is_some_and(|(_, attempt, _)| !state.is_stopping(attempt))
    };
    let working = || follows.iter().filter(at_work);
    let run = state.run_budget().max_active_ms.and_then(|max| {
        let everything = 0..state.steps.len();
        due_within(state, everything, max, &Spent::of_run(Bound::ActiveMs, max as f64, 0.0), &mut working())
    });
    let steps = working().filter_map(|follow| {
        let max = state.step_budget(follow.step).max_active_ms?;
        let bound = Spent::of_run(Bound::ActiveMs, max as f64, 0.0);
        let bound = bound.by_step(state.planned(follow.step).id.clone());
        due_within(state, follow.step..follow.step + 1, max, &bound, &mut std::iter::once(follow))
    });
    steps.chain(run).min()
}

/// When clocks that run side by side will have used up a bound of time, or the part of it that is remarked.
fn due_within(
    state: &State,
    steps: std::ops::Range<usize>,
    max: u64,
    bound: &Spent,
    working: &mut dyn Iterator<Item = &Follow>,
) -> Option<Timestamp> {
    let mut rested: u64 = 0;
    for attempt in state.steps.range(steps).flat_map(|step| &step.attempts) {
        rested += if attempt.end.is_some() { attempt.active_ms } else { attempt.known_active_ms() };
    }
    let (mut clocks, mut since) = (0, 0);
    for follow in working {
        let Some(running_since) = follow.clock.running_since() else { continue };
        let known = state.steps[follow.step].open_attempt().map_or(0, Attempt::known_active_ms);
        rested = rested - known + follow.clock.spent_ms();
        since += running_since.0;
        clocks += 1;
    }
    let threshold = if was_said(state, &low(bound)) { max } else { max.saturating_mul(4).div_ceil(5) };
    (clocks > 0).then(|| Timestamp((threshold.saturating_sub(rested) + since).div_ceil(clocks)))
}

/// # Errors
/// A bound is no number above nothing.
pub(crate) fn check(budget: Budget) -> Result<(), Rejected> {
    if budget.is_sound() {
        return Ok(());
    }
    Err(Rejected::Invalid { message: "a bound of a budget is a number above 0".to_owned() })
}

/// # Errors
/// The gate is over a budget, and with these bounds it would still be spent.
pub(crate) fn check_raised(draft: &Draft<'_>, gate: &Gate, budget: Budget) -> Result<(), Rejected> {
    if gate.reason != GateReason::Budget {
        return Ok(());
    }
    let mut state = draft.state.clone();
    state.allow_more(gate, budget);
    let meter = Meter { state: &state, ..Meter::of(draft) };
    let of_step = gate.budget.as_ref().and_then(|spent| state.index_of(spent.step.as_ref()?));
    let bounds = of_step.map_or_else(|| meter.of_run(), |step| meter.of_step(step));
    match bounds.into_iter().find(Spent::is_all) {
        Some(spent) => {
            let message = format!("`continue` needs a higher budget: {spent}");
            Err(Rejected::Invalid { message })
        }
        None => Ok(()),
    }
}
