//! The driver on simulated time, with a host that follows a script and a store that fails on demand.

mod crashes;
mod faults;
mod forks;
mod parallel;
mod processes;
mod sessions;
mod story;
mod time;

use std::{sync::Arc, time::Duration};

use orch_workflow::{
    attempt::{RunId, Timestamp},
    decision::{Answer, Decision, DecisionRequest, Request},
    driver::{Engine, EventStream, NewRun, Received, Run},
    event::Event,
    plan::Plan,
    record::RunStatus,
    store::{MemoryStore, Owner, RunStore},
    testing::{FaultyStore, ScriptedHost},
    view::RunView,
};
use serde_json::{Value, json};
use tokio::time::Instant;

/// A workflow of these steps, one after the other, that asks on errors.
fn plan(steps: &[&str]) -> Plan {
    plan_with(steps, json!({}), json!({}))
}

/// The same, with other settings for the workflow and for every step.
fn plan_with(steps: &[&str], workflow: Value, step: Value) -> Plan {
    let mut before: Vec<&str> = Vec::new();
    let steps: Vec<Value> = steps
        .iter()
        .map(|id| {
            let needs = std::mem::replace(&mut before, vec![id]);
            let defaults = json!({
                "id": id, "title": id, "worker": "coder", "kind": "agent", "execution": "background",
                "prompt": format!("{id}: {{task}}"), "carry": false, "needs": needs,
                "timeout_ms": 1_800_000, "idle_warning_ms": 300_000,
                "retry": {"maxAttempts": 1, "backoffMs": 1000, "factor": 2.0, "maxBackoffMs": 60000,
                          "on": ["transient", "rate_limited"]},
            });
            overlay(defaults, &step)
        })
        .collect();
    let defaults = json!({
        "workflow": "test", "name": "Test", "steps": steps,
        "policy": {"execution": "auto", "intervene": "on-error"},
        "limits": {"max_task_chars": 1000, "max_carry_chars": 5000},
    });
    serde_json::from_value(overlay(defaults, &workflow)).unwrap()
}

fn overlay(mut value: Value, over: &Value) -> Value {
    for (key, over) in over.as_object().into_iter().flatten() {
        value[key] = over.clone();
    }
    value
}

/// A store, a host and simulated time that several engines share, as processes on one machine do.
struct World {
    store: Arc<dyn RunStore>,
    host: ScriptedHost,
    began: Instant,
}

impl World {
    fn new(host: ScriptedHost) -> Self {
        Self { store: Arc::new(MemoryStore::new()), host, began: Instant::now() }
    }

    /// An engine of a process that lives as long as these tests.
    fn engine(&self) -> Engine {
        self.engine_on(Arc::clone(&self.store), Owner::current())
    }

    /// An engine of a process that is provably dead to everybody who looks.
    fn doomed_engine(&self, store: Arc<FaultyStore>) -> Engine {
        let mut owner = Owner::current();
        owner.pid = u32::MAX - 1;
        self.engine_on(store, owner)
    }

    fn engine_on(&self, store: Arc<dyn RunStore>, owner: Owner) -> Engine {
        let began = self.began;
        Engine::builder(store, self.host.executor())
            .owner(owner)
            .wall_clock(move || Timestamp(1_700_000_000_000).plus_ms(began.elapsed().as_millis() as u64))
            .build()
    }

    fn faulty_store(&self) -> FaultyStore {
        FaultyStore::new(Arc::clone(&self.store))
    }
}

async fn start(engine: &Engine, plan: Plan) -> Run {
    engine.start(NewRun::new(plan, "the task", "/project")).await.unwrap()
}

fn decide(decision: Decision) -> Request {
    decide_at(None, decision)
}

fn decide_at(gate: Option<&RunView>, decision: Decision) -> Request {
    Request::Decide(DecisionRequest {
        gate: gate.map(|view| view.gate.as_ref().unwrap().id.clone()),
        answer: Answer::Decision(decision),
        policy: Default::default(),
        budget: Default::default(),
        by: "ann".into(),
    })
}

fn pause() -> Request {
    Request::Pause { by: "ann".into() }
}

fn cancel() -> Request {
    Request::Cancel { by: "ann".into() }
}

/// The status of a run and of its steps, on one line.
fn standing(view: &RunView) -> String {
    let word = |value: Value| value.as_str().unwrap().to_owned();
    let steps = view.steps.iter().map(|step| word(serde_json::to_value(step.status).unwrap()));
    let gate =
        view.gate.as_ref().map(|gate| format!(" ({})", word(serde_json::to_value(gate.reason).unwrap())));
    format!("{}{}: {}", view.status.as_str(), gate.unwrap_or_default(), steps.collect::<Vec<_>>().join(", "))
}

/// The next event that `wanted` accepts.
async fn event(events: &mut EventStream, wanted: impl Fn(&Event) -> bool) -> Arc<Event> {
    loop {
        if let Received::Event(event) = events.next().await.unwrap()
            && wanted(&event)
        {
            return event;
        }
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn nobody_drives(store: &dyn RunStore, run: &RunId) -> bool {
    store.holder(run, Timestamp(0)).await.unwrap().is_none()
}

fn succeeded(view: &RunView) -> bool {
    view.status == RunStatus::Success
}
