//! Mistakes of a newcomer that only a host can tell.

use orch::opencode::simulator::Script;
use serde_json::json;

use super::{
    live_binary,
    world::{Ended, World},
};

#[tokio::test]
async fn mistakes_are_told_before_a_token_is_spent() {
    let Some(program) = live_binary() else { return };
    let workflow = |worker: &str| {
        json!({ "id": worker, "steps": [
            { "id": "one", "workerId": "fine", "prompt": "{task}" },
            { "id": "two", "workerId": worker, "prompt": "{task}" },
        ] })
    };
    let workflows = ["fine", "strange-model", "strange-agent"].map(workflow);
    let config = json!({
        "profiles": [
            { "id": "fine", "kind": "subagent" },
            { "id": "strange-model", "kind": "agent", "model": "stub/stubb" },
            { "id": "strange-agent", "kind": "subagent", "agent": "biuld" },
        ],
        "workflows": { "definitions": workflows },
    });
    let world = World::start(&program, Script::new(), &config).await;

    let mut wrong = world.command(&["run", "fine", "task", "--json"]);
    wrong.env("OPENCODE_SERVER_PASSWORD", "wrong");
    refused(&Ended::of(wrong).await, 1, "orch::host::unauthorized", &["OPENCODE_SERVER_PASSWORD"]);

    let mut missing = world.command(&["run", "fine", "task", "--json"]);
    missing.env_remove("OPENCODE_SERVER_PASSWORD");
    refused(&Ended::of(missing).await, 1, "orch::host::unauthorized", &["OPENCODE_SERVER_PASSWORD"]);

    for parent in ["ses_missing", "nonsense"] {
        let ended = world.orch(&["run", "fine", "task", "--parent", parent, "--json"]).await;
        refused(&ended, 2, "orch::host::unknown-parent", &[parent]);
    }
    for (workflow, way_out) in [("strange-model", "`stub/stub`?"), ("strange-agent", "`build`?")] {
        let ended = world.orch(&["run", workflow, "task", "--json"]).await;
        let message = ended.json()["error"]["message"].to_string();
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(message.contains(workflow) && message.contains(way_out), "{message}");
    }
    let runs = world.orch(&["runs", "--json"]).await;
    assert_eq!(runs.json(), json!([]), "no run was created");
    assert!(world.model.log().is_empty(), "no token was spent");
    world.stop().await;
}

fn refused(ended: &Ended, code: i32, error_code: &str, says: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    let error = &ended.json()["error"];
    assert_eq!(error["code"], error_code, "{error}");
    for word in says {
        assert!(error.to_string().contains(word), "{word} is missing: {error}");
    }
}
