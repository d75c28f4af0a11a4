//! The server that the plugin lends, across the deaths of the service.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use orch::opencode::simulator::{Script, When};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::{
        live_binary,
        tui::{PATIENCE, Screen, tmux},
        world::World,
    },
    run, until,
};
use crate::poll;
use crate::serve::client::{http, reply};

/// A service that leaves soon after its last client. The first two clients, which are the two halves of the plugin, are
/// told a token that the service does not know, as if another one had taken its place.
fn command(world: &World) -> PathBuf {
    let path = world.project().join("orch-in-a-hurry");
    let script = format!(
        r#"#!/bin/sh
told=$("{orch}" "$@" --linger 10s) || exit
for time in once twice; do
    if mkdir "{home}/$time" 2>/dev/null; then
        sed 's/"token": *"[^"]*"/"token": "stale"/' "$(dirname "{state}"/projects/*/serve.json)/serve.json" >"{home}/stale.json"
        told=$(printf '%s' "$told" | sed 's|"file":"[^"]*"|"file":"{home}/stale.json"|')
        break
    fi
done
printf '%s\n' "$told"
"#,
        orch = env!("CARGO_BIN_EXE_orch"),
        home = world.home().display(),
        state = world.state().display(),
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Where the service of the project is; nothing while there is none.
fn serving(world: &World) -> Option<Value> {
    let mut projects = fs::read_dir(world.state().join("projects")).ok()?;
    let text = fs::read(projects.next()?.unwrap().path().join("serve.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

fn pid(serving: &Value) -> Pid {
    Pid::from_raw(i32::try_from(serving["pid"].as_i64().unwrap()).unwrap())
}

/// The newest run, once it is this one, has worked: nothing else than the server of the interface could have done it.
async fn done(world: &World, task: &str) {
    until(world, task, |run| run["task"] == task && run["status"] == "success").await;
    assert_eq!(world.servers(), 0, "no other server was started");
}

#[tokio::test]
async fn after_the_service_was_killed_commands_and_tools_work_on_the_same_server() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let script =
        Script::new().reading_prompts().on(When::prompt("first "), "It floats.").otherwise("It stands.");
    let config = json!({
        "profiles": [{ "id": "helper", "kind": "subagent" }],
        "workflows": { "definitions": [
            { "id": "ship", "steps": [{ "id": "first", "workerId": "helper", "prompt": "first {task}" }] },
        ] },
    });
    let world = World::without_server(&program, script, &config).await;
    // Twice, as it may be: the server is lent once all the same.
    assert_eq!(world.orch(&["install"]).await.code, 0);
    assert_eq!(world.orch(&["install", "--global"]).await.code, 0);
    let hurried = command(&world);
    let folders = [world.project().join(".opencode"), world.home().join(".config/opencode")];
    for path in folders.iter().flat_map(|folder| ["opencode.json", "tui.json"].map(|file| folder.join(file)))
    {
        let settings = fs::read_to_string(&path).unwrap();
        let changed = settings.replace(env!("CARGO_BIN_EXE_orch"), hurried.to_str().unwrap());
        assert_ne!(settings, changed);
        fs::write(path, changed).unwrap();
    }
    let screen = Screen::plain(&tmux, &program, &world).await;
    run(&screen, "a boat").await;
    done(&world, "a boat").await;

    let killed = serving(&world).unwrap();
    kill(pid(&killed), Signal::SIGKILL).unwrap();
    run(&screen, "another boat").await;
    done(&world, "another boat").await;
    let next = serving(&world).unwrap();
    assert_ne!(next["pid"], killed["pid"]);

    kill(pid(&next), Signal::SIGKILL).unwrap();
    let start = json!({ "task": "a third boat", "workerId": "helper" });
    screen
        .enter(&format!(
            "SCRIPT: {}",
            json!([{ "tool": "task_start", "args": start }, { "text": "so it is" }])
        ))
        .await;
    screen.shows(&["so it is"]).await;
    screen.press(&["Enter"]).await;
    done(&world, "a third boat").await;

    // With its last client it goes, too.
    let last = serving(&world).unwrap();
    let hosts = http().get(format!("{}/v1/hosts", last["url"].as_str().unwrap()));
    let hosts = reply(hosts.bearer_auth(last["token"].as_str().unwrap()).send().await.unwrap()).await.ok();
    assert_eq!(hosts.as_array().unwrap().len(), 1, "{hosts}");
    screen.close().await;
    let gone = poll::until_so(async || kill(pid(&last), None).is_err());
    timeout(PATIENCE, gone).await.expect("the service ends by itself");
    world.stop().await;
}
