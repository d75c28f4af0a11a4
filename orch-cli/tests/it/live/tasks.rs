//! A model that delegates: the tools of the plugin, in a session of a real OpenCode.

use std::time::Duration;

use orch::opencode::{
    NewSession, OpenCode as _, Prompt, SessionId,
    simulator::{Answer, CallKind, Hold, ModelCall, Script, When},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{live_binary, world::World};

const PATIENCE: Duration = Duration::from_secs(90);
const TOOLS: [&str; 5] = ["task_start", "task_await", "task_peek", "task_list", "task_cancel"];

fn config() -> Value {
    let step = json!({ "id": "first", "workerId": "helper", "prompt": "fail at {task}" });
    json!({
        // A notice would come between the prompts of these tests, and be what the script answers.
        "ui": { "wakeupInjection": false },
        "profiles": [{ "id": "helper", "kind": "subagent", "temperature": 0.25 }, { "id": "coder", "kind": "agent", "model": "node" }],
        "workflows": { "definitions": [{ "id": "ship", "steps": [step] }] },
    })
}

/// A session of somebody who talks to a model.
struct Talk {
    world: World,
    session: SessionId,
}

impl Talk {
    async fn begin(world: World) -> Self {
        let session = world.host().create_session(NewSession::default()).await.unwrap().id;
        Self { world, session }
    }

    /// What the model reads when it calls this tool with these arguments.
    async fn call(&self, tool: &str, arguments: Value) -> String {
        let script = json!([{ "tool": tool, "args": arguments }, { "text": "so it is" }]);
        let before = self.read().len();
        self.world.host().prompt(&self.session, Prompt::text(format!("SCRIPT: {script}"))).await.unwrap();
        let log = self.world.model.wait_log(|log| results(log).len() > before);
        assert!(timeout(PATIENCE, log).await.is_ok(), "{tool}: {:#?}", self.world.model.log());
        self.read().remove(before)
    }

    async fn task(&self, tool: &str, arguments: Value) -> Value {
        let text = self.call(tool, arguments).await;
        serde_json::from_str(&text).unwrap_or_else(|error| unreachable!("{tool}: {error}: {text}"))
    }

    fn read(&self) -> Vec<String> {
        results(&self.world.model.log())
    }
}

/// What tools have told the model.
fn results(log: &[ModelCall]) -> Vec<String> {
    log.iter()
        .filter(|call| call.kind == CallKind::ToolResults)
        .filter_map(|call| call.messages.iter().rev().find(|message| message["role"] == "tool"))
        .map(|message| match &message["content"] {
            Value::String(text) => text.clone(),
            parts => parts[0]["text"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

#[tokio::test]
async fn a_model_delegates_by_the_tools_of_the_plugin() {
    let Some(program) = live_binary() else { return };
    let hold = Hold::new();
    let script = Script::new()
        .reading_prompts()
        .on(When::prompt("say forty-two"), "forty-two")
        .on(When::prompt("implement the parser"), "parsed")
        .on(When::prompt("take your time"), Answer::text("never seen").held(&hold))
        .on(When::prompt("fail at "), Answer::error(400, "the model said no"))
        .otherwise("noted");
    let world = World::without_server(&program, script, &config()).await;
    let installed = world.orch(&["install", "--global"]).await;
    assert_eq!(installed.code, 0, "{installed:?}");
    let talk = Talk::begin(world.with_server().await).await;

    let started = talk.task("task_start", json!({ "task": "say forty-two", "workerId": "helper" })).await;
    assert_eq!((&started["kind"], &started["workerId"]), (&json!("worker"), &json!("helper")));
    let id = started["taskId"].clone();
    let done = talk.task("task_await", json!({ "taskId": id })).await;
    assert_eq!((&done["status"], &done["answer"]), (&json!("succeeded"), &json!("forty-two")));
    let child = SessionId::parse(done["sessions"][0].as_str().unwrap()).unwrap();
    let child = talk.world.host().session(&child).await.unwrap();
    assert_eq!(child.parent.as_ref(), Some(&talk.session), "the session that delegates is the parent");

    let routed = talk.task("task_start", json!({ "task": "implement the parser" })).await;
    assert_eq!(routed["workerId"], "coder");
    assert_eq!(talk.task("task_await", json!({ "taskId": routed["taskId"] })).await["answer"], "parsed");

    let gated = talk.task("task_start", json!({ "task": "a boat", "workflowId": "ship" })).await;
    let gated = talk.task("task_await", json!({ "taskId": gated["taskId"] })).await;
    assert_eq!((&gated["status"], &gated["next"]), (&json!("paused"), &json!("tell_the_person")));
    assert_eq!(gated["gate"]["step"], "first");

    let slow =
        talk.task("task_start", json!({ "task": "take your time", "workerId": "helper" })).await["taskId"]
            .take();
    hold.wait_arrived().await;
    let waited = talk.task("task_await", json!({ "taskId": slow, "timeoutMs": 1 })).await;
    assert_eq!((&waited["status"], &waited["next"]), (&json!("running"), &json!("task_await")));
    assert_eq!(talk.task("task_peek", json!({ "taskId": slow })).await["status"], "running");
    let listed = talk.task("task_list", json!({})).await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["taskId"]), (4, &slow));
    let ended = talk.task("task_cancel", json!({ "taskId": slow })).await;
    assert_eq!(ended["status"], "cancelled");
    hold.release();

    let refused = talk.call("task_start", json!({ "task": "x", "workerId": "helpr" })).await;
    assert!(
        refused.contains("orch::task::unknown-worker") && refused.contains("did you mean \"helper\"?"),
        "{refused}"
    );
    let refused = talk.call("task_peek", json!({ "taskId": "run_none" })).await;
    assert!(refused.contains("orch::run::unknown"), "{refused}");

    let log = talk.world.model.log();
    let offered =
        |call: &ModelCall| TOOLS.iter().filter(|name| call.tools.iter().any(|tool| tool == *name)).count();
    for (text, count) in [("SCRIPT: ", 5), ("say forty-two", 0), ("implement the parser", 0)] {
        let is_prompt = |call: &&ModelCall| call.kind == CallKind::Prompt && call.text.starts_with(text);
        let seen = log.iter().find(is_prompt).unwrap();
        assert_eq!(offered(seen), count, "{text}: {:?}", seen.tools);
    }

    let temperature = |text: &str| {
        let is_prompt = |call: &&ModelCall| call.kind == CallKind::Prompt && call.text.starts_with(text);
        log.iter().find(is_prompt).unwrap().temperature
    };
    assert_eq!(
        temperature("say forty-two"),
        Some(0.25),
        "the plugin applies what a request has no place for"
    );
    assert_ne!(temperature("implement the parser"), Some(0.25));

    talk.world.end_service().await;
    talk.world.stop().await;
}

/// Without the plugin: OpenCode starts `orch mcp` by itself and gives its model the same tools under its name for it.
#[tokio::test]
async fn a_model_delegates_over_mcp() {
    let Some(program) = live_binary() else { return };
    let script = Script::new()
        .reading_prompts()
        .on(When::prompt("say forty-two"), "forty-two")
        .on(When::prompt("fail at "), Answer::error(400, "the model said no"))
        .otherwise("noted");
    let world = World::without_server(&program, script, &config()).await;
    let project = world.project();
    let environment = json!({ "ORCH_OPENCODE": program, "OPENCODE_DISABLE_MODELS_FETCH": "1" });
    let command = json!([env!("CARGO_BIN_EXE_orch"), "mcp", "--dir", project]);
    let settings =
        json!({ "mcp": { "orch": { "type": "local", "command": command, "environment": environment } } });
    world.own_settings(&settings);
    let talk = Talk::begin(world.with_server().await).await;

    let task = json!({ "task": "say forty-two", "kind": "worker", "workerId": "coder" });
    let started = talk.task("orch_task_start", task).await;
    assert_eq!(started["workerId"], "coder");
    let id = started["taskId"].clone();
    let done = talk.task("orch_task_await", json!({ "taskId": id })).await;
    assert_eq!((&done["status"], &done["answer"]), (&json!("succeeded"), &json!("forty-two")));
    assert_eq!(talk.task("orch_task_peek", json!({ "taskId": id })).await["status"], "succeeded");
    let gated =
        talk.task("orch_task_start", json!({ "task": "a boat", "workflowId": "ship" })).await["taskId"]
            .take();
    let paused = talk.task("orch_task_await", json!({ "taskId": gated })).await;
    assert_eq!((&paused["status"], &paused["gate"]["step"]), (&json!("paused"), &json!("first")));
    assert_eq!(talk.task("orch_task_list", json!({})).await.as_array().unwrap().len(), 2);
    assert_eq!(talk.task("orch_task_cancel", json!({ "taskId": gated })).await["status"], "cancelled");

    let log = talk.world.model.log();
    let is_work = |call: &&ModelCall| call.kind == CallKind::Prompt && call.text.starts_with("say forty-two");
    let tools = &log.iter().find(is_work).unwrap().tools;
    assert!(!tools.iter().any(|tool| tool.contains("task_")), "a worker is offered none: {tools:?}");
    // The end of a server in these tests is the end of its process group, at once and with no word to anybody.
    talk.world.terminate("mcp").await;
    talk.world.stop().await;
}
