//! The plugin in a real terminal interface, driven by real keys.

mod calls;
mod decisions;
mod keys;
mod lent;
mod markdown;
mod narrow;
mod palette;
mod sidebar;

use orch::{
    opencode::simulator::{Answer, CallKind, Hold, Script, ToolCall, When},
    ux::plugin::COMMANDS,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    live_binary,
    tui::{PATIENCE, Screen, tmux},
    world::World,
};
use crate::poll;

/// A project with the plugin in it.
async fn installed(program: &str, script: Script, config: &Value) -> World {
    let world = World::without_server(program, script, config).await;
    let installed = world.orch(&["install"]).await;
    assert_eq!(installed.code, 0, "{installed:?}");
    world
}

/// The same, and plain `opencode`, which opens no port.
async fn plain(tmux: &std::path::Path, program: &str, script: Script, config: &Value) -> (World, Screen) {
    let world = installed(program, script, config).await;
    let screen = Screen::plain(tmux, program, &world).await;
    (world, screen)
}

async fn end(world: World, screen: Screen) {
    screen.close().await;
    world.end_service().await;
    world.stop().await;
}

/// Three steps of one worker, with a gate before each further one.
fn config() -> Value {
    let step = |id: &str, title: &str| json!({ "id": id, "title": title, "workerId": "helper", "prompt": format!("{id} {{task}}") });
    json!({
        "profiles": [{ "id": "helper", "kind": "subagent" }],
        "workflows": {
            "ui": { "execution": "step", "intervene": "on-error" },
            "definitions": [{
                "id": "ship", "steps": [step("first", "Draw"), step("second", "Build"), step("third", "Sail")],
            }],
        },
    })
}

fn script() -> Script {
    Script::new()
        .on(When::prompt("first "), "The drawing has a keel.")
        .on(When::prompt("third "), "The boat is away.")
        .otherwise("Nobody should have asked.")
}

