//! A worker that tries to start or decide runs from its shell, and what it finds there.

use orch::opencode::simulator::{Answer, CallKind, Script, ToolCall, When};
use serde_json::{Value, json};

use super::{live_binary, world::World};

/// The servers that orch starts carry a guard variable, and so do the shells of their agents: neither the host that orch
/// launched nor a worker's own server lets a worker drive runs.
#[tokio::test]
async fn a_worker_on_a_server_of_ours_cannot_start_a_workflow_from_its_shell() {
    let Some(program) = live_binary() else { return };
    let kinds = ["agent", "subagent", "server"];
    // In a script, where no rule of the session's sees it.
    let (script, config) = recursing(&kinds, |_| "sh recurse.sh".to_owned());
    let world = World::without_server(&program, script, &config).await;
    let line = format!("{} run again 'a task within' 2>&1", env!("CARGO_BIN_EXE_orch"));
    world.file("recurse.sh", line.as_bytes());

    let ended = world.orch(&["run", "again", "a task", "--json"]).await;

    assert_eq!(ended.code, 0, "{ended:?}");
    let told = told(&world);
    assert_eq!(told.len(), kinds.len());
    for result in told {
        assert!(result.contains("this is inside a worker of orch"), "{result}");
    }
    assert_eq!(world.model.prompts().len(), kinds.len(), "no run was begun within");
    world.stop().await;
}

/// The server's own environment says what the password is: without it, this would search for nothing.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_shell_of_a_worker_on_a_server_of_ours_does_not_know_the_password() {
    const VARIABLE: &str = "OPENCODE_SERVER_PASSWORD=";
    let Some(program) = live_binary() else { return };
    let kinds = ["agent", "subagent", "server"];
    let command = format!("env; echo OF THE SERVER; tr '\\0' '\\n' </proc/$PPID/environ | grep ^{VARIABLE}");
    let (script, config) = recursing(&kinds, |_| command.clone());
    let world = World::without_server(&program, script, &config).await;
    let ended = world.orch(&["run", "again", "a task", "--json"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let told = told(&world);
    assert_eq!(told.len(), kinds.len());
    for result in told {
        let (shell, server) = result.split_once("OF THE SERVER").unwrap();
        let (_, password) = server.split_once(VARIABLE).unwrap();
        let password: String = password.chars().take_while(char::is_ascii_alphanumeric).collect();
        assert!(password.len() >= 32, "{server}");
        assert!(shell.contains("PATH=") && !shell.contains(&password), "{shell}");
    }
    world.stop().await;
}

/// A host that a person started has no such variable; there the session's own rules deny the command.
#[tokio::test]
async fn a_worker_on_a_host_of_somebody_else_is_denied_the_command() {
    let Some(program) = live_binary() else { return };
    let kinds = ["agent", "subagent"];
    for command in ["orch", "cd . && orch", env!("CARGO_BIN_EXE_orch")] {
        let (script, config) = recursing(&kinds, |_| format!("{command} run again 'a task within'"));
        let world = World::start(&program, script, &config).await;
        let ended = world.orch(&["run", "again", "a task", "--no-input", "--json"]).await;
        assert_eq!(ended.code, 0, "{command}: {ended:?}");
        let told = told(&world);
        assert_eq!(told.len(), kinds.len(), "{command}");
        for result in told {
            assert!(
                result.contains("prevents you from using this specific tool call"),
                "{command}: {result}"
            );
        }
        assert_eq!(world.model.prompts().len(), kinds.len(), "{command}: no run was begun within");
        world.stop().await;
    }
}

/// A workflow with a step for a worker of each kind, which runs its command in its shell.
pub(super) fn recursing(kinds: &[&str], command: impl Fn(&str) -> String) -> (Script, Value) {
    let script = kinds.iter().fold(Script::new(), |script, kind| {
        let shell = ToolCall::new("bash", json!({ "command": command(kind), "description": "Start a run" }));
        script.on(When::prompt(format!("recurse as {kind}")), [Answer::tool(shell), Answer::text("done")])
    });
    let profiles: Vec<_> = kinds.iter().map(|kind| json!({ "id": kind, "kind": kind })).collect();
    let steps: Vec<_> = kinds
        .iter()
        .map(|kind| json!({ "id": kind, "workerId": kind, "prompt": format!("recurse as {kind}") }))
        .collect();
    let workflows = json!({ "definitions": [{ "id": "again", "steps": steps }] });
    (script, json!({ "profiles": profiles, "workflows": workflows }))
}

/// What the workers' shells told their models.
fn told(world: &World) -> Vec<String> {
    let results = world.model.log().into_iter().filter(|call| call.kind == CallKind::ToolResults);
    results.map(|call| call.messages.last().unwrap()["content"].to_string()).collect()
}
