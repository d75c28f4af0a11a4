//! Workflows that are more than a list: parallel steps, conditions, groups.

use orch::opencode::simulator::{Answer, Hold, Script, When};
use serde_json::{Value, json};

use crate::world::{World, failure, standard, within};

/// Two reviewers, children of one parent that `orch` creates, then what needs both.
fn reviewers() -> Value {
    let review =
        |id: &str| json!({ "id": id, "workerId": id, "needs": [], "prompt": format!("{id}: {{task}}") });
    json!({
        "profiles": [
            { "id": "style", "kind": "subagent" },
            { "id": "security", "kind": "subagent" },
            { "id": "boss", "kind": "agent" },
        ],
        "workflows": { "definitions": [
            { "id": "review", "steps": [
                review("style"),
                review("security"),
                { "id": "sum", "workerId": "boss", "needs": ["style", "security"],
                  "prompt": "sum: {steps.style.text} {steps.security.text}" },
            ] },
            { "id": "polish", "steps": [
                { "id": "draft", "workerId": "boss", "prompt": "draft: {task}" },
                { "id": "loop", "title": "Polish", "repeat": { "max": 3, "until": "iteration == 2" }, "steps": [
                    review("style"),
                    review("security"),
                    { "id": "mend", "workerId": "boss", "needs": ["style", "security"], "when": "iteration == 1",
                      "prompt": "mend: {task}" },
                ] },
                { "id": "end", "workerId": "boss", "prompt": "end: {task}" },
            ] },
            { "id": "never", "steps": [
                { "id": "loop", "repeat": { "max": 2, "until": "false" }, "steps": [
                    { "id": "one", "workerId": "boss", "prompt": "one: {task}" },
                ] },
            ] },
        ] },
    })
}

async fn world(script: Script) -> World {
    let world = World::new(script).await;
    world.configure(&reviewers());
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn corner_05_parallel_subagents_are_at_work_at_once_under_one_parent_titled_after_workflow_and_task() {
    let hold = Hold::new();
    let script = Script::new()
        .on(When::prompt("style: a task"), Answer::text("tidy").held(&hold))
        .on(When::prompt("security: a task"), Answer::text("safe").held(&hold))
        .otherwise("done");
    let world = world(script).await;
    let process = world.start(["run", "review", "a task", "--no-input", "--json"]);
    within("both reviewers to be asked", hold.wait_arrivals(2)).await;
    hold.release();
    let ended = process.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(world.prompts()[2], "sum: tidy safe");
    let run = world.show(&ended.run()).await;
    let parent = run["parent_session"].as_str().unwrap();
    let sessions = world.simulator.sessions();
    let children: Vec<_> =
        sessions.iter().filter(|session| session.parent.as_deref() == Some(parent)).collect();
    assert_eq!(children.len(), 2, "{sessions:?}");
    let titled: Vec<_> = sessions.iter().filter(|session| session.title == "review: a task").collect();
    assert_eq!(titled.len(), 1, "one parent for both: {sessions:?}");
    assert_eq!(titled[0].id, parent);
}

#[tokio::test(flavor = "multi_thread")]
async fn corner_01_the_command_exits_at_the_gates_once_nothing_is_in_flight_and_they_are_answered_one_by_one()
{
    let hold = Hold::new();
    let script = Script::new()
        .on_first(1, When::prompt("style: a task"), failure())
        .on_first(1, When::prompt("security: a task"), Answer::error(400, "no again").held(&hold))
        .otherwise("done");
    let world = world(script).await;
    let mut process = world.start(["run", "review", "a task", "--no-input", "--json"]);
    process.event("gate.opened").await;
    within("the sibling to be at work", hold.wait_arrived()).await;
    hold.release();
    let ended = process.end().await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let run = ended.run();
    let shown = world.show(&run).await;
    assert_eq!((&shown["gate"]["step"], &shown["gates"][0]["step"]), (&json!("style"), &json!("security")));
    let text = world.orch(["show", &run]).await.stdout;
    assert!(text.contains(", queued"), "{text}");

    let first = world.orch(["skip", &run, "--no-input"]).await;
    assert_eq!(first.code, Some(3), "{first:?}");
    let second = world.orch(["continue", &run, "--no-input"]).await;
    assert_eq!(second.code, Some(0), "{second:?}");
    let shown = world.show(&run).await;
    assert_eq!(shown["steps"][0]["status"], "skipped");
    assert_eq!(shown["steps"][1]["attempts"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn corner_02_a_group_is_repeated_until_its_condition_holds() {
    let world = world(Script::new().otherwise("done")).await;
    let ended = world.orch(["run", "polish", "a task", "--no-input"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in [
        "↻ Polish  2nd pass",
        "✓ style (2nd pass)",
        "– mend  left out, because it does not hold: iteration == 1",
    ] {
        assert!(ended.stdout.contains(line), "{line:?} is not in {}", ended.stdout);
    }
    let mut asked: Vec<_> =
        world.prompts().into_iter().map(|prompt| prompt.split(':').next().unwrap().to_owned()).collect();
    asked[1..3].sort();
    asked[4..6].sort();
    assert_eq!(asked, ["draft", "security", "style", "mend", "security", "style", "end"]);
}

/// A talk is over when a person says so, and nobody here can.
#[tokio::test(flavor = "multi_thread")]
async fn corner_03_without_anybody_to_ask_the_command_exits_3_at_a_talk() {
    let script = Script::new().on(When::prompt("is over. Summarise"), "what came of it").otherwise("done");
    let world = World::new(script).await;
    let mut config = standard();
    config["profiles"][0]["execution"] = json!("foreground");
    world.configure(&config);
    let talk = ["run", "last", "a task", "--intervene", "never", "--no-input", "--json"];
    let ended = world.orch(talk).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let shown = world.show(&ended.run()).await;
    assert_eq!((&shown["status"], &shown["gate"]["reason"]), (&json!("paused"), &json!("interactive")));
    assert_eq!(shown["gate"]["default"], Value::Null, "it never goes on by itself");
    assert_eq!(world.prompts(), ["step one: a task"]);

    let over = world.orch(["continue", &ended.run(), "--no-input", "--json"]).await;
    assert_eq!(over.code, Some(0), "{over:?}");
    assert_eq!(world.show(&ended.run()).await["steps"][0]["text"], "what came of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn corner_02_used_up_passes_are_accepted_or_allowed_again_from_any_process() {
    let world = world(Script::new().otherwise("done")).await;
    let ended = world.orch(["run", "never", "a task", "--no-input", "--json"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let run = ended.run();
    let text = world.orch(["show", &run]).await.stdout;
    assert!(text.contains("loop: 2nd pass of 2, gated"), "{text}");
    assert!(text.contains("accept the result as it is"), "{text}");
    let why = world.orch(["why", &run]).await.stdout;
    assert!(why.contains("(loop-exhausted) of group loop"), "{why}");
    let again = world.orch(["retry", &run, "--no-input"]).await;
    assert_eq!(again.code, Some(3), "{again:?}");
    assert_eq!(world.prompts().len(), 4, "as many passes again");
    let accepted = world.orch(["continue", &run, "--no-input"]).await;
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    assert_eq!(world.prompts().len(), 4);
}
