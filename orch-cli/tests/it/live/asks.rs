//! What workers ask, on a real host: shown where the run is driven, found in the inbox, answered from another process,
//! with the clock of the step stopped; and denied where nobody can be asked.

use orch::opencode::simulator::{Answer, Script, ToolCall, When};
use serde_json::{Value, json};

use super::{live_binary, world::World};
use crate::terminal::Terminal;

/// The whole time of a step on the given host, far less than a person takes to answer here.
const TIMEOUT_MS: u64 = 4_000;
/// How long the person of this test takes.
const THOUGHT_MS: u64 = TIMEOUT_MS + 1_500;

/// A task, and what its worker asks on a host without a rule of anybody.
struct Row {
    task: &'static str,
    /// `flow` is done by a worker on the given host, `apart` by one on a server of its own, whose start takes its time.
    workflow: &'static str,
    kind: &'static str,
    asked: &'static str,
    /// What the terminal offers, and what the person says.
    choices: &'static str,
    answer: &'static str,
}

const fn permission(task: &'static str, workflow: &'static str, asked: &'static str) -> Row {
    let choices = "[o]nce, [a]lways, [r]eject [reason]";
    Row { task, workflow, kind: "permission", asked, choices, answer: "once" }
}

const ROWS: [Row; 5] = [
    permission("<outside>", "flow", "external_directory: /etc/*"),
    permission("<circles>", "flow", "doom_loop: bash"),
    permission("<delegate>", "flow", "external_directory: /etc/*"),
    permission("<outside>", "apart", "external_directory: /etc/*"),
    Row {
        task: "<which>",
        workflow: "apart",
        kind: "question",
        asked: "Which database?",
        choices: "one of: SQLite | Postgres",
        answer: "Postgres",
    },
];

fn script() -> Script {
    let outside = || Answer::tool(ToolCall::new("read", json!({ "filePath": "/etc/hostname" })));
    let same = || ToolCall::new("bash", json!({ "command": "echo again", "description": "Again" }));
    let task = json!({ "description": "d", "prompt": "look outside", "subagent_type": "general" });
    let options = ["SQLite", "Postgres"].map(|label| json!({ "label": label, "description": label }));
    let question =
        json!({ "questions": [{ "question": "Which database?", "header": "Database", "options": options }] });
    Script::new()
        .on(When::prompt("look outside"), [outside(), Answer::text("looked")])
        .on(When::prompt("<outside>"), [outside(), Answer::text("went on")])
        .on(
            When::prompt("<circles>"),
            [Answer::speaking().call(same()).call(same()).call(same()), Answer::text("went on")],
        )
        .on(When::prompt("<delegate>"), [Answer::tool(ToolCall::new("task", task)), Answer::text("went on")])
        .on(
            When::prompt("<which>"),
            [Answer::tool(ToolCall::new("question", question)), Answer::text("went on")],
        )
}

fn config(timeout_ms: u64) -> Value {
    json!({
        "profiles": [{ "id": "worker", "kind": "agent" }, { "id": "apart", "kind": "server" }],
        "workflows": { "definitions": [
            { "id": "flow", "steps": [
                { "id": "one", "workerId": "worker", "prompt": "{task}", "timeoutMs": timeout_ms },
            ] },
            { "id": "apart", "steps": [{ "id": "one", "workerId": "apart", "prompt": "{task}" }] },
        ] },
    })
}

#[tokio::test]
async fn an_ask_waits_in_the_inbox_with_the_clock_stopped_until_another_process_answers() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, script(), &config(TIMEOUT_MS)).await;
    // The first prompt of a server takes seconds that are not the worker's.
    assert_eq!(world.orch(&["run", "flow", "warm up", "--no-input"]).await.code, 0);
    for Row { task, workflow, kind, asked, choices, answer } in ROWS {
        let row = format!("{task} in {workflow}");
        let mut terminal = Terminal::start(world.command(&["run", workflow, task]));
        terminal.shows(choices).await;
        let inbox = world.orch(&["inbox", "--json"]).await.json();
        let items = inbox.as_array().unwrap();
        assert_eq!(items.len(), 1, "{row}: {inbox:#}");
        assert_eq!((&items[0]["summary"], &items[0]["for"]), (&json!(asked), &json!(kind)), "{row}");
        let (run, id) = (items[0]["run"].as_str().unwrap(), items[0]["id"].as_str().unwrap());

        // The person looks again and again, for longer than the step may work.
        let timed = workflow == "flow";
        while timed && now_ms() < items[0]["since"].as_u64().unwrap() + THOUGHT_MS {
            assert_eq!(world.orch(&["inbox", "--json"]).await.json(), inbox, "{row}");
        }
        let answered = world.orch(&["decide", run, "--item", id, answer, "--json"]).await;
        assert_eq!(answered.code, 0, "{row}: {answered:?}");
        assert_eq!(terminal.ends().await, Some(0), "{row}: {}", terminal.shown);
        let shown = world.show(run).await;
        let attempt = &shown["steps"][0]["attempts"][0];
        assert_eq!(shown["steps"][0]["text"], "went on", "{row}");
        assert!(attempt["warnings"].as_array().is_none_or(Vec::is_empty), "{row}: {attempt:#}");
        assert!(!timed || shown["active_ms"].as_u64().unwrap() < TIMEOUT_MS, "{row}: {shown:#}");
        if kind == "question" {
            let told = world.model.log().pop().unwrap().messages.pop().unwrap().to_string();
            assert!(told.contains(answer), "{row}: the model reads it: {told}");
        }

        // Journaled: who was asked for what, and who answered.
        let journal = world.orch(&["events", run]).await.events();
        let of = |kind: &str| journal.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
        let (opened, resolved) = (of("ask.opened"), of("ask.resolved"));
        assert_eq!((opened.len(), resolved.len()), (1, 1), "{row}: {journal:#?}");
        assert_eq!((&opened[0]["ask"]["id"], &resolved[0]["by"]), (&json!(id), &json!("tester")), "{row}");
        assert_eq!(world.orch(&["inbox", "--json"]).await.json(), json!([]), "{row}");
    }
    world.stop().await;
}

#[tokio::test]
async fn with_nobody_to_ask_every_ask_is_denied_and_said() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, script(), &config(10 * TIMEOUT_MS)).await;
    for Row { task, workflow, kind, asked, .. } in ROWS {
        let row = format!("{task} in {workflow}");
        let ended = world.orch(&["run", workflow, task, "--no-input", "--json"]).await;
        let shown = world.show(&ended.run()).await;
        let attempt = &shown["steps"][0]["attempts"][0];
        let first = &attempt["warnings"][0];
        let (code, message) = match kind {
            "question" => ("question_unanswered", format!("nobody could answer: {asked}")),
            _ => ("permission_denied", format!("`{asked}` was denied, because nobody could be asked")),
        };
        assert_eq!(
            (&first["code"], &first["message"]),
            (&json!(code), &json!(message)),
            "{row}: {attempt:#}"
        );
        // A refused loop ends the turn; whatever a tool asks for, the model goes on without it.
        let (code, error) = if task == "<circles>" { (3, json!("loop")) } else { (0, Value::Null) };
        assert_eq!((ended.code, &attempt["error"]["code"]), (code, &error), "{row}: {attempt:#}");
    }
    world.stop().await;
}

fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}
