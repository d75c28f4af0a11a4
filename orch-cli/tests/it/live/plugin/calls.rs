//! How a person is called who looks elsewhere, and what is put into an empty prompt.

use std::fs;

use orch::opencode::simulator::{Answer, Script, ToolCall, When};
use serde_json::{Value, json};

use super::{
    super::{
        live_binary,
        tui::{Screen, tmux},
        world::World,
    },
    config, end, run,
};

/// The project with these settings under `ui`.
fn with_ui(ui: &Value) -> Value {
    let mut config = config();
    config["ui"] = ui.clone();
    config
}

/// Installed beside settings of OpenCode that let calls through to the desktop. The terminal has no sound.
async fn called(tmux: &std::path::Path, program: &str, script: Script, ui: &Value) -> (World, Screen) {
    let world = World::without_server(program, script, &with_ui(ui)).await;
    let attention = json!({ "attention": { "enabled": true, "sound": false } });
    fs::write(world.project().join(".opencode/tui.json"), attention.to_string()).unwrap();
    let installed = world.orch(&["install"]).await;
    assert_eq!(installed.code, 0, "{installed:?}");
    let screen = Screen::with_desktop(tmux, program, &world).await;
    screen.look_away().await;
    (world, screen)
}

/// What the configuration says when something happens is what holds.
#[tokio::test]
async fn a_permission_calls_a_person_who_looks_elsewhere_unless_they_do_not_want_it() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let outside = Answer::tool(ToolCall::new("read", json!({ "filePath": "/etc/hostname" })));
    let script = Script::new()
        .on(When::prompt("first "), "The drawing has a keel.")
        .on(When::prompt("second "), [outside, Answer::text("The boat floats.")]);
    let (world, screen) = called(&tmux, &program, script, &json!({ "attention": false })).await;
    run(&screen, "a boat").await;
    screen.shows(&["gate: ctrl+x v"]).await;

    let wanted = with_ui(&json!({ "attention": true })).to_string();
    fs::write(world.project().join(".opencode/orchestrator.json"), wanted).unwrap();
    screen.press(&["C-x", "v"]).await;
    screen.shows(&["The drawing has a keel.", "continue"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["orch asks: /orch-inbox"]).await;
    screen.wait("the call", |_| !screen.told_to_desktop("orch").is_empty()).await;
    assert_eq!(screen.told_to_desktop("orch"), ["ship: step 2/3 second asks for a permission"]);
    end(world, screen).await;
}

#[tokio::test]
async fn a_gate_calls_and_its_hint_goes_into_an_empty_prompt_and_never_behind_what_is_typed() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let script = Script::new()
        .on(When::prompt("first "), "The drawing has a keel.")
        .on(When::prompt("second "), "The boat floats.")
        .otherwise("Hello.");
    let (world, screen) = called(&tmux, &program, script, &json!({ "promptHints": true })).await;
    screen.enter("Good morning").await;
    screen.shows(&["Good morning"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Hello."]).await;
    run(&screen, "a boat").await;

    let hint = |step: &str| format!("[orch: a decision is due at step {step}");
    screen.shows(&["gate at first", &hint("1/3 first")]).await;
    screen.keep("hint").await;
    screen.wait("the call", |_| !screen.told_to_desktop("orch").is_empty()).await;
    assert_eq!(screen.told_to_desktop("orch")[0], "ship: a decision is due at step 1/3 first");

    screen.press(&["C-u"]).await;
    screen.hides(&[&hint("1/3")]).await;
    screen.enter("half a thought").await;
    screen.shows(&["half a thought"]).await;
    screen.press(&["C-x", "v"]).await;
    screen.shows(&["look first", "continue"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["gate at second", "half a thought"]).await;
    screen.wait("no hint", |shown| !shown.contains(&hint("2/3"))).await;
    end(world, screen).await;
}
