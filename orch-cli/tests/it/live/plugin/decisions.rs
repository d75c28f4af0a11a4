//! Decisions that have to find their gate, and what some of them need beside themselves.

use orch::opencode::simulator::{Answer, Script, ToolCall, When};
use serde_json::{Value, json};

use super::{
    super::{
        live_binary,
        tui::{Screen, tmux},
    },
    end, plain, run, until,
};

/// Two steps at once, both of which fail. The letters of neither title are, in their order, in what is said of the other:
/// that is how the list is narrowed.
fn two_that_fail() -> Value {
    let step = |id: &str, title: &str| json!({ "id": id, "title": title, "workerId": "helper", "needs": [], "prompt": format!("{id} {{task}}") });
    json!({
        "profiles": [{ "id": "helper", "kind": "subagent" }],
        "workflows": { "ui": { "intervene": "on-error" }, "definitions": [
            { "id": "ship", "steps": [step("hull", "Hull"), step("keel", "Keel")] },
        ] },
    })
}

async fn inbox(screen: &Screen) {
    screen.enter("/orch-inbox").await;
    screen.shows(&["orch: See what waits for you"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["What waits for you"]).await;
}

#[tokio::test]
async fn the_inbox_answers_the_gate_that_was_chosen() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let script = Script::new().otherwise(Answer::error(400, "the model said no"));
    let (world, screen) = plain(&tmux, &program, script, &two_that_fail()).await;
    let started = world.orch(&["run", "ship", "a boat", "--no-input", "--json"]).await;
    assert_eq!(started.code, 3, "{started:?}");
    let run = started.run();
    let shown = world.show(&run).await;
    let (first, second) = (shown["gate"]["step"].clone(), shown["gates"][0]["step"].clone());
    let title = if second == "hull" { "Hull" } else { "Keel" };

    // The one behind, which the run does not wait for first.
    screen.shows(&["gate: ctrl+x v"]).await;
    inbox(&screen).await;
    screen.types(title, |shown| shown.matches("decision: ").count() == 1).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["skip", "abort"]).await;
    screen.types("skip", |shown| !shown.contains("abort")).await;
    screen.press(&["Enter"]).await;
    until(&world, "the decision", |run| run["gates"] == json!([])).await;
    let shown = world.show(&run).await;
    let status = |of: &Value| {
        shown["steps"].as_array().unwrap().iter().find(|step| step["id"] == *of).unwrap()["status"].clone()
    };
    assert_eq!((status(&second), &shown["gate"]["step"]), (json!("skipped"), &first), "{shown:#}");

    // One that somebody else answers while the person looks at it.
    inbox(&screen).await;
    let skipped = world.orch(&["skip", &run, "--no-input"]).await;
    assert_eq!(skipped.code, 0, "{skipped:?}");
    screen.press(&["Enter"]).await;
    screen.shows(&["already answered"]).await;
    assert_eq!(world.show(&run).await["status"], "success");
    end(world, screen).await;
}

#[tokio::test]
async fn a_run_over_its_budget_is_continued_with_a_higher_bound() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let step = |id: &str| json!({ "id": id, "workerId": "helper", "prompt": format!("{id} {{task}}") });
    let config = json!({
        "profiles": [{ "id": "helper", "kind": "subagent" }],
        "workflows": { "definitions": [
            { "id": "ship", "budget": { "maxTokens": 100 }, "steps": [step("hull"), step("mast")] },
        ] },
    });
    // It is over its budget in the middle of its turn, which then takes as long as it is let.
    let look = ToolCall::new("glob", json!({ "pattern": "*" }));
    let script = Script::new()
        .on_first(1, When::prompt("hull "), [Answer::tool(look), Answer::hang()])
        .on(When::prompt(""), "It stands.");
    let (world, screen) = plain(&tmux, &program, script, &config).await;

    run(&screen, "a boat").await;
    screen.shows(&["gate: ctrl+x v"]).await;
    screen.press(&["C-x", "v"]).await;
    screen.shows(&["budget", "continue", "abort"]).await;
    screen.keep("budget").await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Continue: the new bound in tokens", "which is used"]).await;
    screen.types("5000", |shown| shown.contains("5000")).await;
    screen.press(&["Enter"]).await;
    until(&world, "the end", |run| run["status"] == "success").await;
    end(world, screen).await;
}
