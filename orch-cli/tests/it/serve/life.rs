//! How a service comes, is found, and goes.

use std::{fs, os::unix::fs::PermissionsExt as _};

use nix::sys::signal::Signal;
use orch::opencode::simulator::{Answer, Hold, Script};
use serde_json::json;
use tokio::task::JoinSet;

use super::client::{Service, reply};
use crate::world::{World, output, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_says_where_it_is_and_keeps_the_token_to_a_file_of_its_owner() {
    let world = World::new(Script::new()).await;
    let service = Service::start(&world).await;
    let health = service.get("/v1/health").await.ok();
    assert_eq!(health["pid"], service.pid);
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["project"], fs::canonicalize(world.project()).unwrap().to_str().unwrap());
    assert!(service.url.starts_with("http://127.0.0.1:"), "{}", service.url);
    assert_eq!(service.token.len(), 64);
    assert_eq!(fs::metadata(&service.file).unwrap().permissions().mode() & 0o777, 0o600);
    let state = service.file.parent().unwrap();
    assert_eq!(fs::metadata(state).unwrap().permissions().mode() & 0o777, 0o700);

    let (file, token) = (service.file.clone(), service.token.clone());
    service.signal(Signal::SIGTERM);
    let ended = service.end().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(!ended.stdout.contains(&token), "the token is on the terminal");
    assert!(!file.exists(), "serve.json is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_finds_the_first() {
    let world = World::new(Script::new()).await;
    let service = Service::start(&world).await;
    let second = world.orch(["serve", "--json"]).await;
    assert_eq!(second.code, Some(0), "{second:?}");
    let line = second.json();
    assert_eq!(
        (&line["url"], &line["pid"], &line["started"]),
        (&json!(service.url), &json!(service.pid), &json!(false))
    );
    let text = world.orch(["serve"]).await.stdout;
    assert!(text.starts_with(&format!("already served at {}", service.url)), "{text}");
    assert!(!text.contains(&service.token));
}

/// Two front ends that come up at the same moment must not end with two services.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_are_started_at_once_one_serves() {
    let world = World::new(Script::new()).await;
    let mut starts = JoinSet::new();
    for _ in 0..8 {
        let mut command = world.command(["serve", "--detach", "--json", "--linger", "10m"]);
        starts.spawn(async move { output(&mut command).await });
    }
    let lines: Vec<_> = starts.join_all().await.into_iter().map(|ended| (ended.code, ended.json())).collect();
    let service = Service::at(&lines[0].1, None);
    for (code, line) in &lines {
        assert_eq!((*code, &line["pid"]), (Some(0), &json!(service.pid)), "{lines:#?}");
    }
    assert_eq!(lines.iter().filter(|(_, line)| line["started"] == true).count(), 1, "{lines:#?}");
    assert_eq!(service.get("/v1/health").await.ok()["pid"], service.pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_service_leads_a_session_of_its_own_and_ends_by_itself() {
    let world = World::new(Script::new()).await;
    let started = world.orch(["serve", "--detach", "--json", "--linger", "2s"]).await;
    assert_eq!(started.code, Some(0), "{started:?}");
    let service = Service::at(&started.json(), None);
    let pid = nix::unistd::Pid::from_raw(service.pid);
    assert_eq!(nix::unistd::getsid(Some(pid)), Ok(pid), "it belongs to no terminal of whoever started it");
    service.gone().await;
    assert!(!service.file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_stays_for_a_listener_and_for_a_run_at_work() {
    let hold = Hold::new();
    let world = World::new(Script::new().otherwise(Answer::text("done").held(&hold))).await;
    let service = Service::start_with(&world, &["--linger", "2s"]).await;
    let mut listener = service.listen("").await;
    let run = service.run("last", "a task").await;
    within("the model", hold.wait_arrived()).await;
    // Nobody listens any more; the run keeps it up.
    let id = listener.id.clone();
    drop(listener);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    listener = service.listen(&format!("?from={id}")).await;
    hold.release();
    let events = listener.until("run.finished").await;
    assert!(events.iter().all(|event| event.data["run"] == run.as_str()), "{events:#?}");
    // Nothing is at work any more; the listener keeps it up.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(service.get("/v1/health").await.ok()["runs"], 0);
    drop(listener);
    assert_eq!(service.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_leaves_nothing_in_the_way_of_the_next() {
    let world = World::new(Script::new()).await;
    let mut service = Service::start(&world).await;
    service.process.take().unwrap().kill().await;
    assert!(service.file.exists(), "nobody could remove it");
    let next = Service::start(&world).await;
    assert_ne!((&next.url, &next.token), (&service.url, &service.token));
    let stale = next.bare(reqwest::Method::GET, "/v1/health").bearer_auth(&service.token);
    assert_eq!(reply(stale.send().await.unwrap()).await.refusal(), (401, "orch::serve::unauthorized"));
    // It was ended above: there is nobody to end when it is dropped.
    std::mem::forget(service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_configuration_is_told_by_whoever_starts_it() {
    let world = World::new(Script::new()).await;
    world.configure_text("{ not json");
    let refused = world.orch(["serve", "--detach", "--json"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.error().starts_with("orch::config::"), "{refused:?}");
    assert!(
        refused.json()["error"]["message"].as_str().unwrap().contains("orchestrator.json:1:"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_not_serve() {
    let world = World::new(Script::new()).await;
    let refused = output(world.command(["serve", "--json"]).env("ORCH_WORKER", "1")).await;
    assert_eq!((refused.code, refused.error().as_str()), (Some(2), "orch::cli::inside-a-worker"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_of_serve() {
    let world = World::new(Script::new()).await;
    insta::assert_snapshot!(world.orch(["serve", "--help"]).await.stdout);
}
