//! What may still happen to a run, whatever has happened before.

use std::fmt::Write as _;

use super::{
    Machine,
    live::{Follow, Phase},
    state::{Attempt, Ending, Group, State, Step, Turn},
};
use crate::{attempt::Timestamp, decision::Gate, view::StepStatus};

/// A name for everything that the future of a run depends on.
///
/// Two machines of the same plan that have the same prospects do the same from now on, in whatever order things happen
/// to them: the same records and effects, but for numbers, times, texts for people, and what is told to somebody who
/// answers a gate that is gone. So whoever tries all orders of events need go on only once from all the states that
/// have the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prospects(String);

impl Machine {
    /// What may still happen, seen from `now`; without a time, in a world in which none passes any more.
    #[must_use]
    pub fn prospects(&self, now: Option<Timestamp>) -> Prospects {
        let (budgets, conditions) = (self.state.has_budgets(), self.state.has_conditions());
        let mut text = Text { text: String::with_capacity(1_024), now, budgets, conditions };
        text.state(&self.state);
        self.follows.iter().for_each(|follow| text.follow(follow));
        Prospects(text.text)
    }
}

impl State {
    fn has_budgets(&self) -> bool {
        let of_run = [self.plan().budget, self.budget];
        let of_steps = self.steps.iter().map(|step| step.budget);
        let planned = self.plan().steps.iter().map(|step| step.budget);
        of_run.into_iter().chain(of_steps).chain(planned).any(|budget| !budget.is_unbounded())
    }

    fn has_conditions(&self) -> bool {
        !self.plan().groups.is_empty() || self.plan().steps.iter().any(|step| step.when.is_some())
    }
}

/// Every field is named, so that a new one cannot be forgotten.
struct Text {
    text: String,
    now: Option<Timestamp>,
    /// Whether it matters what has been spent.
    budgets: bool,
    /// Whether it matters how a step that is over came about.
    conditions: bool,
}

macro_rules! say {
    ($text:expr, $($what:tt)+) => {
        // A string takes everything.
        let _ = write!($text.text, $($what)+);
    };
}

impl Text {
    /// A time as a distance from now.
    fn away(&self, at: Timestamp) -> Option<i128> {
        Some(i128::from(at.0) - i128::from(self.now?.0))
    }

    fn state(&mut self, state: &State) {
        let State {
            started: _,
            started_at: _,
            parent_title: _,
            seq: _,
            last_at: _,
            status,
            policy,
            budget,
            parent_session,
            steps,
            groups,
            graph: _,
            gates,
            resolved: _,
            pause_requested,
            ending,
            ending_since: _,
            finished: _,
        } = state;
        say!(self, "{status:?} {policy:?} {budget:?} {parent_session:?} {pause_requested}");
        if let Some(Ending { status, error: _, aborted }) = ending.as_deref() {
            say!(self, " ends {status:?} {:?}", aborted.code);
        }
        gates.iter().for_each(|gate| self.gate(gate));
        groups.iter().for_each(|group| self.group(group));
        steps.iter().for_each(|step| self.step(step));
    }

    fn gate(&mut self, gate: &Gate) {
        let Gate { id: _, step, reason, allowed, default, opened_at: _, expires_at, message: _, budget } =
            gate;
        let expires = expires_at.map(|at| self.away(at));
        say!(self, "\ngate {step} {reason:?} {allowed:?} {default:?} {expires:?} {budget:?}");
    }

    fn group(&mut self, group: &Group) {
        let Group { status, iteration, most, note, session } = group;
        say!(self, "\ngroup {status:?} {iteration} {most} {note:?} {session:?}");
    }

    fn step(&mut self, step: &Step) {
        let Step {
            status,
            iteration,
            outcome,
            text,
            output,
            carry,
            reused,
            attempts,
            budget,
            note,
            session,
            question,
            tries,
            failure,
            until,
            still_runs,
        } = step;
        say!(self, "\nstep {status:?} {iteration} {text:?} {output:?} {carry:?} {}", still_runs.is_some());
        if step.is_over() && !self.conditions && !self.budgets {
            return;
        }
        say!(
            self,
            " {outcome:?} {reused:?} {budget:?} {note:?} {session:?} {question:?} {tries} {failure:?}"
        );
        if *status == StepStatus::Backoff {
            say!(self, " {:?}", self.away(*until));
        }
        let (latest, earlier) = match attempts.split_last() {
            Some((latest, earlier)) => (Some(latest), earlier),
            None => (None, &[][..]),
        };
        say!(self, " after {}", earlier.len());
        if self.conditions || self.budgets {
            earlier.iter().for_each(|attempt| self.attempt(attempt));
        }
        latest.into_iter().for_each(|attempt| self.attempt(attempt));
    }

    fn attempt(&mut self, attempt: &Attempt) {
        let Attempt {
            turns,
            session,
            started_at: _,
            warnings,
            usage,
            active_ms,
            stopping,
            stopping_since: _,
            end,
        } = attempt;
        say!(self, "\n  attempt {session:?} {stopping:?}");
        if self.budgets {
            say!(self, " {usage:?} {active_ms}");
        }
        if self.conditions || self.budgets || end.is_none() {
            for warning in warnings {
                say!(self, " {warning:?}");
            }
        }
        if let Some(end) = end {
            say!(self, " {:?} {:?}", end.outcome, end.error.as_ref().map(|error| error.code));
            // A person may have its session read once more.
            if let Some(turn) = turns.last() {
                say!(self, " {} {:?}", turn.dispatch, turn.placed);
            }
            return;
        }
        if self.now.is_some() {
            say!(self, " {} ms", attempt.known_active_ms());
        }
        turns.iter().for_each(|turn| self.turn(turn));
    }

    fn turn(&mut self, turn: &Turn) {
        let Turn {
            dispatch,
            purpose,
            prompt,
            started_at: _,
            placed,
            asks,
            seen_at: _,
            used,
            waited_ms: _,
            asking_since: _,
            answered,
            complaints,
        } = turn;
        say!(self, "\n    {dispatch} {purpose:?} {prompt:?} {placed:?} {answered} {complaints:?}");
        if self.budgets {
            say!(self, " {used:?}");
        }
        for open in asks {
            say!(self, " {:?} {:?}", open.ask, open.answer);
        }
    }

    fn follow(&mut self, follow: &Follow) {
        let Follow { dispatch, step: _, phase, clock, alive_at, waiting, used, sends, probes } = follow;
        say!(self, "\nfollow {dispatch} {waiting} {sends} {probes}");
        match phase {
            Phase::Aborting { since } => {
                say!(self, " aborting {:?}", self.away(*since));
            }
            Phase::Placing | Phase::Working | Phase::Probing => {
                say!(self, " {phase:?}");
            }
        }
        if let Some(now) = self.now {
            let silent = self.away(*alive_at).filter(|_| clock.running_since().is_some());
            say!(self, " {} ms, silent {silent:?}", clock.active_ms(now));
        }
        if self.budgets {
            say!(self, " {used:?}");
        }
    }
}
