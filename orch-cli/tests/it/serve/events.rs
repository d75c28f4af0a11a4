//! The stream of events: taken up again anywhere, and what a listener is told that has missed some.

use nix::sys::signal::Signal;
use orch::opencode::simulator::{Answer, Hold, Script};
use serde_json::{Value, json};

use super::client::{Listener, Message, Service};
use crate::world::{World, standard, within};

/// A service on a host that answers every prompt, and a run of two steps that has ended there.
async fn with_a_run() -> (World, Service, String, Vec<Message>) {
    let world = World::new(Script::new().otherwise("done")).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let run = service.run("two", "a task").await;
    let told = listener.until("run.finished").await;
    (world, service, run, told)
}

/// The events that are journaled.
fn kept(messages: &[Message]) -> Vec<&Value> {
    let events = messages.iter().filter(|message| message.kind == "event").map(|message| &message.data);
    events.filter(|event| event["live"] != true).collect()
}

/// The number that a message has in its service.
fn number(id: &str) -> u64 {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// The listener has nothing more to hear of any journal: the service says good-bye next.
async fn only_bye(mut listener: Listener) {
    let mut last = listener.next().await.unwrap();
    while last.data["live"] == true {
        last = listener.next().await.unwrap();
    }
    assert_eq!(last.kind, "bye", "{last:?}");
    assert_eq!(listener.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_begins_at_any_number_of_a_run() {
    let (_world, service, run, told) = with_a_run().await;
    let journaled = service.get(&format!("/v1/runs/{run}/events")).await.ok();
    let journaled: Vec<_> = journaled.as_array().unwrap().iter().collect();
    assert_eq!(kept(&told), journaled);
    let last = journaled.last().unwrap()["seq"].as_u64().unwrap();

    let mut listeners = Vec::new();
    for from in 0..=last + 1 {
        let wanted: Vec<_> =
            journaled.iter().copied().filter(|event| event["seq"].as_u64().unwrap() >= from).collect();
        let mut listener = service.listen(&format!("?from={run}:{from}")).await;
        let replayed = listener.take(wanted.len()).await;
        assert_eq!(kept(&replayed), wanted, "from {from}");
        listeners.push(listener);
    }
    let mut whole = service.listen(&format!("?from={run}")).await;
    assert_eq!(
        kept(&whole.take(journaled.len()).await),
        journaled,
        "a run without a number is replayed whole"
    );

    let other = service.run("last", "another").await;
    service.listen(&format!("?from={other}:1")).await.until("run.finished").await;
    let others = service.get(&format!("/v1/runs/{other}/events")).await.ok();
    let both: Vec<_> = journaled.iter().copied().chain(others.as_array().unwrap()).collect();
    let mut of_both = service.listen(&format!("?from={run}:1,{other}:1")).await;
    assert_eq!(kept(&of_both.take(both.len()).await), both);

    service.signal(Signal::SIGTERM);
    only_bye(of_both).await;
    for mut listener in listeners.into_iter().chain([whole]) {
        // What was replayed is followed by what happens.
        listener.until("run.finished").await;
        only_bye(listener).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_event_id_is_the_same_as_from() {
    let (_world, service, run, told) = with_a_run().await;
    let told: Vec<_> = told.into_iter().filter(|message| message.id.is_some()).collect();
    for (heard, message) in told.iter().enumerate() {
        let id = message.id.as_deref().unwrap();
        let missed = &told[heard + 1..];
        let mut after = service.listen_after(id).await;
        let mut from = service.listen(&format!("?from={id}")).await;
        assert_eq!(after.take(missed.len()).await, missed, "after {id}");
        assert_eq!(from.take(missed.len()).await, missed, "from {id}");
    }
    let mut of_run = service.listen_after(&format!("{run}:1")).await;
    assert_eq!(kept(&of_run.take(told.len()).await), kept(&told), "it takes every form that `from` takes");
}

/// Far more is written than fits between the service and somebody who does not read.
#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_does_not_read_is_told_of_a_gap_and_holds_up_nobody() {
    const RUNS: usize = 6;
    const PIECES: usize = 600;
    let flood = (0..PIECES).fold(Answer::speaking(), |answer, nth| {
        let answer = answer.say("x".repeat(4096));
        // Whoever follows the host has time to keep up.
        if nth % 100 == 99 { answer.pause(std::time::Duration::from_millis(1)) } else { answer }
    });
    let world = World::new(Script::new().otherwise(flood)).await;
    let service = Service::start(&world).await;
    let mut deaf = service.listen("").await;
    let mut runs = Vec::new();
    for nth in 0..RUNS {
        let run = service.run("last", &format!("task {nth}")).await;
        let waited = service.get(&format!("/v1/tasks/{run}/await")).await.ok();
        assert_eq!(waited["status"], "succeeded", "nobody waits for those who do not read: {waited}");
        runs.push(run);
    }

    let mut heard = Vec::new();
    while !heard.iter().any(|message: &Message| {
        message.data["type"] == "run.finished" && message.data["run"] == runs[RUNS - 1].as_str()
    }) {
        heard.push(within("a message", deaf.next()).await.unwrap());
    }
    let gap = heard.iter().position(|message| message.kind == "gap").expect("no gap was told");
    assert_eq!(heard[gap].data["reason"], "slow", "{:?}", heard[gap]);
    assert!(heard[gap].data["missed"].as_u64() > Some(0), "{:?}", heard[gap]);

    // What was missed of the journal is there for the asking.
    let (before, after) = (&heard[..gap], &heard[gap + 1..]);
    let last =
        before.iter().rev().find_map(|message| message.id.clone()).expect("something was heard before");
    let end = after.iter().rev().find_map(|message| message.id.clone()).unwrap();
    let missed = usize::try_from(number(&end) - number(&last)).unwrap();
    let again = service.listen(&format!("?from={last}")).await.take(missed).await;
    let numbers: Vec<_> = again.iter().map(|message| number(message.id.as_ref().unwrap())).collect();
    assert_eq!(numbers, (number(&last) + 1..=number(&end)).collect::<Vec<_>>());
    assert!(kept(after).len() < missed, "events of the journal were among those that were missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_another_service_is_a_gap() {
    let hold = Hold::new();
    let world = World::new(Script::new().otherwise(Answer::text("done").held(&hold))).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let run = service.run("last", "a task").await;
    within("the model", hold.wait_arrived()).await;
    listener.until("step.started").await;
    let own = listener.id.clone();
    let (instance, heard) = (own.rsplit_once('-').unwrap().0, number(&own));

    let rows = [
        (format!("{}-1", "0".repeat(instance.len())), "other-service"),
        (format!("{instance}-{}", heard + 1_000), "forgotten"),
    ];
    for (id, reason) in &rows {
        let mut late = service.listen_after(id).await;
        let gap = late.next().await.unwrap();
        assert_eq!((gap.kind.as_str(), &gap.data), ("gap", &json!({ "reason": reason })), "{id}");
        let resumed = gap.id.expect("a gap says where it ends");
        assert!(resumed.starts_with(instance) && number(&resumed) >= heard, "{resumed}");
    }
    let mut late = service.listen_after(&rows[0].0).await;
    hold.release();
    let events = late.until("run.finished").await;
    assert_eq!(events[0].kind, "gap");
    assert!(events[1..].iter().all(|event| event.kind == "event"), "{events:#?}");
    assert!(kept(&events).iter().all(|event| event["run"] == run.as_str()), "{events:#?}");
}

/// A front end where a person sits, and any other listener.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_it_is_told_what_to_do_for_a_person_as_the_configuration_says_by_then() {
    let world = World::new(Script::new().otherwise("done")).await;
    let service = Service::start(&world).await;
    let (mut front, mut other) = (service.listen("?actions=true").await, service.listen("").await);
    let start = json!({ "workflow": "three", "task": "a task", "execution": "step" });
    let run = service.post("/v1/runs", start).await.ok()["id"].as_str().unwrap().to_owned();
    front.until("gate.opened").await;
    let call = front.next().await.unwrap();
    assert_eq!(
        (call.kind.as_str(), call.id, call.data),
        (
            "action",
            None,
            json!({
                "action": "attention", "run": run, "call": "decision",
                "message": "three: a decision is due at step 1/3 one",
            })
        )
    );

    let mut config = standard();
    config["ui"] = json!({ "attention": false, "promptHints": true });
    world.configure(&config);
    // It joins while a gate is open, and is not called for that one.
    let mut late = service.listen("?actions=true").await;
    let gate = service.get(&format!("/v1/runs/{run}")).await.ok()["data"]["gate"]["id"].clone();
    let decision = json!({ "gate": gate, "decision": "continue" });
    service.post(&format!("/v1/runs/{run}/decisions"), decision).await.ok();
    for listener in [&mut front, &mut late] {
        let told = listener.until("gate.opened").await;
        assert!(told.iter().all(|message| message.kind != "action"), "{told:#?}");
        let hint = listener.next().await.unwrap();
        let text = hint.data["text"].as_str().unwrap();
        assert_eq!((hint.kind.as_str(), &hint.data["action"]), ("action", &json!("prompt-hint")));
        assert!(text.starts_with("[orch: a decision is due at step 2/3 two, e.g. orch "), "{text}");
    }
    service.post(&format!("/v1/runs/{run}/abort"), json!({})).await.ok();
    let told = other.until("run.finished").await;
    assert!(told.iter().all(|message| message.kind != "action"), "{told:#?}");
}
