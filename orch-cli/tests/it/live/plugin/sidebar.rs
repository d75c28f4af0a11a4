//! The run beside its session.

use orch::opencode::simulator::{Answer, Hold, Script, When};
use serde_json::json;

use super::{
    super::{live_binary, tui::tmux},
    end, plain, run,
};

/// Nothing is pressed from the moment the run has started.
#[tokio::test]
async fn the_sidebar_follows_a_run() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let (first, second) = (Hold::new(), Hold::new());
    let script = Script::new()
        .on(When::prompt("hull "), Answer::text("It floats.").held(&first))
        .on(When::prompt("mast "), Answer::text("It stands.").held(&second))
        .otherwise("Hello.");
    let step = |id: &str, title: &str| json!({ "id": id, "title": title, "workerId": "helper", "prompt": format!("{id} {{task}}") });
    let config = json!({
        "profiles": [{ "id": "helper", "kind": "subagent" }],
        "workflows": { "definitions": [{ "id": "ship", "steps": [step("hull", "Hull"), step("mast", "Mast")] }] },
    });
    let (world, screen) = plain(&tmux, &program, script, &config).await;
    screen.enter("Good morning").await;
    screen.shows(&["Good morning"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Hello."]).await;
    run(&screen, "a boat").await;

    first.wait_arrived().await;
    screen.shows(&["ship: running", "▸ Hull", "· Mast  pending"]).await;
    screen.keep("sidebar-running").await;
    first.release();
    second.wait_arrived().await;
    screen
        .wait("the first step with its time and its cost", |shown| {
            shown.lines().any(|line| line.contains("✓ Hull  ") && line.contains(" s  $0.0000"))
                && shown.contains("▸ Mast")
        })
        .await;
    second.release();
    screen.hides(&["ship: running", "▸ Mast"]).await;
    end(world, screen).await;
}
