//! Tasks over the service: what a model delegates.

use std::fs;

use orch::opencode::simulator::{Answer, Hold, Script, When};
use serde_json::{Value, json};

use super::client::{Service, reply};
use crate::world::{World, failure, within};

fn to_the_worker(task: &str) -> Value {
    json!({ "start": { "task": task, "kind": "worker", "workerId": "w" } })
}

async fn start(service: &Service, body: Value) -> String {
    let task = service.post("/v1/tasks", body).await.ok();
    assert_eq!((&task["status"], &task["next"]), (&json!("running"), &json!("task_await")), "{task}");
    task["taskId"].as_str().unwrap().to_owned()
}

/// A session of somebody who talks to a model.
async fn session(world: &World) -> String {
    let url = format!("{}/session?directory={}", world.simulator.url(), world.simulator.directory());
    let answer = reqwest::Client::new().post(url).json(&json!({})).send().await.unwrap();
    reply(answer).await.ok()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_started_awaited_listed_and_is_a_run_like_any_other() {
    let hold = Hold::new();
    let script =
        Script::new().on(When::prompt("slow"), Answer::text("late").held(&hold)).otherwise("forty-two");
    let world = World::new(script).await;
    let service = Service::start(&world).await;
    let slow = start(&service, to_the_worker("slow")).await;
    within("the model", hold.wait_arrived()).await;
    let waited = service.get(&format!("/v1/tasks/{slow}/await?timeout_ms=10")).await.ok();
    assert_eq!((&waited["status"], &waited["next"]), (&json!("running"), &json!("task_await")));
    assert!(waited["standing"].as_str().unwrap().contains("is at work"), "{waited}");
    assert_eq!(waited.get("answer"), None);

    hold.release();
    let done = service.get(&format!("/v1/tasks/{slow}/await")).await.ok();
    assert_eq!((&done["status"], &done["answer"]), (&json!("succeeded"), &json!("late")));
    let other = start(&service, to_the_worker("another")).await;
    assert_eq!(service.get(&format!("/v1/tasks/{other}/await")).await.ok()["answer"], "forty-two");
    assert_eq!(service.get(&format!("/v1/tasks/{other}")).await.ok()["answer"], "forty-two");

    let listed = service.get("/v1/tasks?limit=1").await.ok();
    assert_eq!((&listed[0]["taskId"], listed.as_array().unwrap().len()), (&json!(other), 1));
    assert_eq!(listed[0].get("answer"), None);
    assert_eq!(world.show(&slow).await["status"], "success", "`orch show` knows it");
    assert_eq!(world.prompts(), ["slow", "another"]);
}

/// Only a person answers a gate; nothing is called done that is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_at_a_gate_is_paused_with_its_gate_and_the_commands() {
    let world = World::new(Script::new().on(When::prompt("step one"), failure()).otherwise("done")).await;
    let service = Service::start(&world).await;
    let task = start(&service, json!({ "start": { "task": "a task", "workflowId": "two" } })).await;
    let paused = service.get(&format!("/v1/tasks/{task}/await")).await.ok();
    assert_eq!((&paused["status"], &paused["next"]), (&json!("paused"), &json!("tell_the_person")));
    assert_eq!((&paused["gate"]["step"], &paused["kind"]), (&json!("one"), &json!("workflow")));
    assert!(paused["standing"].as_str().unwrap().contains(&format!("orch continue {task}")), "{paused}");
    let at_once = service.get(&format!("/v1/tasks/{task}/await")).await.ok();
    assert_eq!(at_once["status"], "paused");
    let ended = service.post(&format!("/v1/tasks/{task}/cancel"), json!({})).await.ok();
    assert_eq!(ended["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_says_why() {
    let world = World::new(Script::new().otherwise(failure())).await;
    let service = Service::start(&world).await;
    let task = start(&service, to_the_worker("a task")).await;
    let failed = service.get(&format!("/v1/tasks/{task}/await")).await.ok();
    assert_eq!((&failed["status"], &failed["next"]), (&json!("failed"), &json!("nothing")));
    assert!(failed["error"]["message"].as_str().unwrap().contains("the model said no"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_calls_off_its_own_tasks_and_no_other() {
    let hold = Hold::new();
    let world = World::new(Script::new().otherwise(Answer::text("done").held(&hold))).await;
    let service = Service::start(&world).await;
    let session = session(&world).await;
    let mut body = to_the_worker("a task");
    body["session"] = json!(session);
    let own = start(&service, body).await;
    let others = start(&service, to_the_worker("another")).await;
    within("the model", hold.wait_arrived()).await;

    let mine = service.get(&format!("/v1/tasks?session={session}")).await.ok();
    assert_eq!((mine.as_array().unwrap().len(), &mine[0]["taskId"]), (1, &json!(own)));
    let refused = service.post(&format!("/v1/tasks/{others}/cancel?session={session}"), json!({})).await;
    assert_eq!(refused.refusal(), (403, "orch::task::not-theirs"));
    let ended = service.post(&format!("/v1/tasks/{own}/cancel?session={session}"), json!({})).await.ok();
    assert_eq!(ended["status"], "cancelled");
    assert_eq!(service.get(&format!("/v1/tasks/{others}")).await.ok()["status"], "running");
    let trace = world.orch(["trace", &own]).await.stdout;
    assert!(trace.contains(&format!("session {session}")), "{trace}");
    hold.release();
    service.get(&format!("/v1/tasks/{others}/await")).await.ok();
    let again = service.post(&format!("/v1/tasks/{own}/cancel?session={session}"), json!({})).await.ok();
    assert_eq!(again["status"], "cancelled", "it stands as it stood");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delegated_is_refused_with_the_way_out() {
    let world = World::new(Script::new()).await;
    fs::write(world.path("secret"), "outside").unwrap();
    fs::write(world.project().join("notes.txt"), "inside").unwrap();
    std::os::unix::fs::symlink(world.path("secret"), world.project().join("link")).unwrap();
    let service = Service::start(&world).await;
    let file = |file: Value| json!({ "task": "a", "workerId": "w", "attachments": [file] });
    let rows = [
        (json!({ "task": " ", "workerId": "w" }), (422, "orch::run::no-task")),
        (json!({ "task": "a", "workerId": "v" }), (422, "orch::task::unknown-worker")),
        (json!({ "task": "a", "workflowId": "nine" }), (404, "orch::plan::unknown-workflow")),
        (json!({ "task": "a", "workerId": "w", "workflowId": "two" }), (422, "orch::task::assignee")),
        (json!({ "task": "a", "kind": "worker" }), (422, "orch::task::assignee")),
        (json!({ "task": "a", "kind": "auto", "workerId": "w" }), (422, "orch::task::assignee")),
        (json!({ "task": "a", "kind": "op" }), (400, "orch::serve::malformed")),
        (json!({ "task": "a", "model": "x/y" }), (400, "orch::serve::malformed")),
        (file(json!({ "path": "../secret" })), (422, "orch::task::attachment")),
        (file(json!({ "path": world.path("secret") })), (422, "orch::task::attachment")),
        (file(json!({ "path": "link" })), (422, "orch::task::attachment")),
        (file(json!({ "path": "none" })), (422, "orch::task::attachment")),
        (file(json!({ "path": "notes.txt", "type": "image" })), (422, "orch::task::attachment")),
        (file(json!({ "base64": "%" })), (422, "orch::task::attachment")),
        (file(json!({})), (422, "orch::task::attachment")),
    ];
    for (start, expected) in rows {
        let refused = service.post("/v1/tasks", json!({ "start": start })).await;
        assert_eq!(refused.refusal(), expected, "{start}");
    }
    assert_eq!(service.get("/v1/tasks/run_none").await.refusal(), (404, "orch::run::unknown"));
    assert_eq!(service.get("/v1/tasks/run_none/await").await.refusal(), (404, "orch::run::unknown"));
    assert_eq!(
        service.post("/v1/tasks/run_none/cancel", json!({})).await.refusal(),
        (404, "orch::run::unknown")
    );
    assert_eq!(world.prompts().len(), 0);

    let task = self::start(&service, json!({ "start": file(json!({ "path": "notes.txt" })) })).await;
    assert_eq!(service.get(&format!("/v1/tasks/{task}/await")).await.ok()["status"], "succeeded");
}

/// A service that ends does not leave anybody waiting.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_that_the_service_ends() {
    let hold = Hold::new();
    let world = World::new(Script::new().otherwise(Answer::text("done").held(&hold))).await;
    let service = Service::start(&world).await;
    let task = start(&service, to_the_worker("a task")).await;
    within("the model", hold.wait_arrived()).await;
    let path = format!("/v1/tasks/{task}/await");
    let end = async {
        // This request, the run, and the one who waits.
        while service.get("/v1/health").await.ok()["present"].as_u64() < Some(3) {}
        service.signal(nix::sys::signal::Signal::SIGTERM);
    };
    let (told, ()) = tokio::join!(service.get(&path), end);
    assert_eq!(told.refusal(), (503, "orch::serve::leaving"));
    assert_eq!(service.end().await.code, Some(0));
}
