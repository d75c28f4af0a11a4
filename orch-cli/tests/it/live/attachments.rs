//! Files that go with a run.

use orch::opencode::simulator::{Script, When};
use serde_json::json;

use super::{live_binary, world::World};

/// One grey pixel.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9b\
    U\0\0\0\nIDATx\x9cch\0\0\0\x82\0\x81w\xcdr\xb6\0\0\0\0IEND\xaeB`\x82";

#[tokio::test]
async fn corner_14_attachments_reach_the_steps_that_need_no_other() {
    let Some(program) = live_binary() else { return };
    let step = |id: &str| json!({ "id": id, "workerId": "root", "prompt": format!("{id} {{task}}") });
    let config = json!({
        "profiles": [{ "id": "root", "kind": "agent" }, { "id": "eyes", "kind": "agent", "model": "stub/eyes" }],
        "workflows": { "definitions": [
            { "id": "flow", "steps": [step("read"), step("write")] },
            { "id": "look", "steps": [{ "id": "look", "workerId": "eyes", "prompt": "look at it" }] },
        ] },
    });
    let script = Script::new().on(When::prompt("write <"), "written").otherwise("read");
    let world = World::without_server(&program, script, &config).await;
    let eyes = json!({
        "name": "Eyes", "tool_call": true, "attachment": true, "limit": { "context": 100_000, "output": 8_000 },
        "modalities": { "input": ["text", "image"], "output": ["text"] },
    });
    world.own_settings(&json!({ "provider": { "stub": { "models": { "eyes": eyes } } } }));
    let world = world.with_server().await;
    let notes = world.file("notes.md", b"the secret word is heliotrope");
    let picture = world.file("picture.png", PICTURE);

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

    // A model that reads images is shown it.
    let shown = world.orch(&["run", "look", "<picture>", "--attach", &picture, "--no-input"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    let calls = world.model.prompts();
    let content = calls.last().unwrap().messages.last().unwrap()["content"].as_array().unwrap();
    let image = content.iter().find(|part| part["type"] == "image_url").unwrap();
    let url = image["image_url"]["url"].as_str().unwrap();
    assert!(url.starts_with("data:image/png;base64,iVBORw0KGgo"), "{url}");
    world.stop().await;
}
