//! The document and the answers say the same.

use std::fs;

use orch::opencode::simulator::{Script, When};
use serde_json::{Value, json};

use super::client::Service;
use crate::world::{World, warning};

#[tokio::test(flavor = "multi_thread")]
async fn the_committed_document_is_the_one_that_the_command_prints() {
    let world = World::new(Script::new()).await;
    let printed = world.orch(["schema", "--openapi"]).await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/openapi.json");
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        printed.stdout == committed,
        "{path} is not up to date: run `cargo xtask schema` and commit the result"
    );
}

/// Every operation that answers with JSON is called, and what it says is held against the document.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_shape_that_the_document_says() {
    let world = World::new(Script::new().on(When::prompt("step one"), warning()).otherwise("done")).await;
    let document: Value = serde_json::from_str(&world.orch(["schema", "--openapi"]).await.stdout).unwrap();
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let host = json!({ "url": world.simulator.url(), "directory": world.project() });
    let start = json!({ "workflow": "two", "task": "a task", "intervene": "on-warning" });

    let mut seen = vec![("post", "/v1/hosts", service.post("/v1/hosts", host).await.ok())];
    let started = service.post("/v1/runs", start.clone()).await.ok();
    let run = started["id"].as_str().unwrap().to_owned();
    seen.push(("post", "/v1/runs", started));
    listener.until("run.paused").await;
    let at = |path: &str| path.replace("{run}", &run);
    let reads = document["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("get").is_some());
    for (path, _) in reads.filter(|(path, _)| *path != "/v1/events") {
        seen.push(("get", path, service.get(&at(path)).await.ok()));
    }
    let gate = service.get(&at("/v1/runs/{run}")).await.ok()["data"]["gate"]["id"].clone();
    let decision = json!({ "gate": gate, "decision": "continue" });
    let decided = service.post(&at("/v1/runs/{run}/decisions"), decision).await.ok();
    seen.push(("post", "/v1/runs/{run}/decisions", decided));
    listener.until("run.finished").await;
    seen.push((
        "get",
        "/v1/runs/{run}/trace",
        service.get(&at("/v1/runs/{run}/trace?sessions=true")).await.ok(),
    ));
    seen.push(("get", "/v1/runs/{run}", service.get(&at("/v1/runs/{run}")).await.ok()));
    let delegated = json!({ "start": { "task": "a task", "workerId": "w" } });
    let task = service.post("/v1/tasks", delegated).await.ok();
    let called_off = format!("/v1/tasks/{}/cancel", task["taskId"].as_str().unwrap());
    seen.push(("post", "/v1/tasks", task));
    seen.push(("post", "/v1/tasks/{run}/cancel", service.post(&called_off, json!({})).await.ok()));
    seen.push(("delete", "/v1/hosts/{host}", service.delete("/v1/hosts/host_1").await.ok()));

    for (method, path, answer) in &seen {
        let content = &document["paths"][*path][*method]["responses"]["200"]["content"];
        let schema = &content["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} is not in the document");
        assert_valid(&document, schema, answer, &format!("{method} {path}"));
    }
    let error = service.get("/v1/runs/run_none").await;
    assert_eq!(error.status, 404);
    assert_valid(&document, &json!({ "$ref": "#/components/schemas/Error" }), &error.body, "an error");
}

#[track_caller]
fn assert_valid(document: &Value, schema: &Value, answer: &Value, what: &str) {
    let mut root = schema.clone();
    root["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&root).unwrap();
    let problems: Vec<_> = validator.iter_errors(answer).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{what}: {problems:#?}\n{answer:#}");
}

/// A field that is not described could go unnoticed: every property of the main views is.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_has_a_field_that_the_document_does_not_name() {
    let world = World::new(Script::new().otherwise("done")).await;
    let document: Value = serde_json::from_str(&world.orch(["schema", "--openapi"]).await.stdout).unwrap();
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let run = service.run("two", "a task").await;
    listener.until("run.finished").await;
    let rows = [
        ("RunView", service.get(&format!("/v1/runs/{run}")).await.ok()["data"].clone()),
        ("Dashboard", service.get("/v1/dashboard").await.ok()["data"].clone()),
        ("RunTrace", service.get(&format!("/v1/runs/{run}/trace")).await.ok()["data"].clone()),
        ("Results", service.get(&format!("/v1/runs/{run}/results")).await.ok()["data"].clone()),
        ("Why", service.get(&format!("/v1/runs/{run}/why")).await.ok()["data"].clone()),
        ("Task", service.get(&format!("/v1/tasks/{run}")).await.ok()),
        ("Health", service.get("/v1/health").await.ok()),
    ];
    for (name, answer) in rows {
        let known = document["components"]["schemas"][name]["properties"].as_object().unwrap();
        let unknown: Vec<_> =
            answer.as_object().unwrap().keys().filter(|field| !known.contains_key(*field)).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}
