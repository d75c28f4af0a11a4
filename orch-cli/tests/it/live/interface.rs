//! `orch tui`: runs from another terminal show in it.

use orch::opencode::simulator::{Script, When};
use serde_json::{Value, json};

use super::{
    live_binary,
    tui::{Screen, tmux},
    world::World,
};

fn config() -> Value {
    json!({
        "profiles": [{ "id": "guide", "kind": "subagent" }],
        "workflows": { "definitions": [{ "id": "flow", "steps": [
            { "id": "study", "workerId": "guide", "execution": "foreground", "prompt": "study {task}" },
        ] }] },
    })
}

fn script() -> Script {
    Script::new().on(When::prompt("study the tide"), "The tide is low.").otherwise("noted")
}

/// The file that says where it is, if it does.
fn address(world: &World) -> Option<String> {
    let mut projects = std::fs::read_dir(world.state().join("projects")).ok()?;
    std::fs::read_to_string(projects.next()?.unwrap().path().join("tui.json")).ok()
}

#[tokio::test]
async fn what_is_run_in_another_terminal_shows_in_it_until_it_ends() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let world = World::without_server(&program, script(), &config()).await;
    let screen = Screen::own(&tmux, &program, &world).await;
    screen.wait("the other commands to know of it", |_| address(&world).is_some()).await;
    let ended = world.orch(&["run", "flow", "the tide", "--no-input", "--json"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    screen.shows(&["study the tide", "The tide is low."]).await;
    let password = address(&world).unwrap();
    let password = serde_json::from_str::<Value>(&password).unwrap()["password"].as_str().unwrap().to_owned();
    assert!(!format!("{ended:?}").contains(&password));

    screen.press(&["C-c"]).await;
    screen.ends().await;
    assert_eq!(address(&world), None);
    let done = world.orch(&["continue", &ended.run(), "--no-input", "--json"]).await;
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.stdout.contains("Session not found"), "what it shows next is another host's: {done:?}");
    world.stop().await;
}

/// Whoever ends the command means the interface, too.
#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let world = World::without_server(&program, script(), &config()).await;
    let screen = Screen::own(&tmux, &program, &world).await;
    world.terminate("tui").await;
    screen.ends().await;
    assert_eq!(address(&world), None);
    world.stop().await;
}

#[tokio::test]
async fn without_a_terminal_it_says_so() {
    let Some(program) = live_binary() else { return };
    let world = World::without_server(&program, script(), &config()).await;
    let refused = world.orch(&["tui"]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("this is no terminal"), "{refused:?}");
    world.stop().await;
}
