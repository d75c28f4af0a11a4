//! Many clients at once, and one that does not read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use orch::opencode::simulator::Script;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, task::JoinSet};

use super::client::Service;
use crate::world::{World, within};

const CLIENTS: usize = 200;
const RUNS: usize = 20;

/// A thousand requests of two hundred clients, twenty runs among them: every request has its answer, and every event of
/// every run comes once and in order, while another listener takes nothing in. That nothing is lost is all that it shows;
/// how many requests a second that comes to is measured by the benchmark `serve`.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_under_load() {
    let world = World::new(Script::new().otherwise("done")).await;
    let service = Arc::new(Service::start(&world).await);
    let mut deaf = service.raw().await;
    let (token, own) = (&service.token, service.authority());
    let listen = format!("GET /v1/events HTTP/1.1\r\nhost: {own}\r\nauthorization: Bearer {token}\r\n\r\n");
    deaf.write_all(listen.as_bytes()).await.unwrap();
    let mut listener = service.listen("").await;

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let service = Arc::clone(&service);
        clients.spawn(async move {
            let mut run = None;
            for path in ["/v1/health", "/v1/runs?limit=5", "/v1/inbox", "/v1/tasks?limit=5"] {
                service.get(path).await.ok();
            }
            if client < RUNS {
                let start = json!({ "workflow": "last", "task": format!("task {client}") });
                run = service.post("/v1/runs", start).await.ok()["id"].as_str().map(str::to_owned);
            } else {
                service.get("/v1/workflows").await.ok();
            }
            run
        });
    }
    let started: BTreeSet<_> =
        within("all answers", clients.join_all()).await.into_iter().flatten().collect();
    assert_eq!(started.len(), RUNS);

    let (mut seen, mut finished) = (BTreeMap::<_, Vec<u64>>::new(), BTreeSet::new());
    while finished.len() < RUNS {
        let event = within("an event", listener.next()).await.unwrap();
        assert_eq!(event.kind, "event", "nobody who reads misses anything: {event:?}");
        let Some(run) = event.data["run"].as_str().map(str::to_owned) else { continue };
        if event.data["type"] == "run.finished" {
            assert_eq!(event.data["status"], "success");
            finished.insert(run.clone());
        }
        if event.data["live"] != true {
            seen.entry(run).or_default().push(event.data["seq"].as_u64().unwrap());
        }
    }
    assert_eq!(finished, started);
    for run in &started {
        let journaled = service.get(&format!("/v1/runs/{run}/events")).await.ok();
        let numbers: Vec<_> =
            journaled.as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(seen[run], numbers, "{run}");
    }
    assert_eq!(world.prompts().len(), RUNS);
    drop(deaf);
}
