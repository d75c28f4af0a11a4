//! The past of runs, and why they stand where they stand.

use orch::opencode::simulator::{Answer, Hold, Script, When};
use serde_json::json;

use crate::world::{World, failure};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_shown_as_it_was_after_each_of_its_events() {
    let world =
        World::new(Script::new().on_first(1, When::prompt("step one"), failure()).otherwise("done")).await;
    let ended = world.orch(["run", "two", "a task", "--json"]).await;
    let run = ended.run();
    let events = ended.events();
    let opened = events.iter().find(|event| event["type"] == "gate.opened").unwrap()["seq"].as_u64().unwrap();
    world.orch(["retry", &run]).await;

    let shown = world.orch(["show", &run, "--at", &opened.to_string(), "--json"]).await.json();
    assert_eq!(shown["at"], opened);
    assert!(shown["last"].as_u64().unwrap() > opened);
    assert_eq!(shown["run"]["seq"], opened);
    assert_eq!(shown["run"]["gate"]["reason"], "intervene=on-error");
    assert_eq!(shown["run"]["steps"][0]["status"], "gated");
    assert_eq!(world.show(&run).await["status"], "success");

    let text = world.orch(["show", &run, "--at", &opened.to_string()]).await;
    assert!(text.stdout.contains(&format!("as it stood after event {opened} of ")), "{}", text.stdout);
    assert!(text.stdout.contains("intervene=on-error"), "{}", text.stdout);
    assert!(!text.stdout.contains("orch continue"), "the past has nothing to decide: {}", text.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_that_never_was_is_refused_with_those_there_are() {
    let world = World::new(Script::new().otherwise("done")).await;
    let run = world.orch(["run", "last", "a task", "--json"]).await.run();
    let last = world.show(&run).await["seq"].as_u64().unwrap();
    for at in ["0", "99"] {
        let refused = world.orch(["show", &run, "--at", at, "--json"]).await;
        assert_eq!((refused.code, refused.error().as_str()), (Some(2), "orch::run::unknown-record"));
        let said = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(said, format!("run {run} has no record {at}: its journal has the records 1 to {last}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_explains_a_gate_and_an_end() {
    let world =
        World::new(Script::new().on_first(1, When::prompt("step one"), failure()).otherwise("done")).await;
    let run = world.orch(["run", "two", "a task", "--json"]).await.run();
    let why = world.orch(["why", &run]).await;
    assert_eq!((why.code, why.stderr.as_str(), why.stdout.lines().count()), (Some(0), "", 1), "{why:?}");
    for expected in ["waits for a decision at gate g", "the model said no", &format!("`orch retry {run}`")] {
        assert!(why.stdout.contains(expected), "{expected}: {}", why.stdout);
    }
    let data = world.orch(["why", &run, "--json"]).await.json();
    assert_eq!(data["state"], "paused");
    assert_eq!(data["waits"][0]["for"], "decision");
    assert_eq!(data["waits"][0]["step"], "one");
    assert_eq!(data["waits"][0]["movers"][0]["command"], json!(format!("orch continue {run}")));

    world.orch(["retry", &run]).await;
    let why = world.orch(["why", &run]).await.stdout;
    assert!(why.contains(&format!("{run} has ended as success")) && why.contains("orch output"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_explains_work_that_another_process_drives() {
    let hold = Hold::new();
    let script = Script::new().on(When::prompt("step one"), [Answer::text("late").held(&hold)]);
    let world = World::new(script.otherwise("done")).await;
    let (process, run) = world.start_held(&hold, "two").await;
    let data = world.orch(["why", &run, "--json"]).await.json();
    assert_eq!((&data["state"], &data["waits"][0]["for"]), (&json!("at-work"), &json!("answer")));
    assert!(data["owner"]["pid"].is_u64(), "{data}");
    let why = world.orch(["why", &run]).await.stdout;
    assert!(why.contains("drives it") && why.contains(&format!("`orch pause {run}`")), "{why}");
    hold.release();
    assert_eq!(process.end().await.code, Some(0));
}
