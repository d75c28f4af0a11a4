//! Several processes and one run: one drives, any may ask.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use orch::opencode::simulator::{Answer, Hold, Script, When};
use serde_json::json;

use crate::world::{World, standard};

/// A request is taken up within a second; starting and ending a process takes its own time.
const SOON: Duration = Duration::from_secs(3);

async fn held() -> (World, Hold) {
    let hold = Hold::new();
    let script = Script::new().on(When::prompt("step one"), Answer::text("one").held(&hold)).otherwise("two");
    (World::new(script).await, hold)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_driver_is_turned_away_with_the_name_of_the_first() {
    let (world, hold) = held().await;
    let (process, run) = world.start_held(&hold, "two").await;
    let pid = process.pid();
    assert_eq!(world.show(&run).await["owner"]["pid"], pid);

    let refused = world.orch(["continue", &run]).await;
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains(&format!("process {pid}")), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("orch pause {run}")), "{}", refused.stderr);

    let refused = world.orch(["continue", &run, "--json"]).await;
    assert_eq!((refused.code, refused.error().as_str()), (Some(4), "orch::run::locked"), "{refused:?}");

    hold.release();
    assert_eq!(process.end().await.code, Some(0));
    assert_eq!(world.prompts().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_pauses_a_run_that_works() {
    let (world, hold) = held().await;
    let (mut process, run) = world.start_held(&hold, "two").await;
    let asked = Instant::now();
    let paused = world.orch(["pause", &run, "--json"]).await;
    let took = asked.elapsed();
    assert_eq!(paused.code, Some(0), "{paused:?}");
    assert_eq!(paused.json()["accepted"], true);
    assert!(took < SOON, "{took:?}");
    let requested = process.event("run.requested").await;
    assert_eq!((&requested["request"], &requested["by"]), (&json!("pause"), &json!("ada")));

    hold.release();
    let ended = process.end().await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(world.show(&run).await["gate"]["reason"], "user");
    assert_eq!(world.prompts().len(), 1, "nothing is sent while the run is paused");
    assert_eq!(world.orch(["continue", &run]).await.code, Some(0));
    assert_eq!(world.prompts().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_ends_a_run_that_works() {
    let (world, hold) = held().await;
    let (process, run) = world.start_held(&hold, "two").await;
    let asked = Instant::now();
    let aborted = world.orch(["abort", &run]).await;
    let took = asked.elapsed();
    assert_eq!(aborted.code, Some(1), "{aborted:?}");
    assert!(took < SOON, "{took:?}");
    let ended = process.end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(world.show(&run).await["status"], "cancelled");
    assert_eq!(world.prompts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_from_another_process_until_the_run_ends() {
    let (world, hold) = held().await;
    let (process, run) = world.start_held(&hold, "two").await;
    let mut follower = world.start(["events", &run, "--follow"]);
    follower.event("step.started").await;
    hold.release();
    let ended = process.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let followed = follower.end().await;
    assert_eq!(followed.code, Some(0), "{followed:?}");
    let journaled: Vec<_> = ended.events().into_iter().filter(|event| event["live"] != true).collect();
    assert_eq!(followed.events(), journaled);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_answer_one_gate_exactly_one_wins() {
    let world = World::new(Script::new().otherwise("done")).await;
    let run = world.orch(["run", "three", "a task", "--execution", "step", "--json"]).await.run();
    let gate = world.show(&run).await["gate"]["id"].as_str().unwrap().to_owned();
    let answer = ["continue", run.as_str(), "--gate", gate.as_str(), "--json"];
    let (one, other) = tokio::join!(world.orch(answer), world.orch(answer));
    let mut codes = [one.code.unwrap(), other.code.unwrap()];
    codes.sort_unstable();
    // The winner goes on to the next gate. The other is told that it came second, or that another process drives.
    assert!(matches!(codes, [1, 3] | [3, 4]), "{one:?} {other:?}");
    assert_eq!(world.prompts(), ["step one: a task", "step two: a task"]);
}

/// Fault: Ctrl-Z, or a machine that sleeps, for longer than the step at work may take. Its answer comes meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_suspended_past_a_timeout_goes_on() {
    const LIMIT: Duration = Duration::from_secs(5);
    let (world, hold) = held().await;
    let mut config = standard();
    let step = &mut config["workflows"]["definitions"][1]["steps"][0];
    step["timeoutMs"] = json!(LIMIT.as_millis());
    step["idleWarningMs"] = json!(LIMIT.as_millis() - 1);
    world.configure(&config);
    let (mut process, run) = world.start_held(&hold, "two").await;
    process.signal(Signal::SIGSTOP);
    let over = tokio::time::Instant::now() + LIMIT;
    hold.release();
    let refused = world.orch(["continue", &run]).await;
    assert_eq!(refused.code, Some(4), "nobody takes a run from a process that lives: {refused:?}");
    // What is waited for is the time itself.
    tokio::time::sleep_until(over).await;
    process.signal(Signal::SIGCONT);
    let settled = process.event("step.settled").await;
    assert_eq!(settled["outcome"], "ok", "{settled}");
    assert!(settled["active_ms"].as_u64().unwrap() < 5_000, "{settled}");
    let ended = process.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let shown = world.show(&run).await;
    assert_eq!(shown["steps"][0]["attempts"][0]["warnings"], json!([]), "{shown}");
    assert_eq!(world.prompts().len(), 2);
}