/// `/orch-run`, a workflow, a task.
async fn run(screen: &Screen, task: &str) {
    screen.enter("/orch-run").await;
    screen.shows(&["orch: Run a workflow"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Which workflow?", "roocode-boomerang"]).await;
    screen.types("ship", |shown| !shown.contains("roocode-boomerang")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["what is to be done?"]).await;
    screen.types(task, |shown| shown.contains(task)).await;
    screen.press(&["Enter"]).await;
}

/// `/orch-open`, and the only worker there is.
async fn visit(screen: &Screen) {
    screen.enter("/orch-open").await;
    screen.shows(&["orch: Open a worker's session"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Which worker's session?", "helper"]).await;
    screen.press(&["Enter"]).await;
}

/// What the model was told, as JSON, the time that a tool had answered it.
fn told(world: &World, nth: usize) -> String {
    let mut calls = world.model.log().into_iter().filter(|call| call.kind == CallKind::ToolResults);
    Value::from(calls.nth(nth).unwrap().messages).to_string()
}

/// Waits until the run stands as expected.
async fn until(world: &World, what: &str, expected: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    let stands = poll::until_so(async || {
        last = world.orch(&["runs", "--json"]).await.json().get_mut(0).map_or(Value::Null, Value::take);
        expected(&last)
    });
    assert!(timeout(PATIENCE, stands).await.is_ok(), "{what} does not come; the run is {last:#}");
}

/// The walk of a newcomer: from plain `opencode` to a gate that is answered where it is shown. What was being typed is
/// still there, and no model was asked but for the steps.
#[tokio::test]
async fn plain_opencode_starts_a_run_and_answers_its_gates() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let script = script().on(When::prompt("second "), "The boat floats.");
    let (world, screen) = plain(&tmux, &program, script, &config()).await;

    run(&screen, "a boat").await;
    screen.shows(&["gate: ctrl+x v", "a decision is due at step 1/3"]).await;
    screen.enter("half a thought").await;
    screen.shows(&["half a thought"]).await;
    screen.keep("badge").await;
    let token = world.service()["token"].as_str().unwrap().to_owned();
    for (words, environment) in world.started() {
        let knows = words.iter().chain(&environment).any(|text| text.contains(&token));
        assert!(!knows, "started with the service's token: {words:?}");
    }

    screen.press(&["C-x", "v"]).await;
    screen.shows(&["Draw", "The drawing has a keel.", "continue", "retry", "abort"]).await;
    screen.keep("gate").await;
    screen.press(&["Escape"]).await;
    screen.hides(&["The drawing has a keel."]).await;
    screen.shows(&["half a thought"]).await;

    screen.press(&["C-x", "v"]).await;
    screen.shows(&["The drawing has a keel.", "continue"]).await;
    screen.press(&["Enter"]).await;
    until(&world, "the next gate", |run| run["gate"]["step"] == "second").await;
    screen.shows(&["half a thought"]).await;
    screen.press(&["C-x", "v"]).await;
    screen.shows(&["The boat floats.", "continue"]).await;
    screen.press(&["Enter"]).await;
    until(&world, "the end", |run| run["status"] == "success").await;
    screen.shows(&["half a thought"]).await;
    screen.hides(&["gate: ctrl+x v"]).await;

    let texts: Vec<_> = world.model.prompts().into_iter().map(|call| call.text).collect();
    assert_eq!(texts.len(), 3, "the steps and nothing else: {texts:?}");
    end(world, screen).await;
}

/// A child session has no prompt, no interrupt and no way back of its own.
#[tokio::test]
async fn a_person_talks_to_a_worker_stops_it_and_comes_back() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let hold = Hold::new();
    let script = script()
        .on(When::prompt("paint it blue"), "Blue it is.")
        .on(When::prompt("think for ever"), Answer::text("never seen").held(&hold));
    let (world, screen) = plain(&tmux, &program, script, &config()).await;
    run(&screen, "a boat").await;
    screen.shows(&["gate: ctrl+x v"]).await;

    screen.enter("/orch-open").await;
    screen.shows(&["orch: Open a worker's session"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Which worker's session?", "helper"]).await;
    screen.keep("picker").await;
    screen.press(&["Enter"]).await;
    screen.shows(&["The drawing has a keel.", "ctrl+x k talk to this worker"]).await;

    screen.press(&["C-x", "k"]).await;
    screen.shows(&["to this worker (enter sends"]).await;
    screen.types("paint it blue", |shown| shown.contains("paint it blue")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Blue it is."]).await;
    screen.types("think for ever", |shown| shown.contains("think for ever")).await;
    screen.keep("talk").await;
    screen.press(&["Enter"]).await;
    hold.wait_arrived().await;
    screen.press(&["Escape"]).await;
    screen.shows(&["ctrl+x i interrupt it"]).await;
    screen.press(&["C-x", "i"]).await;
    screen.shows(&["interrupted"]).await;
    hold.release();

    // What was said before comes back, and what was not said yet is not lost.
    screen.press(&["C-x", "k"]).await;
    screen.shows(&["to this worker (enter sends"]).await;
    screen.types("or green", |shown| shown.contains("│  or green")).await;
    for (key, text) in
        [("Up", "think for ever"), ("Up", "paint it blue"), ("Down", "think for ever"), ("Down", "or green")]
    {
        screen.press(&[key]).await;
        screen.shows(&[&format!("│  {text}")]).await;
    }
    screen.press(&["Escape"]).await;
    screen.hides(&["or green"]).await;
    screen.press(&["C-x", "0"]).await;
    screen.shows(&["ship: waits for you"]).await;
    visit(&screen).await;
    screen.shows(&["ctrl+x k talk to this worker"]).await;
    screen.press(&["C-x", "k"]).await;
    screen.shows(&["│  or green"]).await;
    screen.press(&["Escape"]).await;
    screen.hides(&["or green"]).await;

    // Back to the parent, which shows the run beside it.
    screen.press(&["C-x", "0"]).await;
    screen.shows(&["ship: waits for you", "✓ Draw", "gate at first"]).await;
    screen.keep("sidebar").await;

    // What the worker said last becomes the result.
    screen.enter("/orch-gate").await;
    screen.shows(&["orch: Answer the gate"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["look first", "replace"]).await;
    screen.types("abort", |shown| !shown.contains("look first")).await;
    screen.press(&["Enter"]).await;
    until(&world, "the end", |run| run["status"] == "error").await;
    end(world, screen).await;
}

/// Every command there is, by the name that people type.
#[tokio::test]
async fn every_command_acts_at_once_and_without_a_model() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let hold = Hold::new();
    let script = script().on(When::prompt("second "), Answer::text("The boat floats.").held(&hold));
    let (world, screen) = plain(&tmux, &program, script, &config()).await;
    let slash = async |name: &str, found: &str| {
        assert!(COMMANDS.contains(&name));
        screen.enter(&format!("/orch-{name}")).await;
        screen.shows(&[found]).await;
        screen.press(&["Enter"]).await;
    };
    run(&screen, "a boat").await;
    screen.shows(&["gate: ctrl+x v"]).await;

    for (name, title, shown) in [
        ("dashboard", "orch: See everything", "1 run open"),
        ("workers", "orch: List workers", "at-rest"),
        ("trace", "orch: Trace a run", "attempt 1 began on helper"),
        ("results", "orch: Read all results", "The drawing has a keel."),
        ("output", "orch: Read a result", "The drawing has a keel."),
    ] {
        slash(name, title).await;
        screen.shows(&[shown, "esc back"]).await;
        screen.keep(name).await;
        screen.press(&["Escape"]).await;
        screen.hides(&["esc back"]).await;
        screen.shows(&["Ask anything"]).await;
    }

    slash("inbox", "orch: See what waits for you").await;
    screen.shows(&["What waits for you", "decision: Draw is done"]).await;
    screen.press(&["Escape"]).await;
    screen.hides(&["What waits for you"]).await;

    slash("skip", "orch: Skip the step").await;
    screen.shows(&["the gate of first takes"]).await;
    slash("retry", "orch: Retry the step").await;
    screen.shows(&["Retry: a note for the worker"]).await;
    screen.types("with a mast", |shown| shown.contains("with a mast")).await;
    screen.press(&["Enter"]).await;
    until(&world, "the second attempt", |run| {
        run["gate"]["step"] == "first" && run["steps"][0]["attempts"].as_array().unwrap().len() == 2
    })
    .await;
    slash("continue", "orch: Continue a run").await;
    hold.wait_arrived().await;
    slash("pause", "orch: Pause a run").await;
    until(&world, "the pause", |run| run["pausing"] == true).await;
    hold.release();
    until(&world, "the next gate", |run| run["gate"]["step"] == "second").await;
    slash("abort", "orch: Abort a run").await;
    screen.shows(&["End ship?"]).await;
    screen.press(&["Enter"]).await;
    until(&world, "the end", |run| run["status"] == "error").await;

    let texts: Vec<_> = world.model.prompts().into_iter().map(|call| call.text).collect();
    assert_eq!(texts.len(), 3, "the steps, one of them twice, and nothing else: {texts:?}");
    assert!(texts.iter().any(|text| text.contains("with a mast")), "{texts:?}");
    end(world, screen).await;
}

/// The host shows a worker's asks in the parent session only; elsewhere ours do.
#[tokio::test]
async fn what_a_worker_asks_is_answered_from_the_inbox_and_in_its_session() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let outside = || Answer::tool(ToolCall::new("read", json!({ "filePath": "/etc/hostname" })));
    let script = Script::new()
        .on(When::prompt("first "), [outside(), Answer::text("The drawing has a keel.")])
        .on(When::prompt("second "), [outside(), Answer::text("The boat floats.")]);
    let (world, screen) = plain(&tmux, &program, script, &config()).await;

    run(&screen, "a boat").await;
    screen.shows(&["orch asks: /orch-inbox"]).await;
    screen.enter("/orch-inbox").await;
    screen.shows(&["orch: See what waits for you"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["What waits for you", "permission: external_directory: /etc/*"]).await;
    screen.keep("inbox").await;
    screen.press(&["Enter"]).await;
    screen.shows(&["once", "always", "reject"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["gate: ctrl+x v"]).await;
    screen.press(&["C-x", "v"]).await;
    screen.shows(&["The drawing has a keel.", "continue"]).await;
    screen.press(&["Enter"]).await;

    screen.shows(&["orch asks: /orch-inbox"]).await;
    screen.enter("/orch-open").await;
    screen.shows(&["orch: Open a worker's session"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["Which worker's session?", "helper"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["the worker asks: external_directory /etc/*", "ctrl+x v answers"]).await;
    screen.keep("permission").await;
    screen.press(&["C-x", "v"]).await;
    screen.shows(&["once", "always", "reject"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["The boat floats.", "ctrl+x k talk to this worker"]).await;
    until(&world, "the second gate", |run| run["gate"]["step"] == "second").await;
    end(world, screen).await;
}

/// Part by part: a choice of its own, or words of one's own.
#[tokio::test]
async fn a_question_of_a_worker_is_answered_from_the_inbox() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let choices = |labels: [&str; 2]| labels.map(|label| json!({ "label": label, "description": label }));
    let questions = json!({ "questions": [
        { "question": "Which sail?", "header": "Sail", "options": choices(["the red one", "the blue one"]) },
        { "question": "Whose boat?", "header": "Owner", "options": choices(["mine", "yours"]) },
    ] });
    let asks = Answer::tool(ToolCall::new("question", questions));
    let script = Script::new().on(When::prompt("first "), [asks, Answer::text("The drawing has a keel.")]);
    let (world, screen) = plain(&tmux, &program, script, &config()).await;

    run(&screen, "a boat").await;
    screen.shows(&["orch asks: /orch-inbox"]).await;
    screen.enter("/orch-inbox").await;
    screen.shows(&["orch: See what waits for you"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["What waits for you", "question: Which sail?"]).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["(1 of 2)", "the red one", "in your own words"]).await;
    screen.keep("question").await;
    screen.types("blue", |shown| !shown.contains("the red one")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["(2 of 2)", "mine", "in your own words"]).await;
    screen.types("words", |shown| !shown.contains("yours")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["(2 of 2)", "your answer"]).await;
    screen.types("the harbour's", |shown| shown.contains("the harbour's")).await;
    screen.press(&["Enter"]).await;
    until(&world, "the first gate", |run| run["gate"]["step"] == "first").await;
    let told = told(&world, 0);
    assert!(told.contains("the blue one") && told.contains("the harbour's"), "{told}");
    end(world, screen).await;
}

/// The host shows nothing of it there: a line and a key of ours do.
#[tokio::test]
async fn a_question_of_a_worker_is_answered_in_its_session() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let choice = |label: &str| json!({ "label": label, "description": label });
    let question = json!({ "question": "Which sail?", "header": "Sail", "options": [choice("the red one"), choice("the blue one")] });
    let asks = Answer::tool(ToolCall::new("question", json!({ "questions": [question] })));
    let script = Script::new().on(When::prompt("first "), [asks, Answer::text("The drawing has a keel.")]);
    let (world, screen) = plain(&tmux, &program, script, &config()).await;

    run(&screen, "a boat").await;
    screen.shows(&["orch asks: /orch-inbox"]).await;
    visit(&screen).await;
    screen.shows(&["the worker asks: Which sail?", "ctrl+x v answers"]).await;
    screen.keep("question-in-session").await;
    screen.press(&["C-x", "v"]).await;
    screen.shows(&["the red one", "the blue one", "in your own words"]).await;
    screen.types("blue", |shown| !shown.contains("the red one")).await;
    screen.press(&["Enter"]).await;
    screen.shows(&["The drawing has a keel.", "ctrl+x k talk to this worker"]).await;
    screen.hides(&["the worker asks"]).await;
    assert!(told(&world, 0).contains("the blue one"), "{}", told(&world, 0));

    // What happened in this very session, tools and messages.
    screen.press(&["C-x", "z"]).await;
    screen.shows(&["esc back", "trace", "question"]).await;
    screen.turns_to("The drawing has a keel.").await;
    end(world, screen).await;
}

/// The keys of a fresh install, beside those that the other walks press.
#[tokio::test]
async fn a_key_opens_each_view_and_another_begins_a_run() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let (world, screen) = plain(&tmux, &program, script(), &config()).await;
    screen.press(&["C-x", "j"]).await;
    screen.shows(&["Which workflow?", "roocode-boomerang"]).await;
    screen.press(&["Escape"]).await;
    screen.hides(&["Which workflow?"]).await;
    run(&screen, "a boat").await;
    screen.shows(&["gate: ctrl+x v"]).await;
    for (key, shown) in [("o", "1 run open"), ("w", "at-rest"), ("z", "attempt 1 began on helper")] {
        screen.press(&["C-x", key]).await;
        screen.shows(&[shown, "esc back"]).await;
        screen.press(&["Escape"]).await;
        screen.hides(&["esc back"]).await;
    }
    // A view follows what happens, here in another terminal.
    screen.press(&["C-x", "o"]).await;
    screen.shows(&["1 run open", "esc back"]).await;
    let run = world.orch(&["runs", "--json"]).await.json()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.orch(&["abort", &run]).await.code, 1);
    screen.wait("the end", |shown| shown.contains("esc back") && !shown.contains("1 run open")).await;
    assert_eq!(world.model.prompts().len(), 1, "the step and nothing else");
    end(world, screen).await;
}
