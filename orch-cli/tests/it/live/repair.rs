//! A person goes into a worker's session while its step runs, and afterwards.

use orch::opencode::{
    OpenCode as _, SessionId,
    simulator::{Answer, Hold, Script, ToolCall, When},
};
use serde_json::{Value, json};

use super::{
    live_binary,
    person::{answered, say},
    world::{Running, World},
};

fn config() -> Value {
    let step = |kind: &str| json!({ "id": "one", "workerId": kind, "prompt": "build {task}" });
    json!({
        "profiles": [{ "id": "agent", "kind": "agent" }, { "id": "subagent", "kind": "subagent" }],
        "workflows": { "definitions": [
            { "id": "agent", "steps": [step("agent")] },
            { "id": "subagent", "steps": [step("subagent")] },
        ] },
    })
}

/// The run, the session and the command of a step whose model was asked and has not answered.
async fn at_work(world: &World, kind: &str, task: &str, hold: &Hold) -> (String, SessionId, Running) {
    let mut running = world.begin(&["run", kind, task, "--no-input"]);
    let run = running.event("run.started").await["run"].as_str().unwrap().to_owned();
    let session = running.placed().await;
    hold.wait_arrived().await;
    (run, session, running)
}

/// A person stops the turn in the worker's session: a gate, and the run is not lost.
async fn aborted(world: &World, kind: &str, task: &str, hold: &Hold) -> (String, SessionId) {
    let (run, session, running) = at_work(world, kind, task, hold).await;
    world.host().abort(&session).await.unwrap();
    let (ended, _) = running.ended().await;
    assert_eq!(ended.code, 3, "{ended:?}");
    let shown = world.show(&run).await;
    assert_eq!((&shown["status"], &shown["gate"]["reason"]), (&json!("paused"), &json!("aborted")));
    assert_eq!(shown["steps"][0]["attempts"][0]["error"]["code"], "aborted", "{shown:#}");
    (run, session)
}

#[tokio::test]
async fn an_abort_in_the_session_is_a_gate_and_what_was_repaired_there_counts() {
    let Some(program) = live_binary() else { return };
    let kinds = ["agent", "subagent"];
    let holds = kinds.map(|_| Hold::new());
    let script = kinds.iter().zip(&holds).fold(Script::new(), |script, (kind, hold)| {
        script.on_first(1, When::prompt(format!("build <{kind}>")), Answer::text("never said").held(hold))
    });
    let script = script.on(When::prompt("do it like this"), "Repaired by hand.").otherwise("asked again");
    let world = World::start(&program, script, &config()).await;
    for (kind, hold) in kinds.iter().zip(&holds) {
        let (run, session) = aborted(&world, kind, &format!("<{kind}>"), hold).await;
        say(&world.host(), &session, "do it like this").await;
        answered(&world.host(), &session, "do it like this").await;
        let ended = world.orch(&["replace", &run, "--from-session", "--no-input"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        let shown = world.show(&run).await;
        assert_eq!(
            (&shown["status"], &shown["steps"][0]["text"]),
            (&json!("success"), &json!("Repaired by hand."))
        );
        assert_eq!(world.prompts(&format!("build <{kind}>")).len(), 1, "nothing was asked a second time");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_retry_goes_on_in_the_repaired_session_or_begins_a_fresh_one() {
    let Some(program) = live_binary() else { return };
    let (same, fresh) = (Hold::new(), Hold::new());
    let script = Script::new()
        .on_first(1, When::prompt("build <same>"), Answer::text("never said").held(&same))
        .on_first(1, When::prompt("build <fresh>"), Answer::text("never said").held(&fresh))
        .on(When::prompt("mind the cobalt"), "I mind the cobalt.")
        .otherwise("built");
    let world = World::start(&program, script, &config()).await;
    for (choice, hold) in [("same", &same), ("fresh", &fresh)] {
        let task = format!("<{choice}>");
        let (run, session) = aborted(&world, "agent", &task, hold).await;
        say(&world.host(), &session, "mind the cobalt").await;
        answered(&world.host(), &session, "mind the cobalt").await;
        let ended = world.orch(&["retry", &run, "--session", choice, "--no-input"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        let one = world.show(&run).await["steps"][0].clone();
        assert_eq!(
            (&one["text"], one["attempts"].as_array().unwrap().len()),
            (&json!("built"), 2),
            "{one:#}"
        );
        let goes_on = choice == "same";
        assert_eq!(one["session"] == session.as_str(), goes_on, "{one:#}");
        let calls = world.prompts(&format!("build {task}"));
        let seen = format!("{:?}", calls.last().unwrap().messages);
        assert_eq!((calls.len(), seen.contains("I mind the cobalt.")), (2, goes_on), "{seen}");
    }
    world.stop().await;
}

/// The rows: what the worker does when the message comes, the step's result, and its warnings. The host gives an answer
/// that is on its way to the prompt that asked for it, and the next model call to all messages that came before it.
#[tokio::test]
async fn a_message_added_while_the_step_runs_is_answered_with_it_or_after_it() {
    let Some(program) = live_binary() else { return };
    let (answering, calling) = (Hold::new(), Hold::new());
    let call = ToolCall::new("bash", json!({ "command": "echo hi", "description": "Say hi" }));
    let script = Script::new()
        .on_first(1, When::prompt("build <answering>"), Answer::text("built").held(&answering))
        .on_first(1, When::prompt("build <calling>"), Answer::tool(call).held(&calling))
        .on(When::prompt("and paint it"), "built and painted")
        .otherwise("unexpected");
    let world = World::start(&program, script, &config()).await;
    let rows = [
        ("<answering>", &answering, "built", json!([])),
        ("<calling>", &calling, "built and painted", json!(["answered_together"])),
    ];
    for (task, hold, text, warnings) in rows {
        let (run, session, running) = at_work(&world, "agent", task, hold).await;
        say(&world.host(), &session, "and paint it").await;
        hold.release();
        let (ended, _) = running.ended().await;
        assert_eq!(ended.code, 0, "{ended:?}");
        answered(&world.host(), &session, "and paint it").await;
        let one = world.show(&run).await["steps"][0].clone();
        let [attempt] = &one["attempts"].as_array().unwrap()[..] else { unreachable!("{one:#}") };
        let codes: Vec<_> =
            attempt["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]).collect();
        assert_eq!((&one["text"], json!(codes)), (&json!(text), warnings), "{one:#}");
    }
    world.stop().await;
}
