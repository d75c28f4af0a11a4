//! A worker that tries to start or decide runs from its shell, and what it finds there.

use orch::opencode::{
    NewSession, OpenCode as _, Prompt, SessionId,
    simulator::{Answer, CallKind, Script, ToolCall, When},
};
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

/// Depth one, whatever a worker is. With the plugin in the person's own configuration, which every host reads, no worker's
/// model is offered a tool of ours; and the service takes no task from a worker's session, or from one below it.
#[tokio::test]
async fn no_kind_of_worker_delegates_by_the_plugin_or_the_service() {
    let Some(program) = live_binary() else { return };
    let kinds = ["agent", "subagent", "server"];
    let (script, config) = recursing(&kinds, |_| "true".to_owned());
    let world = World::without_server(&program, script.otherwise("noted"), &config).await;
    assert_eq!(world.orch(&["install", "--global"]).await.code, 0);
    let world = world.with_server().await;
    let host = world.host();
    let person = host.create_session(NewSession::default()).await.unwrap().id;
    host.prompt(&person, Prompt::text("my own words")).await.unwrap();

    let ended = world.orch(&["run", "again", "a task", "--json"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    world.model.wait_log(|log| log.iter().any(|call| call.text.contains("my own words"))).await;
    let log = world.model.log();
    for (text, count) in
        [("my own words", 5), ("recurse as agent", 0), ("recurse as subagent", 0), ("recurse as server", 0)]
    {
        let call = log.iter().find(|call| call.kind == CallKind::Prompt && call.text.contains(text)).unwrap();
        let ours = call.tools.iter().filter(|tool| tool.starts_with("task_"));
        assert_eq!(ours.count(), count, "{text}: {:?}", call.tools);
    }

    let mut service = world.begin(&["serve", "--linger", "10m"]);
    let said = service.next().await.unwrap();
    let written: Value =
        serde_json::from_slice(&std::fs::read(said["file"].as_str().unwrap()).unwrap()).unwrap();
    let delegate = async |session: &str| {
        let body =
            json!({ "session": session, "start": { "task": "x", "kind": "worker", "workerId": "agent" } });
        let url = format!("{}/v1/tasks", said["url"].as_str().unwrap());
        let token = written["token"].as_str().unwrap();
        let reply = reqwest::Client::new().post(url).bearer_auth(token).json(&body).send().await.unwrap();
        reply.json::<Value>().await.unwrap()["code"].take()
    };
    let run = world.show(&ended.run()).await;
    for (step, kind) in kinds.into_iter().enumerate() {
        let session = run["steps"][step]["session"].as_str().unwrap();
        assert_eq!(delegate(session).await, "orch::task::by-a-worker", "{kind}");
        // Sessions of a server of a worker's own are not within reach of any service.
        if kind != "server" {
            let parent = SessionId::parse(session).ok();
            let child = host.create_session(NewSession { parent, ..NewSession::default() }).await.unwrap();
            assert_eq!(delegate(child.id.as_str()).await, "orch::task::by-a-worker", "below {kind}");
        }
    }
    let runs = world.orch(&["runs", "--json"]).await.json();
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs:#}");
    world.end_service().await;
    service.ended().await;
    world.stop().await;
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
