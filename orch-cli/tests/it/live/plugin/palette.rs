//! Every command from the palette.

use orch::{
    opencode::simulator::{Answer, Hold, Script, When},
    ux::plugin::COMMANDS,
};
use serde_json::{Value, json};

use super::{
    super::{
        live_binary,
        tui::{Screen, tmux},
        world::World,
    },
    end, plain, until,
};

fn config() -> Value {
    let step = |id: &str| json!({ "id": id, "workerId": "helper", "prompt": format!("{id} {{task}}") });
    let steps = ["hull", "mast", "sail", "crew", "flag"].map(step);
    json!({
        "profiles": [{ "id": "helper", "kind": "subagent" }],
        "workflows": {
            "ui": { "execution": "step", "intervene": "on-error" },
            "definitions": [{ "id": "ship", "steps": steps }],
        },
    })
}

/// `ctrl+p`, and the command of this name by its title.
async fn choose(screen: &Screen, name: &str, title: &str) {
    assert!(COMMANDS.contains(&name));
    screen.press(&["C-p"]).await;
    screen.shows(&["Commands"]).await;
    screen
        .types(title, |shown| shown.contains(&format!("orch: {title}")) && !shown.contains("Switch session"))
        .await;
    screen.press(&["Enter"]).await;
    screen.hides(&["Commands"]).await;
}

async fn at(world: &World, step: &str) {
    until(world, step, |run| run["gate"]["step"] == step).await;
}

#[tokio::test]
async fn every_command_acts_from_the_palette() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let (first, again) = (Hold::new(), Hold::new());
    let script = Script::new()
        .on(When::prompt("hull "), "It floats.")
        .on_first(1, When::prompt("crew "), Answer::text("never seen").held(&first))
        .on(When::prompt("crew "), Answer::text("They are aboard.").held(&again))
        .otherwise(Answer::error(400, "the model said no"));
    let (world, screen) = plain(&tmux, &program, script, &config()).await;

    choose(&screen, "run", "Run a workflow").await;
    screen.shows(&["Which workflow?", "roocode-boomerang"]).await;
    screen.types("ship", |shown| !shown.contains("roocode-boomerang")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["what is to be done?"]).await;
    screen.types("a boat", |shown| shown.contains("a boat")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["gate: ctrl+x v"]).await;

    for (name, title, shown) in [
        ("dashboard", "See everything", "1 run open"),
        ("workers", "List workers", "at-rest"),
        ("trace", "Trace a run", "attempt 1 began on helper"),
        ("results", "Read all results", "It floats."),
        ("output", "Read a result", "It floats."),
    ] {
        choose(&screen, name, title).await;
        screen.shows(&[shown, "esc back"]).await;
        screen.press(&["Escape"]).await;
        screen.hides(&["esc back"]).await;
    }
    choose(&screen, "inbox", "See what waits for you").await;
    screen.shows(&["What waits for you", "decision: "]).await;
    screen.press(&["Escape"]).await;
    screen.hides(&["What waits for you"]).await;

    choose(&screen, "continue", "Continue a run").await;
    at(&world, "mast").await;
    choose(&screen, "skip", "Skip the step").await;
    at(&world, "sail").await;
    choose(&screen, "gate", "Answer the gate").await;
    screen.shows(&["look first", "replace"]).await;
    screen.types("replace", |shown| !shown.contains("look first")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Replace the result of sail", "with a text of your own"]).await;
    screen.types("own", |shown| !shown.contains("latest answer")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["The result"]).await;
    screen.types("A sail of my own.", |shown| shown.contains("A sail of my own.")).await;
    screen.press(&["Enter"]).await;
    first.wait_arrived().await;

    choose(&screen, "open", "Open a worker's session").await;
    screen.shows(&["Which worker's session?", "crew"]).await;
    screen.types("crew", |shown| !shown.contains("hull")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["ctrl+x k talk to this worker"]).await;
    choose(&screen, "talk", "Talk to this worker").await;
    screen.shows(&["to this worker (enter sends"]).await;
    screen.press(&["Escape"]).await;
    screen.shows(&["ctrl+x i interrupt it"]).await;
    choose(&screen, "interrupt", "Interrupt this worker").await;
    screen.shows(&["interrupted"]).await;
    first.release();
    at(&world, "crew").await;
    choose(&screen, "parent", "Back to the parent session").await;
    screen.shows(&["ship: waits for you"]).await;

    choose(&screen, "retry", "Retry the step").await;
    screen.shows(&["Retry: a note for the worker"]).await;
    screen.press(&["Enter"]).await;
    again.wait_arrived().await;
    choose(&screen, "pause", "Pause a run").await;
    until(&world, "the pause", |run| run["pausing"] == true).await;
    again.release();
    until(&world, "the next gate", |run| run["gate"].is_object()).await;
    choose(&screen, "abort", "Abort a run").await;
    screen.shows(&["End ship?"]).await;
    screen.press(&["Enter"]).await;
    until(&world, "the end", |run| run["status"] == "error").await;

    let run = world.orch(&["runs", "--json"]).await.json()[0].take();
    let shown = world.show(run["id"].as_str().unwrap()).await;
    let stands = |at: usize| (shown["steps"][at]["status"].clone(), shown["steps"][at]["text"].clone());
    assert_eq!(stands(1).0, "skipped", "{shown:#}");
    assert_eq!(stands(2), (json!("done"), json!("A sail of my own.")));
    assert_eq!(stands(3), (json!("done"), json!("They are aboard.")));
    end(world, screen).await;
}
