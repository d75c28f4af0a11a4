//! The machine alone, with its journal in memory.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use orch_workflow::{plan::Plan, record::RunStarted};

use crate::{
    story::{drive, plan, started},
    table::Row,
};

const ROUNDS: usize = 21;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for steps in [10, 100, 1_000] {
        let started = started("bench", plan(steps, false));
        let taken = fastest(|| drive(started.clone(), "done"), || RunStarted::clone(&started));
        let details = format!("in a run of {steps}");
        rows.push(
            Row::new("machine, a step", micros(taken) / steps as f64, "µs").within(1.5).details(details),
        );
    }
    let answer = "## Summary\nthe keel is laid\n## Actions\nsawed, planed, glued\n## Risks\nrain";
    let time = |plan: Plan| {
        let started = started("bench", plan);
        fastest(|| drive(started.clone(), answer), || started.clone()).as_secs_f64()
    };
    let plain = time(plan(1_000, false));
    let carrying = time(plan(1_000, true));
    let read = time(reading_carry(plan(1_000, true)));
    let micros = |seconds: f64| format!("{:.1} µs a step", seconds * 1e3);
    rows.push(
        Row::new("1,000 steps with carry, without = 1", carrying / plain, "×")
            .within(1.5)
            .details(micros(carrying)),
    );
    let details = format!("{}; each prompt has up to 24,000 characters of it", micros(read));
    rows.push(Row::new("… and with all of it in every prompt", read / plain, "×").details(details));
    rows
}

/// The fastest of many rounds: what is slower was disturbed. What copying the start takes, its fastest too, is not counted.
fn fastest<T, U>(mut round: impl FnMut() -> T, mut copy: impl FnMut() -> U) -> Duration {
    let (mut rounds, mut copies) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        black_box(copy());
        copies = copies.min(began.elapsed());
        let began = Instant::now();
        black_box(round());
        rounds = rounds.min(began.elapsed());
    }
    rounds.saturating_sub(copies)
}

/// The same plan with what earlier steps have handed over in every prompt.
fn reading_carry(mut plan: Plan) -> Plan {
    plan.steps.iter_mut().for_each(|step| step.prompt.push_str("\n{carry}"));
    plan
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
