//! Several processes and one run.

use std::time::{SystemTime, UNIX_EPOCH};

use orch::opencode::{
    OpenCode as _,
    simulator::{Answer, CallEnd, Hold, Script, When},
};
use serde_json::{Value, json};

use super::{live_binary, world::World};

const WITHIN_MS: u64 = 1_000;

#[tokio::test]
async fn a_second_process_is_told_who_drives_and_can_pause_and_abort() {
    let Some(program) = live_binary() else { return };
    let (first, second) = (Hold::new(), Hold::new());
    let script = Script::new()
        .on(When::prompt("step one"), Answer::text("done").held(&first))
        .on(When::prompt("step two"), Answer::text("never said").held(&second));
    let step = |id: &str| json!({ "id": id, "workerId": "worker", "prompt": format!("step {id}: {{task}}") });
    let config = json!({
        "profiles": [{ "id": "worker", "kind": "subagent" }],
        "workflows": { "definitions": [{ "id": "flow", "steps": [step("one"), step("two"), step("three")] }] },
    });
    let world = World::start(&program, script, &config).await;
    let mut running = world.begin(&["run", "flow", "share", "--no-input"]);
    let run = running.event("run.started").await["run"].as_str().unwrap().to_owned();
    first.wait_arrived().await;

    // One works, the other is told by whom.
    let locked = world.orch(&["continue", &run, "--no-input", "--json"]).await;
    assert_eq!(locked.code, 4, "{locked:?}");
    let error = &locked.json()["error"];
    assert_eq!(error["code"], "orch::run::locked");
    assert!(error["message"].as_str().unwrap().contains(&format!("{}", running.pid())), "{error}");
    assert_eq!(world.show(&run).await["owner"]["pid"], running.pid());

    // A pause reaches the owner, and holds once the step at work has settled.
    let own_time = duration_of(&world, &run).await;
    let asked = now_ms();
    let paused = world.orch(&["pause", &run, "--json"]).await;
    assert_eq!(paused.code, 0, "{paused:?}");
    let heard = running.event("run.requested").await;
    assert_eq!((&heard["request"], &heard["by"]), (&json!("pause"), &json!("tester")));
    in_time(&heard, asked, own_time);
    first.release();
    let (ended, events) = running.ended().await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_eq!(events.last().unwrap()["type"], "run.paused");
    let shown = world.show(&run).await;
    assert_eq!((&shown["gate"]["reason"], &shown["owner"]), (&json!("user"), &Value::Null));
    assert_eq!(world.model.prompts().len(), 1, "nothing is dispatched while paused");

    // An abort reaches the next owner, and its session on the host.
    let mut running = world.begin(&["continue", &run, "--no-input"]);
    second.wait_arrived().await;
    let session = running.placed().await;
    let own_time = duration_of(&world, &run).await;
    let asked = now_ms();
    let aborted = world.orch(&["abort", &run, "--json"]).await;
    assert_eq!(aborted.code, 1, "{aborted:?}");
    let heard = running.event("run.requested").await;
    assert_eq!(heard["request"], "cancel");
    in_time(&heard, asked, own_time);
    let finished = running.event("run.finished").await;
    assert_eq!(finished["status"], "cancelled");
    assert_eq!(running.ended().await.0.code, 1);
    assert_eq!(world.show(&run).await["status"], "cancelled");

    let host = world.host();
    assert!(host.statuses().await.unwrap().is_empty(), "the session is at rest");
    let messages = host.messages(&session).await.unwrap();
    assert!(
        messages.last().unwrap().assistant().is_some_and(|answer| answer.error.is_some()),
        "{messages:?}"
    );
    let calls = world.prompts("step two");
    assert_eq!(calls.iter().map(|call| call.end).collect::<Vec<_>>(), [CallEnd::Abandoned]);
    assert!(world.prompts("step three").is_empty());
    world.stop().await;
}

/// Everything between the first instruction of a command and its effect takes at most a second; how long a command
/// needs to get up depends on the machine and is measured.
fn in_time(heard: &Value, asked: u64, own_time: u64) {
    let at = heard["at"].as_u64().unwrap();
    assert!(at >= asked, "{heard}");
    assert!(at - asked <= WITHIN_MS + own_time, "{} ms, a bare command takes {own_time} ms", at - asked);
}

async fn duration_of(world: &World, run: &str) -> u64 {
    let begun = now_ms();
    world.show(run).await;
    now_ms() - begun
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
