//! Ctrl-C.

use nix::sys::signal::Signal;
use orch::opencode::{
    OpenCode as _,
    simulator::{Answer, Hold, Script, When},
};
use serde_json::{Value, json};

use super::{live_binary, world::World};

fn config() -> Value {
    json!({
        "profiles": [{ "id": "worker", "kind": "agent" }],
        "workflows": { "definitions": [{ "id": "flow", "steps": [
            { "id": "one", "workerId": "worker", "prompt": "{task}" },
            { "id": "two", "workerId": "worker", "prompt": "go on after {task}" },
        ] }] },
    })
}

#[tokio::test]
async fn ctrl_c_pauses_after_the_step_and_twice_aborts_it() {
    let Some(program) = live_binary() else { return };
    let (once, twice) = (Hold::new(), Hold::new());
    let script = Script::new()
        .on(When::prompt("go on after"), "gone on")
        .on(When::prompt("<once>"), Answer::text("done").held(&once))
        .on_first(1, When::prompt("<twice>"), Answer::text("never said").held(&twice))
        .otherwise("done");
    let world = World::start(&program, script, &config()).await;

    let mut running = world.begin(&["run", "flow", "<once>"]);
    let run = running.event("run.started").await["run"].as_str().unwrap().to_owned();
    once.wait_arrived().await;
    running.signal(Signal::SIGINT);
    assert_eq!(running.event("run.requested").await["request"], "pause");
    once.release();
    let (ended, _) = running.ended().await;
    assert_eq!(ended.code, 130, "{ended:?}");
    let shown = world.show(&run).await;
    assert_eq!((&shown["status"], &shown["gate"]["reason"]), (&json!("paused"), &json!("user")));
    assert_eq!(shown["steps"][0]["outcome"], "ok", "the step at work has finished");
    assert_eq!(world.prompts("<once>").len(), 1);
    finishes(&world, &run).await;
    assert_eq!(world.prompts("<once>").len(), 2);

    let mut running = world.begin(&["run", "flow", "<twice>"]);
    let run = running.event("run.started").await["run"].as_str().unwrap().to_owned();
    twice.wait_arrived().await;
    running.signal(Signal::SIGINT);
    assert_eq!(running.event("run.requested").await["request"], "pause");
    running.signal(Signal::SIGINT);
    let (ended, _) = running.ended().await;
    assert_eq!(ended.code, 130, "{ended:?}");
    let shown = world.show(&run).await;
    assert_eq!((&shown["status"], &shown["gate"]["reason"]), (&json!("paused"), &json!("aborted")));
    assert_eq!(shown["steps"][0]["attempts"][0]["error"]["code"], "aborted");
    assert!(world.host().statuses().await.unwrap().is_empty(), "the step was stopped on the host");
    assert_eq!(world.prompts("<twice>").len(), 1);
    finishes(&world, &run).await;
    let asked: Vec<_> = world.prompts("<twice>").into_iter().map(|call| call.text).collect();
    assert_eq!(
        asked,
        ["<twice>", "<twice>", "go on after <twice>"],
        "the aborted step was tried again, once"
    );
    world.stop().await;
}

async fn finishes(world: &World, run: &str) {
    let ended = world.orch(&["continue", run, "--no-input"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.show(run).await["status"], "success");
}
