//! The machine alone, with its journal in memory.

use std::{
    collections::VecDeque,
    hint::black_box,
    time::{Duration, Instant},
};

use orch_workflow::{
    attempt::{RunId, Settled, Timestamp},
    machine::{Effect, Input, Machine},
    plan::Plan,
    port::{AskPolicy, Locator, Placement},
    record::{FORMAT_VERSION, Record, RunStarted, RunStatus},
};
use serde_json::{Value, json};
use stats_alloc::Region;

use crate::{ALLOCATOR, table::Row};

const ROUNDS: usize = 21;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for steps in [10, 100, 1_000] {
        let started = started("bench", plan(steps, false));
        let taken = fastest(|| drive(started.clone(), "done"), || RunStarted::clone(&started));
        let region = Region::new(ALLOCATOR);
        drive(started, "done");
        let allocations = region.change().allocations;
        let details = format!("{:.0} allocations a step, in a run of {steps}", ratio(allocations, steps));
        rows.push(
            Row::new("machine, a step", micros(taken) / steps as f64, "µs").within(1.5).details(details),
        );
    }
    let answer = "## Summary\nthe keel is laid\n## Actions\nsawed, planed, glued\n## Risks\nrain";
    let plain = started("bench", plan(1_000, false));
    let carrying = started("bench", plan(1_000, true));
    let without = fastest(|| drive(plain.clone(), answer), || plain.clone());
    let with = fastest(|| drive(carrying.clone(), answer), || carrying.clone());
    let details = format!("{with:.1?} and {without:.1?}");
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    rows.push(Row::new("1,000 steps with carry, without = 1", ratio, "×").within(1.5).details(details));
    rows
}

/// The fastest of many rounds: what is slower was disturbed. What copying the start takes is not counted.
fn fastest<T, U>(mut round: impl FnMut() -> T, mut copy: impl FnMut() -> U) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        black_box(copy());
        let copied = began.elapsed();
        let began = Instant::now();
        black_box(round());
        fastest = fastest.min(began.elapsed().saturating_sub(copied));
    }
    fastest
}

/// A run from its start to its success.
pub(crate) fn drive(started: RunStarted, answer: &str) -> Vec<Record> {
    let mut now = Timestamp(1_700_000_000_000);
    let mut journal = Vec::new();
    let (mut machine, batch) = Machine::begin(now, started).unwrap();
    journal.extend(batch.records.iter().cloned());
    machine.commit(batch);
    let mut inputs = VecDeque::from([Input::TakenUp]);
    while let Some(input) = inputs.pop_front() {
        now = now.plus_ms(1);
        let mut batch = machine.handle(now, input).unwrap();
        journal.append(&mut batch.records.clone());
        batch.records.shrink_to_fit();
        for effect in machine.commit(batch) {
            inputs.push_back(match effect {
                Effect::Place(dispatch) => Input::Placed { dispatch: dispatch.id, result: Ok(placement()) },
                Effect::Send(dispatch, _) => {
                    let result = Box::new(Settled::answer(answer));
                    Input::Settled { dispatch: dispatch.id, result }
                }
                other => panic!("nothing goes wrong here: {other:?}"),
            });
        }
    }
    assert_eq!(machine.status(), RunStatus::Success);
    journal
}

fn placement() -> Placement {
    Placement { locator: Locator(Value::Null), session: "ses_1".to_owned(), parent_session: None }
}

pub(crate) fn started(run: &str, plan: Plan) -> RunStarted {
    let value = json!({
        "format": FORMAT_VERSION, "run": RunId::new(format!("run_{run}")).unwrap(), "digest": plan.digest(),
        "plan": plan, "task": "build a boat", "directory": "project", "asks": AskPolicy::Wait,
    });
    serde_json::from_value(value).unwrap()
}

/// Steps one after the other. With carry, each hands over to all that follow.
pub(crate) fn plan(length: usize, carry: bool) -> Plan {
    let prompt = if carry { "{task}\n{carry}" } else { "{task}" };
    let steps: Vec<Value> = (0..length)
        .map(|number| {
            let needs: Vec<_> = number.checked_sub(1).map(|before| format!("s{before}")).into_iter().collect();
            json!({
                "id": format!("s{number}"), "title": format!("Step {number}"), "worker": "coder", "kind": "agent",
                "execution": "background", "prompt": prompt, "carry": carry, "needs": needs,
                "timeout_ms": 1_800_000, "idle_warning_ms": 300_000,
                "retry": { "maxAttempts": 1, "backoffMs": 1000, "factor": 2.0, "maxBackoffMs": 60000,
                           "on": ["transient", "rate_limited"] },
            })
        })
        .collect();
    serde_json::from_value(json!({
        "workflow": "bench", "name": "Bench", "steps": steps,
        "policy": { "execution": "auto", "intervene": "never" },
        "limits": { "max_task_chars": 12_000, "max_carry_chars": 24_000 },
    }))
    .unwrap()
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn ratio(one: usize, other: usize) -> f64 {
    one as f64 / other as f64
}
