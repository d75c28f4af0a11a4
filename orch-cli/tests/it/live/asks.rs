//! What workers ask leave for, on a real host: shown where the run is driven, found in the inbox, answered from another process,
//! with the clock of the step stopped; and denied where nobody can be asked.

use orch::opencode::simulator::{Answer, Script, ToolCall, When};
use serde_json::{Value, json};

use super::{live_binary, world::World};
use crate::terminal::Terminal;

/// The step's whole time, far less than a person takes to answer here.
const TIMEOUT_MS: u64 = 4_000;
/// How long the person of this test takes.
const THOUGHT_MS: u64 = TIMEOUT_MS + 1_500;

/// A task, and what its worker asks leave for on a host without a rule of anybody.
const ROWS: [(&str, &str); 3] = [
    ("<outside>", "external_directory: /etc/*"),
    ("<circles>", "doom_loop: bash"),
    ("<delegate>", "external_directory: /etc/*"),
];

fn script() -> Script {
    let outside = || Answer::tool(ToolCall::new("read", json!({ "filePath": "/etc/hostname" })));
    let same = || ToolCall::new("bash", json!({ "command": "echo again", "description": "Again" }));
    let task = json!({ "description": "d", "prompt": "look outside", "subagent_type": "general" });
    Script::new()
        .on(When::prompt("look outside"), [outside(), Answer::text("looked")])
        .on(When::prompt("<outside>"), [outside(), Answer::text("went on")])
        .on(
            When::prompt("<circles>"),
            [Answer::speaking().call(same()).call(same()).call(same()), Answer::text("went on")],
        )
        .on(When::prompt("<delegate>"), [Answer::tool(ToolCall::new("task", task)), Answer::text("went on")])
}

fn config() -> Value {
    json!({
        "profiles": [{ "id": "worker", "kind": "agent" }],
        "workflows": { "definitions": [{ "id": "flow", "steps": [
            { "id": "one", "workerId": "worker", "prompt": "{task}", "timeoutMs": TIMEOUT_MS },
        ] }] },
    })
}

#[tokio::test]
async fn an_ask_waits_in_the_inbox_with_the_clock_stopped_until_another_process_answers() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, script(), &config()).await;
    // The first prompt of a server takes seconds that are not the worker's.
    assert_eq!(world.orch(&["run", "flow", "warm up", "--no-input"]).await.code, 0);
    for (task, asked) in ROWS {
        let mut terminal = Terminal::start(world.command(&["run", "flow", task]));
        terminal.shows("[o]nce, [a]lways, [r]eject [reason]").await;
        let inbox = world.orch(&["inbox", "--json"]).await.json();
        let items = inbox.as_array().unwrap();
        assert_eq!(items.len(), 1, "{task}: {inbox:#}");
        assert_eq!((&items[0]["summary"], &items[0]["for"]), (&json!(asked), &json!("permission")), "{task}");
        let (run, id) = (items[0]["run"].as_str().unwrap(), items[0]["id"].as_str().unwrap());

        // The person looks again and again, for longer than the step may work.
        while now_ms() < items[0]["since"].as_u64().unwrap() + THOUGHT_MS {
            assert_eq!(world.orch(&["inbox", "--json"]).await.json(), inbox, "{task}");
        }
        let answered = world.orch(&["decide", run, "--item", id, "once", "--json"]).await;
        assert_eq!(answered.code, 0, "{task}: {answered:?}");
        assert_eq!(terminal.ends().await, Some(0), "{task}: {}", terminal.shown);
        let shown = world.show(run).await;
        let attempt = &shown["steps"][0]["attempts"][0];
        assert_eq!(shown["steps"][0]["text"], "went on", "{task}");
        assert!(attempt["warnings"].as_array().is_none_or(Vec::is_empty), "{task}: {attempt:#}");
        assert!(shown["active_ms"].as_u64().unwrap() < TIMEOUT_MS, "{task}: {shown:#}");

        // Journaled: who was asked for what, and who answered.
        let journal = world.orch(&["events", run]).await.events();
        let of = |kind: &str| journal.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
        let (opened, resolved) = (of("ask.opened"), of("ask.resolved"));
        assert_eq!((opened.len(), resolved.len()), (1, 1), "{task}: {journal:#?}");
        assert_eq!((&opened[0]["ask"]["id"], &resolved[0]["by"]), (&json!(id), &json!("tester")), "{task}");
        assert_eq!(world.orch(&["inbox", "--json"]).await.json(), json!([]), "{task}");
    }
    world.stop().await;
}

#[tokio::test]
async fn with_nobody_to_ask_every_ask_is_denied_and_said() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, script(), &config()).await;
    for (task, asked) in ROWS {
        let ended = world.orch(&["run", "flow", task, "--no-input", "--json"]).await;
        let shown = world.show(&ended.run()).await;
        let attempt = &shown["steps"][0]["attempts"][0];
        let first = &attempt["warnings"][0];
        assert_eq!(first["code"], "permission_denied", "{task}: {attempt:#}");
        let message = format!("`{asked}` was denied, because nobody could be asked");
        assert_eq!(first["message"], message, "{task}");
        // A refused loop ends the turn; whatever a tool asks for, the model goes on without it.
        let (code, error) = if task == "<circles>" { (3, json!("loop")) } else { (0, Value::Null) };
        assert_eq!((ended.code, &attempt["error"]["code"]), (code, &error), "{task}: {attempt:#}");
    }
    world.stop().await;
}

fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}
