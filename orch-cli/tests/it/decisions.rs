//! The five decisions, each made by a process of its own.

use orch::{
    RunId,
    opencode::simulator::{Script, When},
    project_state,
    workflow::{
        attempt::Timestamp,
        record::Record,
        store::{Owner, RunStore as _, SqliteStore},
    },
};
use serde_json::json;

use crate::world::{Output, World, failure, standard, write};

/// A run of two steps whose first one failed once; it stands at the gate.
async fn at_error() -> (World, String) {
    let script = Script::new().on_first(1, When::prompt("step one"), failure()).otherwise("done");
    let world = World::new(script).await;
    let ended = world.orch(["run", "two", "a task", "--json"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let run = ended.run();
    assert_eq!(world.show(&run).await["gate"]["reason"], "intervene=on-error");
    assert_eq!(world.prompts(), ["step one: a task"]);
    (world, run)
}

#[track_caller]
fn succeeded(ended: &Output) {
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn continue_after_an_error_tries_the_failed_step_again() {
    let (world, run) = at_error().await;
    succeeded(&world.orch(["continue", &run]).await);
    assert_eq!(world.prompts(), ["step one: a task", "step one: a task", "step two: a task"]);
    assert_eq!(world.show(&run).await["steps"][0]["attempts"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_takes_a_note_into_the_prompt_and_stays_in_the_session() {
    let (world, run) = at_error().await;
    succeeded(&world.orch(["retry", &run, "--note", "mind the gap"]).await);
    let prompts = world.prompts();
    assert!(prompts[1].starts_with("step one: a task") && prompts[1].contains("mind the gap"), "{prompts:?}");
    assert_eq!(prompts[2], "step two: a task");
    let sent = world.simulator.prompts();
    assert_eq!(sent[0].session, sent[1].session);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_in_a_fresh_session_leaves_the_old_one() {
    let (world, run) = at_error().await;
    succeeded(&world.orch(["retry", &run, "--session", "fresh"]).await);
    let sent = world.simulator.prompts();
    assert_ne!(sent[0].session, sent[1].session);
}

#[tokio::test(flavor = "multi_thread")]
async fn skip_leaves_the_step_out() {
    let (world, run) = at_error().await;
    succeeded(&world.orch(["skip", &run]).await);
    assert_eq!(world.prompts(), ["step one: a task", "step two: a task"]);
    let shown = world.show(&run).await;
    assert_eq!((&shown["status"], &shown["steps"][0]["status"]), (&json!("success"), &json!("skipped")));
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_takes_a_file_or_standard_input() {
    let (world, run) = at_error().await;
    let file = write(&world.path("result.md"), "by hand");
    succeeded(&world.orch(["replace", &run, "--output", &file]).await);
    let output = world.orch(["output", &run, "one"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "by hand\n"));

    let (world, run) = at_error().await;
    succeeded(&world.orch_reading("piped in", ["replace", &run, "--output", "-"]).await);
    assert_eq!(world.show(&run).await["steps"][0]["text"], "piped in");
    assert_eq!(world.prompts(), ["step one: a task", "step two: a task"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_takes_the_latest_answer_of_the_session() {
    let world = World::new(Script::new().otherwise("what the worker said")).await;
    let run = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await.run();
    let ended = world.orch(["replace", &run, "--from-session"]).await;
    succeeded(&ended);
    assert_eq!(world.show(&run).await["steps"][0]["text"], "what the worker said");
    let events = world.orch(["events", &run]).await.events();
    let resolved: Vec<_> = events.iter().filter(|event| event["type"] == "gate.resolved").collect();
    assert_eq!(
        (resolved.len(), &resolved[0]["decision"], &resolved[0]["by"]),
        (1, &json!("replace"), &json!("ada"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn abort_at_a_gate_ends_the_run_as_an_error() {
    let (world, run) = at_error().await;
    let ended = world.orch(["abort", &run]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(world.show(&run).await["status"], "error");
    assert_eq!(world.prompts().len(), 1);

    let again = world.orch(["continue", &run, "--json"]).await;
    assert_eq!((again.code, again.error().as_str()), (Some(1), "orch::run::ended"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_may_change_the_policy_for_the_rest_of_the_run() {
    let world = World::new(Script::new().otherwise("done")).await;
    let run = world.orch(["run", "three", "a task", "--execution", "step", "--json"]).await.run();
    succeeded(&world.orch(["continue", &run, "--execution", "auto"]).await);
    assert_eq!(world.show(&run).await["execution"], "auto");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_for_a_gate_that_was_answered_or_never_was_is_refused() {
    let world = World::new(Script::new().otherwise("done")).await;
    let run = world.orch(["run", "three", "a task", "--execution", "step", "--json"]).await.run();
    let first = world.show(&run).await["gate"]["id"].as_str().unwrap().to_owned();
    let on = world.orch(["continue", &run, "--gate", &first, "--json"]).await;
    assert_eq!(on.code, Some(3), "{on:?}");
    let open = world.show(&run).await["gate"].clone();

    let late = world.orch(["retry", &run, "--gate", &first, "--json"]).await;
    assert_eq!((late.code, late.error().as_str()), (Some(1), "orch::run::gate-already-resolved"), "{late:?}");
    let message = late.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("continue by ada"), "{message}");

    let stale = world.orch(["continue", &run, "--gate", "g999", "--json"]).await;
    assert_eq!((stale.code, stale.error().as_str()), (Some(1), "orch::run::stale-gate"), "{stale:?}");

    let not_allowed = world.orch(["skip", &run, "--json"]).await;
    assert_eq!(not_allowed.error(), "orch::run::decision-not-allowed");
    assert_eq!(world.show(&run).await["gate"], open, "the gate stays open");
    assert_eq!(world.prompts().len(), 2);
}

/// A gate's time counts although every process had ended: whoever comes late is refused, and leaves no run half driven.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_after_the_gates_time_is_refused_and_the_run_goes_on_with_the_default() {
    let world = World::new(Script::new().on(When::prompt("step one"), failure()).otherwise("done")).await;
    let mut config = standard();
    let two = &mut config["workflows"]["definitions"][1];
    (two["gateTimeoutMs"], two["gateDefault"]) = (json!(3_600_000), json!("skip"));
    world.configure(&config);
    for (command, status, prompts) in [("retry", "success", 2), ("abort", "cancelled", 3)] {
        let run = world.orch(["run", "two", "a task", "--json"]).await.run();
        expire_gate(&world, &run).await;
        let late = world.orch([command, &run, "--json"]).await;
        assert_eq!(late.code, Some(1), "{late:?}");
        assert_eq!(world.show(&run).await["status"], status, "{late:?}");
        assert_eq!(world.prompts().len(), prompts);
    }
}

/// Lets the gate of a run that nobody drives have expired long ago.
async fn expire_gate(world: &World, run: &str) {
    let project = std::fs::canonicalize(world.project()).unwrap();
    let store = SqliteStore::open(project_state(world.path("state"), &project)).await.unwrap();
    let run = RunId::new(run).unwrap();
    let mut journal = serde_json::to_value(store.load(&run, 0).await.unwrap()).unwrap();
    let opened = journal.as_array_mut().unwrap().iter_mut().find(|record| record["record"] == "gate-opened");
    opened.unwrap()["gate"]["expires_at"] = json!(1);
    let journal: Vec<Record> = serde_json::from_value(journal).unwrap();
    let (owner, now) = (Owner::current(), Timestamp(1));
    store.remove(&run, now).await.unwrap();
    let lease = store.create(&run, &journal, &owner, now).await.unwrap();
    store.release(&lease).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_step_under_each_policy() {
    // policy, the reason of the gate, the exit code
    let table = [
        ("never", None, 1),
        ("on-warning", Some("intervene=on-warning"), 3),
        ("on-error", Some("intervene=on-error"), 3),
        ("always", Some("intervene=always"), 3),
    ];
    let world = World::new(Script::new().otherwise(failure())).await;
    for (intervene, reason, code) in table {
        let ended = world.orch(["run", "last", "a task", "--intervene", intervene, "--json"]).await;
        assert_eq!(ended.code, Some(code), "{intervene}: {ended:?}");
        let run = world.show(&ended.run()).await;
        assert_eq!(run["gate"]["reason"].as_str(), reason, "{intervene}");
        assert_eq!(run["steps"][0]["attempts"][0]["error"]["code"], "model", "{intervene}");
    }
}
