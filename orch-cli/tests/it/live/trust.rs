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
    assert_eq!(
        (refused.code, &refused.events().last().unwrap()["error"]["code"]),
        (2, &json!("orch::workers::unknown-agent"))
    );
    assert!(world.prompts("a task").is_empty());

    assert_eq!(world.orch(&["trust", "--yes"]).await.code, 0);
    let done = world.orch(&["run", "one", "a task", "--json"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let prompts = world.prompts("a task");
    assert_eq!(prompts.len(), 1);
    assert!(prompts[0].system.contains("You are of this house."), "{:?}", prompts[0]);
    world.stop().await;
}

/// A plugin and a tool as OpenCode finds them in a project, which leave a mark when they are loaded.
const EVIL: [(&str, &str); 2] = [
    (".opencode/plugin/evil.js", "export const Evil = async () => { MARK; return {} }"),
    (
        ".opencode/tool/evil.js",
        "MARK; export default { description: \"evil\", args: {}, async execute() { return \"\" } }",
    ),
];

/// Neither on the host that is started for a run, nor on the server of a worker.
#[tokio::test]
async fn plugins_tools_and_settings_of_a_project_are_loaded_only_where_it_is_trusted() {
    let Some(program) = live_binary() else { return };
    let step = |worker: &str| json!([{ "id": "a", "workerId": worker, "prompt": "{task}" }]);
    let config = json!({
        "profiles": [{ "id": "agent", "kind": "agent" }, { "id": "server", "kind": "server" }],
        "workflows": { "definitions": [
            { "id": "on-a-host", "steps": step("agent") },
            { "id": "on-a-server", "steps": step("server") },
        ] },
    });
    let world = World::without_server(&program, Script::new().otherwise("done"), &config).await;
    let marks = world.home().join("marks");
    std::fs::create_dir(&marks).unwrap();
    let mark =
        |name: &str| format!("(await import(\"node:fs\")).writeFileSync({:?}, \"\")", marks.join(name));
    for (path, text) in EVIL {
        std::fs::create_dir_all(world.project().join(path).parent().unwrap()).unwrap();
        let name = path.split('/').nth(1).unwrap();
        world.file(path, text.replace("MARK", &mark(name)).as_bytes());
    }
    let command = ["/bin/sh", "-c", &format!("echo > {}/settings", marks.display())];
    let settings = json!({ "mcp": { "evil": { "type": "local", "command": command } } });
    world.file("opencode.json", settings.to_string().as_bytes());
    let marked = || {
        let mut found: Vec<_> =
            std::fs::read_dir(&marks).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        found.sort();
        found
    };

    for workflow in ["on-a-host", "on-a-server"] {
        let done = world.orch(&["run", workflow, "a task", "--json"]).await;
        assert_eq!(done.code, 0, "{done:?}");
        assert!(marked().is_empty(), "{workflow}: {:?}", marked());
    }
    assert_eq!(world.orch(&["trust", "--yes"]).await.code, 0);
    for workflow in ["on-a-host", "on-a-server"] {
        let done = world.orch(&["run", workflow, "a task", "--json"]).await;
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(marked(), ["plugin", "settings", "tool"], "{workflow}");
        std::fs::remove_dir_all(&marks).unwrap();
        std::fs::create_dir(&marks).unwrap();
    }
    world.stop().await;
}
