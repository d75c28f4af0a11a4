//! The whole way: events, reactor, delivery, HTTP, a simulated host. What its TUI and its sessions got.

use std::{sync::Arc, time::Duration};

use orch_opencode::{
    HttpOpenCode, NewSession, OpenCode, Prompt,
    simulator::{Answer, Hold, Script, SeenRequest, Simulator, SimulatorOptions},
};
use orch_ux::{
    delivery::{Delivered, Delivery},
    opencode::OpenCodeFrontend,
    policy::UxPolicy,
    reactor::Reactor,
};
use orch_workflow::event::{Event, EventBody, StepProgress};
use serde_json::Value;
use tokio::time::timeout;

use crate::support::events;

const PATIENCE: Duration = Duration::from_secs(20);

async fn start(script: Script) -> (Simulator, Arc<dyn OpenCode>, String) {
    let simulator = Simulator::start(SimulatorOptions::new(script)).await.unwrap();
    let host: Arc<dyn OpenCode> =
        Arc::new(HttpOpenCode::builder(simulator.url(), simulator.directory()).build().unwrap());
    let session = host.create_session(NewSession::default()).await.unwrap();
    (simulator, host, session.id.to_string())
}

/// A run of the fixtures with this session as its parent session.
fn run_under(session: &str, name: &str) -> Vec<Event> {
    let mut events = events(name);
    for event in &mut events {
        if let EventBody::RunStarted { parent_session, .. }
        | EventBody::StepProgress { progress: StepProgress::Placed { parent_session, .. }, .. } =
            &mut event.body
        {
            *parent_session = Some(session.to_owned());
        }
    }
    events
}

fn show(events: &[Event], delivery: &Delivery) {
    let mut reactor = Reactor::new(UxPolicy::default().with_prompt_hints(true));
    events.iter().flat_map(|event| reactor.react(event)).for_each(|action| delivery.offer(action));
}

fn all_shown(delivered: Delivered) {
    assert_eq!((delivered.failed, delivered.dropped), (0, 0), "{delivered:?}");
}

/// The notices among the messages of a session: what people see of them.
fn notices(simulator: &Simulator, id: &str) -> Vec<String> {
    let for_people = |message: Value| {
        let part = &message["parts"][0];
        (part["ignored"] == true).then(|| part["text"].as_str().unwrap().to_owned())
    };
    let session = simulator.sessions().into_iter().find(|session| session.id == id).unwrap();
    session.messages.into_iter().filter_map(for_people).collect()
}

#[tokio::test]
async fn a_run_with_gates_is_seen_in_the_tui_and_in_the_parent_session() {
    let (simulator, host, parent) = start(Script::new()).await;
    let delivery = Delivery::start(Arc::new(OpenCodeFrontend::new(host)));
    show(&run_under(&parent, "gate"), &delivery);
    all_shown(delivery.finish(PATIENCE).await);

    let toasts: Vec<_> = simulator
        .tui_calls()
        .into_iter()
        .filter(|call| call.route == "show-toast")
        .map(|call| {
            format!("{}: {}", call.body["variant"].as_str().unwrap(), call.body["title"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        toasts,
        [
            "error: build: step 3/4 review failed",
            "error: build: a decision is due at step 3/4 review",
            "error: build: step 4/4 fix failed",
            "error: build: a decision is due at step 4/4 fix",
            "success: build: ended as success",
        ]
    );
    let hints = simulator.tui_calls().into_iter().filter(|call| call.route == "append-prompt").count();
    assert_eq!(hints, 2);

    let notices = notices(&simulator, &parent);
    let heads: Vec<_> = notices.iter().filter_map(|text| text.lines().next()).collect();
    assert_eq!(
        heads,
        [
            "**orch** run `run_1gate` of `build` started: 4 steps, plan → implement → review → fix.",
            "**orch** run `run_1gate` of `build` waits for a decision at step 3/4 review.",
            "**orch** run `run_1gate` of `build` waits for a decision at step 4/4 fix.",
            "**orch** run `run_1gate` of `build` ended as success: 3 of 4 steps done, 2 min 20 s at work.",
        ]
    );
    assert!(simulator.prompts().iter().all(|prompt| prompt.no_reply));
    assert!(simulator.model_log().is_empty(), "no model was asked for anything");
}

#[tokio::test]
async fn a_parent_session_at_work_is_told_when_it_has_finished() {
    let hold = Hold::new();
    let (simulator, host, parent) = start(Script::new().otherwise(Answer::text("done").held(&hold))).await;
    let id = parent.parse().unwrap();
    host.prompt(&id, Prompt::text("work")).await.unwrap();
    timeout(PATIENCE, hold.wait_arrived()).await.unwrap();

    let delivery = Delivery::start(Arc::new(OpenCodeFrontend::new(Arc::clone(&host))));
    show(&run_under(&parent, "failing")[..1], &delivery);
    let asked = |requests: &[SeenRequest]| requests.iter().any(|request| request.path == "/session/status");
    timeout(PATIENCE, simulator.wait_requests(asked)).await.unwrap();
    assert!(notices(&simulator, &parent).is_empty());

    hold.release();
    let at_rest = async { while host.statuses().await.unwrap().contains_key(&id) {} };
    timeout(PATIENCE, at_rest).await.unwrap();
    all_shown(delivery.finish(PATIENCE).await);
    assert_eq!(notices(&simulator, &parent).len(), 1);
    assert_eq!(simulator.model_prompts().len(), 1, "the notice made the model say nothing");
}

#[tokio::test]
async fn a_host_that_is_gone_changes_nothing() {
    let (simulator, host, parent) = start(Script::new()).await;
    simulator.refuse_connections().await;
    let delivery = Delivery::start(Arc::new(OpenCodeFrontend::new(host)));
    show(&run_under(&parent, "success"), &delivery);
    let delivered = delivery.finish(PATIENCE).await;
    assert_eq!((delivered.shown, delivered.dropped), (1, 0), "attention needs no host");
    assert!(delivered.failed >= 2);
}
