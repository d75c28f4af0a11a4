//! Why a run stands where it stands, its past, and a run that goes on from it.

use orch::opencode::simulator::{Answer, Hold, Script, When};
use serde_json::{Value, json};

use super::{live_binary, world::World};

fn config() -> Value {
    json!({
        "profiles": [{ "id": "worker", "kind": "agent" }],
        "workflows": { "definitions": [{ "id": "flow", "steps": [
            { "id": "one", "workerId": "worker", "prompt": "{task}" },
            { "id": "two", "workerId": "worker", "prompt": "go on after {steps.one.text}" },
        ] }] },
    })
}

#[tokio::test]
async fn a_run_is_explained_at_work_interrupted_and_ended_and_then_forked() {
    let Some(program) = live_binary() else { return };
    let hold = Hold::new();
    let script = Script::new()
        .on(When::prompt("go on after"), "gone on")
        .on(When::prompt("<task>"), Answer::text("the first").held(&hold))
        .otherwise("done");
    let world = World::start(&program, script, &config()).await;
    let mut running = world.begin(&["run", "flow", "<task>"]);
    let session = running.placed().await;
    hold.wait_arrived().await;
    let runs = world.orch(&["runs", "--json"]).await.json();
    let run = runs[0]["id"].as_str().unwrap().to_owned();

    let why = world.orch(&["why", &run, "--json"]).await.json();
    assert_eq!((&why["state"], &why["waits"][0]["for"]), (&json!("at-work"), &json!("answer")), "{why:#}");
    assert!(why["text"].as_str().unwrap().contains(&session.to_string()), "{why:#}");

    running.murder().await;
    let why = world.orch(&["why", &run, "--json"]).await.json();
    assert_eq!(
        (&why["state"], &why["waits"][0]["for"]),
        (&json!("interrupted"), &json!("driver")),
        "{why:#}"
    );
    let way = why["waits"][0]["movers"][0]["command"].as_str().unwrap();
    let refused = world.orch(&["fork", &run, "--from", "one", "--json"]).await;
    assert_eq!(refused.json()["error"]["code"], "orch::run::in-flight", "{refused:?}");
    hold.release();
    let words: Vec<&str> = way.split(' ').skip(1).collect();
    let continued = world.orch(&words).await;
    assert_eq!(continued.code, 0, "{continued:?}");
    let why = world.orch(&["why", &run, "--json"]).await.json();
    assert_eq!((&why["state"], &why["waits"]), (&json!("finished"), &json!([])), "{why:#}");
    assert_eq!(world.prompts("go on after").len(), 1);

    let forked = world.orch(&["fork", &run, "--from", "two", "--json"]).await;
    assert_eq!(forked.code, 0, "{forked:?}");
    let other = world.show(&forked.run()).await;
    assert_eq!((&other["status"], &other["steps"][0]["text"]), (&json!("success"), &json!("the first")));
    assert_eq!(world.prompts("<task>").len(), 1, "what is kept is not asked for again");
    assert_eq!(world.prompts("go on after the first").len(), 2);

    let started = world.orch(&["show", &run, "--at", "1", "--json"]).await.json();
    assert_eq!(
        (&started["run"]["status"], &started["run"]["steps"][0]["status"]),
        (&json!("running"), &json!("ready"))
    );
    world.stop().await;
}
