//! What trust changes on a real OpenCode.

use orch::opencode::simulator::Script;
use serde_json::json;

use super::{live_binary, world::World};

/// The project's own agent is there for a host that is started in it only once the project is trusted.
#[tokio::test]
async fn a_host_that_is_started_reads_what_a_trusted_project_brings() {
    let Some(program) = live_binary() else { return };
    let config = json!({
        "profiles": [{ "id": "w", "kind": "agent", "agent": "house" }],
        "workflows": { "definitions": [
            { "id": "one", "steps": [{ "id": "a", "workerId": "w", "prompt": "{task}" }] },
        ] },
    });
    let world = World::without_server(&program, Script::new().otherwise("done"), &config).await;
    world.file(
        ".opencode/opencode.json",
        br#"{ "agent": { "house": { "mode": "primary", "prompt": "You are of this house." } } }"#,
    );

    let refused = world.orch(&["run", "one", "a task", "--json"]).await;
    assert_eq!((refused.code, &refused.json()["error"]["code"]), (2, &json!("orch::workers::unknown-agent")));
    assert!(world.prompts("a task").is_empty());

    assert_eq!(world.orch(&["trust", "--yes"]).await.code, 0);
    let done = world.orch(&["run", "one", "a task", "--json"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let prompts = world.prompts("a task");
    assert_eq!(prompts.len(), 1);
    assert!(prompts[0].system.contains("You are of this house."), "{:?}", prompts[0]);
    world.stop().await;
}
