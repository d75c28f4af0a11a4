//! A worker that tries to start or decide runs from its shell.

use orch::opencode::simulator::{Answer, CallKind, Script, ToolCall, When};
use serde_json::json;

use super::{live_binary, world::World};

/// The servers that orch starts carry a guard variable, and so do the shells of their agents: neither the host that orch
/// launched nor a worker's own server lets a worker drive runs.
#[tokio::test]
async fn a_worker_on_a_server_of_ours_cannot_start_a_workflow_from_its_shell() {
    let Some(program) = live_binary() else { return };
    let kinds = ["agent", "subagent", "server"];
    let orch = format!("{} run again 'a task within' 2>&1", env!("CARGO_BIN_EXE_orch"));
    let arguments = json!({ "command": orch, "description": "Start a run" });
    let script = kinds.iter().fold(Script::new(), |script, kind| {
        let shell = ToolCall::new("bash", arguments.clone());
        script.on(When::prompt(format!("recurse as {kind}")), [Answer::tool(shell), Answer::text("done")])
    });
    let steps =
        kinds.map(|kind| json!({ "id": kind, "workerId": kind, "prompt": format!("recurse as {kind}") }));
    let config = json!({
        "profiles": kinds.map(|kind| json!({ "id": kind, "kind": kind })),
        "workflows": { "definitions": [{ "id": "again", "steps": steps }] },
    });
    let world = World::without_server(&program, script, &config).await;

    let ended = world.orch(&["run", "again", "a task", "--json"]).await;

    assert_eq!(ended.code, 0, "{ended:?}");
    let told: Vec<_> =
        world.model.log().into_iter().filter(|call| call.kind == CallKind::ToolResults).collect();
    assert_eq!(told.len(), kinds.len());
    for call in told {
        let result = call.messages.last().unwrap()["content"].to_string();
        assert!(result.contains("this is inside a worker of orch"), "{result}");
    }
    assert_eq!(world.model.prompts().len(), kinds.len(), "no run was begun within");
    world.stop().await;
}
