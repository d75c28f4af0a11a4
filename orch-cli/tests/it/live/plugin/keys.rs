//! Keys of a person's own.

use std::fs;

use orch::opencode::{OpenCode as _, simulator::Script};
use serde_json::json;

use super::{
    super::{
        live_binary,
        tui::{Screen, tmux},
        world::World,
    },
    config, end,
};

/// A default that the person has given to something else stays theirs, and the palette says so.
#[tokio::test]
async fn a_key_of_ones_own_replaces_the_default() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let world = World::without_server(&program, Script::new().otherwise("noted"), &config()).await;
    let settings = json!({ "keybinds": { "theme_list": "<leader>o" } });
    fs::write(world.project().join(".opencode/tui.json"), settings.to_string()).unwrap();
    let installed = world.orch(&["install", "--key", "gate=f4", "--key", "workers=<leader>y"]).await;
    assert_eq!(installed.code, 0, "{installed:?}");
    let world = world.with_server().await;
    let screen = Screen::attach(&tmux, &program, &world).await;

    // Keys act in the order in which they are pressed: the first of these had its time.
    screen.press(&["C-x", "v"]).await;
    screen.press(&["C-x", "y"]).await;
    screen.shows(&["orch: workers", "esc back"]).await;
    screen.wait("no more than that", |shown| !shown.contains("no gate is open")).await;
    screen.press(&["Escape"]).await;
    screen.hides(&["esc back"]).await;
    screen.press(&["F4"]).await;
    screen.shows(&["no gate is open"]).await;

    screen.press(&["C-x", "o"]).await;
    screen.shows(&["Themes"]).await;
    screen.press(&["Escape"]).await;
    screen.hides(&["Themes"]).await;
    screen.press(&["C-p"]).await;
    screen.shows(&["Commands"]).await;
    screen.types("orch: See everything", |shown| shown.contains("ctrl+x o runs theme.switch")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["orch: dashboard", "esc back"]).await;
    screen.press(&["Escape"]).await;
    screen.hides(&["esc back"]).await;

    // By the second name, which other programs send.
    world.host().publish_command("orchestrator.workers").await.unwrap();
    screen.shows(&["orch: workers", "esc back"]).await;
    end(world, screen).await;
}
