//! Hosts that clients lend.

use nix::sys::signal::Signal;
use orch::opencode::simulator::{Script, Simulator, SimulatorOptions};
use serde_json::{Value, json};

use super::client::Service;
use crate::world::World;

async fn another(world: &World, options: SimulatorOptions) -> Simulator {
    let directory = std::fs::canonicalize(world.project()).unwrap();
    Simulator::start(options.directory(directory.to_string_lossy())).await.unwrap()
}

fn lend(simulator: &Simulator, world: &World) -> Value {
    json!({ "url": simulator.url(), "directory": world.project() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_works_on_the_host_that_was_lent_last_or_on_the_one_that_is_named() {
    let world = World::new(Script::new().otherwise("done")).await;
    let (first, second) = (
        another(&world, SimulatorOptions::new(Script::new().otherwise("done"))).await,
        another(&world, SimulatorOptions::new(Script::new().otherwise("done")).password("open sesame")).await,
    );
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let one = service.post("/v1/hosts", lend(&first, &world)).await.ok();
    let mut with_password = lend(&second, &world);
    let closed = service.post("/v1/hosts", with_password.clone()).await;
    assert_eq!(closed.refusal(), (502, "orch::host::unauthorized"));
    with_password["password"] = json!("open sesame");
    let other = service.post("/v1/hosts", with_password).await.ok();
    assert_ne!(one["id"], other["id"]);
    assert!(!service.get("/v1/hosts").await.ok().to_string().contains("sesame"));

    service.run("last", "by default").await;
    listener.until("run.finished").await;
    let named = json!({ "workflow": "last", "task": "by name", "host": one["id"] });
    service.post("/v1/runs", named).await.ok();
    listener.until("run.finished").await;
    let left = service.delete(&format!("/v1/hosts/{}", other["id"].as_str().unwrap())).await.ok();
    assert_eq!(left.as_array().unwrap().len(), 1);
    service.delete(&format!("/v1/hosts/{}", one["id"].as_str().unwrap())).await.ok();
    service.run("last", "at home").await;
    listener.until("run.finished").await;

    let asked = |simulator: &Simulator| -> Vec<String> {
        simulator.prompts().into_iter().filter(|prompt| !prompt.no_reply).map(|prompt| prompt.text).collect()
    };
    assert_eq!(asked(&second), ["step one: by default"]);
    assert_eq!(asked(&first), ["step one: by name"]);
    assert_eq!(world.prompts(), ["step one: at home"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_where_it_was_driven_last() {
    let world = World::new(Script::new()).await;
    let (first, second) = (
        another(&world, SimulatorOptions::new(Script::new().otherwise("done"))).await,
        another(&world, SimulatorOptions::new(Script::new().otherwise("done"))).await,
    );
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    service.post("/v1/hosts", lend(&first, &world)).await.ok();
    let start = json!({ "workflow": "two", "task": "a task", "execution": "step" });
    let run = service.post("/v1/runs", start).await.ok()["id"].as_str().unwrap().to_owned();
    listener.until("run.paused").await;
    service.post("/v1/hosts", lend(&second, &world)).await.ok();
    let gate = service.get(&format!("/v1/runs/{run}")).await.ok()["data"]["gate"]["id"].clone();
    let decision = json!({ "gate": gate, "decision": "continue", "execution": "auto" });
    service.post(&format!("/v1/runs/{run}/decisions"), decision).await.ok();
    listener.until("run.finished").await;
    let asked =
        |simulator: &Simulator| simulator.prompts().into_iter().filter(|prompt| !prompt.no_reply).count();
    assert_eq!((asked(&first), asked(&second)), (2, 0));
}

/// A service in the place of one that was killed has no host yet when the first run is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_the_host_that_is_about_to_be_lent() {
    let world = World::new(Script::new().otherwise("done")).await;
    let lent = another(&world, SimulatorOptions::new(Script::new().otherwise("done"))).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let start = json!({ "workflow": "last", "task": "a task", "expect_host": true });
    let (run, host) =
        tokio::join!(service.post("/v1/runs", start), service.post("/v1/hosts", lend(&lent, &world)));
    run.ok();
    host.ok();
    listener.until("run.finished").await;
    assert_eq!(lent.prompts().len(), 1);
    assert!(world.prompts().is_empty(), "{:?}", world.prompts());
}

/// A decision, too, takes a run up where it is sent from, also when the service is new there.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_waits_for_the_host_that_is_about_to_be_lent() {
    let world = World::new(Script::new().otherwise("done")).await;
    let lent = another(&world, SimulatorOptions::new(Script::new().otherwise("done"))).await;
    let before = Service::start(&world).await;
    let mut listener = before.listen("").await;
    let start = json!({ "workflow": "two", "task": "a task", "execution": "step" });
    let view = before.post("/v1/runs", start).await.ok();
    listener.until("run.paused").await;
    let run = view["id"].as_str().unwrap();
    let gate = before.get(&format!("/v1/runs/{run}")).await.ok()["data"]["gate"]["id"].clone();
    before.signal(Signal::SIGTERM);
    before.end().await;

    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let decision = json!({ "gate": gate, "decision": "continue", "execution": "auto", "expect_host": true });
    let decisions = format!("/v1/runs/{run}/decisions");
    let (decided, host) =
        tokio::join!(service.post(&decisions, decision), service.post("/v1/hosts", lend(&lent, &world)));
    decided.ok();
    host.ok();
    listener.until("run.finished").await;
    assert_eq!((world.prompts().len(), lent.prompts().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_ours_is_refused() {
    let world = World::new(Script::new()).await;
    let service = Service::start(&world).await;
    let project = world.project();
    let rows = [
        (json!({ "url": "http://example.com:80", "directory": project }), (422, "orch::serve::not-loopback")),
        (
            json!({ "url": "http://127.0.0.1@example.com", "directory": project }),
            (422, "orch::serve::not-loopback"),
        ),
        (json!({ "url": world.simulator.url(), "directory": "/" }), (422, "orch::serve::other-directory")),
        (
            json!({ "url": world.simulator.url(), "directory": "/no/such" }),
            (422, "orch::serve::other-directory"),
        ),
        (json!({ "url": service.url, "directory": project }), (502, "orch::host::unauthorized")),
    ];
    for (body, expected) in rows {
        let refused = service.post("/v1/hosts", body.clone()).await;
        assert_eq!(refused.refusal(), expected, "{body}");
    }
    assert_eq!(service.get("/v1/hosts").await.ok(), json!([]));
    let unknown = service.delete("/v1/hosts/host_7").await;
    assert_eq!(unknown.refusal(), (404, "orch::serve::unknown-host"));
}
