//! Ctrl-C, once, twice, a third time; then `continue`.

use nix::sys::signal::Signal;
use orch::opencode::simulator::{Answer, Hold, HttpFault, Script, When};
use serde_json::json;

use crate::world::{Process, World};

async fn held() -> (World, Hold) {
    let hold = Hold::new();
    let script = Script::new()
        .on_first(1, When::prompt("step one"), Answer::text("one").held(&hold))
        .otherwise("again");
    (World::new(script).await, hold)
}

async fn press(process: &mut Process) {
    process.signal(Signal::SIGINT);
    let requested = process.event("run.requested").await;
    assert_eq!(requested["request"], "pause");
}

#[tokio::test(flavor = "multi_thread")]
async fn once_pauses_after_the_step() {
    let (world, hold) = held().await;
    let (mut process, run) = world.start_held(&hold, "two").await;
    press(&mut process).await;
    hold.release();
    let ended = process.end().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let shown = world.show(&run).await;
    assert_eq!((&shown["status"], &shown["gate"]["reason"]), (&json!("paused"), &json!("user")));
    assert_eq!(shown["steps"][0]["text"], "one");

    assert_eq!(world.orch(["continue", &run]).await.code, Some(0));
    assert_eq!(world.prompts(), ["step one: a task", "step two: a task"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_aborts_the_step_and_leaves_the_run_at_a_gate() {
    let (world, hold) = held().await;
    let (mut process, run) = world.start_held(&hold, "two").await;
    press(&mut process).await;
    process.signal(Signal::SIGINT);
    let ended = process.end().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let shown = world.show(&run).await;
    assert_eq!((&shown["status"], &shown["gate"]["reason"]), (&json!("paused"), &json!("aborted")));
    assert_eq!(shown["steps"][0]["attempts"][0]["error"]["code"], "aborted");
    let aborts = world.simulator.requests().into_iter().filter(|request| request.path.ends_with("/abort"));
    assert!(aborts.count() >= 1, "the host was told");

    assert_eq!(world.orch(["continue", &run]).await.code, Some(0));
    assert_eq!(world.prompts(), ["step one: a task", "step one: a task", "step two: a task"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_time_leaves_at_once() {
    let (world, hold) = held().await;
    // The host never confirms the abort that the second one asks for.
    world.simulator.faults().http("POST /session/*/abort", HttpFault::Hang, usize::MAX);
    let (mut process, run) = world.start_held(&hold, "two").await;
    press(&mut process).await;
    process.signal(Signal::SIGINT);
    process.event_where("the step to be stopped", |event| event["progress"]["phase"] == "stopping").await;
    process.signal(Signal::SIGINT);
    let ended = process.end().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(world.show(&run).await["interrupted"], true);

    world.simulator.faults().clear();
    hold.release();
    let ended = world.orch(["continue", &run]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(world.show(&run).await["gate"]["reason"], "aborted", "the abort is carried to its end first");
    let ended = world.orch(["continue", &run]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(world.prompts(), ["step one: a task", "step one: a task", "step two: a task"]);
}
