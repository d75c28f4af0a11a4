//! The event sequences of the real host, replayed: the simulator must tell each session's story in the same order.
//!
//! Left out of the comparison is what the real host itself orders or repeats by chance: change summaries, repeated
//! statuses, progress of a running tool, the number of text deltas.

use std::collections::BTreeMap;
use std::time::Duration;

use orch_opencode::simulator::{Script, Simulator, SimulatorOptions};
use serde_json::{Value, json};

use super::client::{Client, Events, is};

enum Act {
    Watch,
    Permission(Value),
    Answer(Value),
    RejectQuestion,
    /// Abort the session once an event of this kind has been seen.
    AbortOn(&'static str),
    AbortChildOn(&'static str),
}

#[tokio::test]
async fn every_recorded_scenario_is_told_in_the_same_order() {
    let fixture = include_str!("../../fixtures/opencode-1.18.33/events_by_scenario.json");
    let recorded: serde_json::Map<String, Value> = serde_json::from_str(fixture).unwrap();
    let host = Simulator::start(SimulatorOptions::new(Script::new().reading_prompts())).await.unwrap();
    let client = Client::of(&host);
    let events = client.events().await;
    let mut session = String::new();
    let mut compared = 0;
    for (scenario, recorded) in &recorded {
        let recorded = recorded.as_array().unwrap();
        let Some(prompt) = prompt_of(recorded) else { continue };
        let from = events.all().len();
        if let Some(created) = root_created(recorded) {
            session = client.session(json!({ "title": "T", "permission": created["permission"] })).await;
        }
        client.prompt(&session, &prompt).await;
        act(act_of(scenario), &client, &events, from, &session).await;
        events.wait_idle(from, &session).await;
        // The answer to an abort, or this request, comes after everything that the turn has said.
        client.get("/global/health").await;
        let end = client.session(json!({ "title": "marker" })).await;
        events.wait(|seen| is(seen.last().unwrap(), "session.created", &end)).await;
        let told: Vec<_> = events.all()[from..]
            .iter()
            .map(|event| event["payload"].clone())
            .filter(|event| event["properties"]["sessionID"] != end.as_str())
            .collect();
        assert_eq!(stories(&told, &session), stories(recorded, root_of(recorded)), "{scenario}");
        compared += 1;
    }
    assert_eq!(compared, 22, "every scenario that holds events");
}

fn act_of(scenario: &str) -> Act {
    match scenario {
        "permission once" => Act::Permission(json!({ "reply": "once" })),
        "permission reject" => Act::Permission(json!({ "reply": "reject" })),
        "permission reject+msg" => Act::Permission(json!({ "reply": "reject", "message": "do not" })),
        "permission always" => Act::Permission(json!({ "reply": "always" })),
        "question reply" => Act::Answer(json!({ "answers": [["B"]] })),
        "question reject" => Act::RejectQuestion,
        "abort streaming" => Act::AbortOn("message.part.delta"),
        "abort bash tool" => Act::AbortOn("tool running"),
        "abort hang" => Act::AbortOn("step"),
        "abort parent with running task child" => Act::AbortOn("message.part.delta"),
        "abort child of running task" => Act::AbortChildOn("message.part.delta"),
        _ => Act::Watch,
    }
}

async fn act(act: Act, client: &Client, events: &Events, from: usize, session: &str) {
    match act {
        Act::Watch => {}
        Act::Permission(reply) => {
            let id = asked(events, from, "permission.asked").await;
            assert_eq!(client.get("/permission").await[0]["id"], id.as_str());
            assert_eq!(client.post(&format!("/permission/{id}/reply"), reply).await.body, true);
        }
        Act::Answer(answers) => {
            let id = asked(events, from, "question.asked").await;
            assert_eq!(client.get("/question").await[0]["id"], id.as_str());
            assert_eq!(client.post(&format!("/question/{id}/reply"), answers).await.body, true);
        }
        Act::RejectQuestion => {
            let id = asked(events, from, "question.asked").await;
            client.post(&format!("/question/{id}/reject"), json!({})).await;
        }
        Act::AbortOn(what) => {
            seen(events, from, what).await;
            client.post(&format!("/session/{session}/abort"), Value::Null).await;
        }
        Act::AbortChildOn(what) => {
            seen(events, from, what).await;
            let children = client.get(&format!("/session/{session}/children")).await;
            let child = children[0]["id"].as_str().unwrap();
            client.post(&format!("/session/{child}/abort"), Value::Null).await;
        }
    }
}

async fn asked(events: &Events, from: usize, kind: &str) -> String {
    seen(events, from, kind).await;
    let all = events.all();
    let ask = all[from..].iter().find(|event| event["payload"]["type"] == kind).unwrap();
    ask["payload"]["properties"]["id"].as_str().unwrap().to_owned()
}

async fn seen(events: &Events, from: usize, what: &str) {
    let limit = Duration::from_secs(30);
    let matches = |event: &Value| {
        let payload = &event["payload"];
        match what {
            "tool running" => payload["properties"]["part"]["state"]["status"] == "running",
            "step" => payload["properties"]["info"]["role"] == "assistant",
            kind => payload["type"] == kind,
        }
    };
    events.wait_up_to(limit, |seen| seen.len() > from && seen[from..].iter().any(matches)).await;
}

/// The prompt of a scenario; a shell that sleeps gets the simulated way to take its time.
fn prompt_of(recorded: &[Value]) -> Option<String> {
    let text = recorded.iter().find_map(|event| event["properties"]["part"]["text"].as_str())?;
    Some(text.replace(
        "\"tool\": \"bash\", \"args\": {\"command\": \"echo start; sleep 66\"",
        "\"takes\": 66, \"tool\": \"bash\", \"args\": {\"command\": \"echo start; sleep 66\"",
    ))
}

fn root_of(recorded: &[Value]) -> &str {
    let of_user = |event: &&Value| event["type"] == "message.part.updated";
    recorded.iter().find(of_user).unwrap()["properties"]["sessionID"].as_str().unwrap()
}

fn root_created(recorded: &[Value]) -> Option<&Value> {
    let is_root = |info: &&Value| info["parentID"].is_null();
    recorded
        .iter()
        .filter(|event| event["type"] == "session.created")
        .map(|event| &event["properties"]["info"])
        .find(is_root)
}

/// What is told about the root session and about its child, line by line.
fn stories(events: &[Value], root: &str) -> BTreeMap<&'static str, Vec<String>> {
    let mut stories: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let children: Vec<_> = events
        .iter()
        .filter(|event| {
            event["type"] == "session.created" && !event["properties"]["info"]["parentID"].is_null()
        })
        .map(|event| event["properties"]["sessionID"].as_str().unwrap())
        .collect();
    for event in events {
        let session = event["properties"]["sessionID"].as_str().unwrap_or_default();
        let teller = match session {
            _ if session == root => "root",
            _ if children.contains(&session) => "child",
            _ => continue,
        };
        let story = stories.entry(teller).or_default();
        if let Some(line) = line(event)
            && story.last() != Some(&line)
        {
            story.push(line);
        }
    }
    stories
}

fn line(event: &Value) -> Option<String> {
    let properties = &event["properties"];
    match event["type"].as_str().unwrap() {
        "session.updated" | "session.diff" | "session.created" => None,
        "message.updated" => {
            let info = &properties["info"];
            if info["role"] == "user" {
                return info["summary"].is_null().then(|| "user".to_owned());
            }
            // The real host may have stamped the end before it says the finish.
            let error = info["error"]["name"].as_str().unwrap_or("-");
            let finish = info["finish"].as_str().unwrap_or("-");
            let ended = finish != "-" || !info["time"]["completed"].is_null();
            Some(format!("assistant finish={finish} error={error} ended={ended}"))
        }
        "message.part.updated" => Some(part(&properties["part"])),
        "message.part.delta" => Some("delta".to_owned()),
        "session.status" if properties["status"]["type"] == "idle" => None,
        "session.status" => Some(properties["status"]["type"].to_string()),
        "session.error" => Some(format!("error {}", properties["error"]["name"])),
        kind => Some(kind.to_owned()),
    }
}

fn part(part: &Value) -> String {
    let state = &part["state"];
    match part["type"].as_str().unwrap() {
        "text" if part["time"].is_null() => "user text".to_owned(),
        kind @ ("text" | "reasoning") => format!("{kind} ended={}", !part["time"]["end"].is_null()),
        "tool" => format!("tool {} {} {}", part["tool"], state["status"], state["error"]),
        kind => format!("{kind} {}", part["reason"]),
    }
}
