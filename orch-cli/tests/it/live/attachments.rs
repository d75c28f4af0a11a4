//! Files that go with a run.

use orch::opencode::simulator::{Script, When};
use serde_json::json;

use super::{live_binary, world::World};

#[tokio::test]
async fn corner_14_attachments_reach_the_steps_that_need_no_other() {
    let Some(program) = live_binary() else { return };
    let step = |id: &str| json!({ "id": id, "workerId": "root", "prompt": format!("{id} {{task}}") });
    let config = json!({
        "profiles": [{ "id": "root", "kind": "agent" }],
        "workflows": { "definitions": [{ "id": "flow", "steps": [step("read"), step("write")] }] },
    });
    let script = Script::new().on(When::prompt("write <"), "written").otherwise("read");
    let world = World::start(&program, script, &config).await;
    let notes = world.file("notes.md", b"the secret word is heliotrope");
    let picture = world.file("picture.png", b"\x89PNG\r\n\x1a\n");

    let refused = world.orch(&["run", "flow", "<task>", "--attach", &picture, "--no-input", "--json"]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert_eq!(refused.json()["error"]["code"], "orch::workers::no-images", "{refused:?}");
    assert!(world.model.log().is_empty(), "no token was spent on it");

    let ended = world.orch(&["run", "flow", "<task>", "--attach", &notes, "--no-input"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let calls = world.model.prompts();
    let asked: Vec<_> = calls.iter().map(|call| call.messages.last().unwrap().to_string()).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].contains("read <task>") && asked[0].contains("heliotrope"), "{}", asked[0]);
    assert!(asked[1].contains("write <task>") && !asked[1].contains("heliotrope"), "{}", asked[1]);
    world.stop().await;
}
