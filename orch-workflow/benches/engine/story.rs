//! A run of any length in which nothing goes wrong, driven with its journal in memory.

use std::collections::VecDeque;

use orch_workflow::{
    attempt::{RunId, Settled, Timestamp},
    machine::{Effect, Input, Machine},
    plan::Plan,
    port::{AskPolicy, Locator, Placement},
    record::{FORMAT_VERSION, Record, RunStarted, RunStatus},
};
use serde_json::{Value, json};

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
    let steps: Vec<Value> = (0..length)
        .map(|number| {
            let needs: Vec<_> = number.checked_sub(1).map(|before| format!("s{before}")).into_iter().collect();
            json!({
                "id": format!("s{number}"), "title": format!("Step {number}"), "worker": "coder", "kind": "agent",
                "execution": "background", "prompt": "{task}", "carry": carry, "needs": needs,
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
