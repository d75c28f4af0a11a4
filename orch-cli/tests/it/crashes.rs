//! `kill -9` while a step is in flight, and another process that goes on.

use std::fs;

use nix::sys::signal::Signal;
use orch::{
    opencode::simulator::{Answer, Hold, Script, SimulatedStatus, When},
    project_state,
};
use serde_json::json;

use crate::poll;
use crate::world::{World, within};

async fn held() -> (World, Hold) {
    let hold = Hold::new();
    let script = Script::new().on(When::prompt("step one"), Answer::text("one").held(&hold)).otherwise("two");
    (World::new(script).await, hold)
}

async fn assert_interrupted(world: &World, run: &str) {
    let shown = world.show(run).await;
    assert_eq!((&shown["status"], &shown["interrupted"]), (&json!("running"), &json!(true)), "{shown:#}");
    assert_eq!(shown["steps"][0]["status"], "running");
    let text = world.orch(["show", run]).await.stdout;
    assert!(text.contains("interrupted") && text.contains(&format!("orch continue {run}")), "{text}");
}

async fn assert_whole(world: &World, run: &str) {
    assert_eq!(world.prompts(), ["step one: a task", "step two: a task"], "each step was sent once");
    let shown = world.show(run).await;
    assert_eq!((&shown["status"], &shown["interrupted"]), (&json!("success"), &json!(false)));
    assert_eq!((&shown["steps"][0]["text"], &shown["steps"][1]["text"]), (&json!("one"), &json!("two")));
    assert_eq!(shown["steps"][0]["attempts"].as_array().unwrap().len(), 1);
}

/// What a newer version wrote is not for this one to touch.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_newer_version_is_refused_and_left_as_it_is() {
    let world = World::new(Script::new().otherwise("done")).await;
    let run = world.orch(["run", "last", "a task", "--json"]).await.run();
    let project = fs::canonicalize(world.project()).unwrap();
    let path = project_state(world.path("state"), &project).join("runs.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(database.execute("UPDATE meta SET value = value + 1", []).unwrap(), 1);
    database.close().unwrap();
    let before = fs::read(&path).unwrap();
    for command in [vec!["show", &run], vec!["continue", &run], vec!["run", "last", "a task"]] {
        let refused = world.orch(command.iter().copied().chain(["--json"])).await;
        assert_eq!(
            (refused.code, refused.error().as_str()),
            (Some(1), "orch::store::too-new"),
            "{refused:?}"
        );
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.ends_with("has format 2, this version reads up to 1: use a newer orch"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), before, "{command:?}");
    }
    assert_eq!(world.prompts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_model_answered_the_next_process_attaches_again() {
    let (world, hold) = held().await;
    let (process, run) = world.start_held(&hold, "two").await;
    process.kill().await;
    assert_interrupted(&world, &run).await;

    let streams = world.simulator.requests().len();
    let next = world.start(["continue", &run, "--json"]);
    // It has looked at the session before the model says a word.
    let looked = |seen: &[orch::opencode::simulator::SeenRequest]| {
        seen.iter().skip(streams).any(|request| request.path.ends_with("/message"))
    };
    within("the host to be probed", world.simulator.wait_requests(looked)).await;
    hold.release();
    let ended = next.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_whole(&world, &run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_answered_meanwhile_the_next_process_adopts_the_answer() {
    let (world, hold) = held().await;
    let (process, run) = world.start_held(&hold, "two").await;
    process.kill().await;
    hold.release();
    let rests = poll::until_so(async || {
        world.simulator.sessions().iter().all(|session| session.status == SimulatedStatus::Idle)
    });
    within("the host to be at rest", rests).await;
    assert_interrupted(&world, &run).await;

    let ended = world.orch(["continue", &run, "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_whole(&world, &run).await;
    let shown = world.show(&run).await;
    assert_eq!(shown["steps"][0]["attempts"][0]["warnings"][0]["code"], "reconciled", "{shown:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_a_pause_was_asked_for_the_pause_still_holds() {
    let (world, hold) = held().await;
    let (mut process, run) = world.start_held(&hold, "two").await;
    process.signal(Signal::SIGINT);
    process.event("run.requested").await;
    process.kill().await;
    hold.release();
    let ended = world.orch(["continue", &run]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(world.show(&run).await["gate"]["reason"], "user");
    let ended = world.orch(["continue", &run]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_whole(&world, &run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_process_is_gone_can_be_ended_but_not_paused() {
    let (world, hold) = held().await;
    let (process, run) = world.start_held(&hold, "two").await;
    process.kill().await;
    let paused = world.orch(["pause", &run, "--json"]).await;
    assert_eq!((paused.code, paused.error().as_str()), (Some(1), "orch::run::interrupted"), "{paused:?}");
    let aborted = world.orch(["abort", &run]).await;
    assert_eq!(aborted.code, Some(1), "{aborted:?}");
    assert_eq!(world.show(&run).await["status"], "cancelled");
    assert_eq!(world.prompts(), ["step one: a task"]);
}

/// What is only for tests is in no default build.
#[cfg(not(feature = "failpoints"))]
#[tokio::test(flavor = "multi_thread")]
async fn without_its_feature_there_is_no_failpoint() {
    let world = World::new(Script::new().otherwise("done")).await;
    let mut command = world.command(["run", "last", "a task", "--json"]);
    let ended = crate::world::output(command.env("ORCH_FAILPOINT", "appended:settled:1")).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let program = std::fs::read(env!("CARGO_BIN_EXE_orch")).unwrap();
    let names = |name: &[u8]| program.windows(name.len()).any(|window| window == name);
    assert!(names(b"ORCH_STATE_DIR") && !names(b"ORCH_FAILPOINT"));
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn a_failpoint_that_does_not_exist_is_refused() {
    let world = World::new(Script::new().otherwise("done")).await;
    let mut command = world.command(["run", "last", "a task", "--json"]);
    let ended = crate::world::output(command.env("ORCH_FAILPOINT", "appended:nothing")).await;
    assert_eq!((ended.code, ended.error().as_str()), (Some(2), "orch::cli::failpoint"), "{ended:?}");
}
