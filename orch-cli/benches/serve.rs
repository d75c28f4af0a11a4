//! How many requests a second `orch serve` answers to many clients at once, each with a connection of its own.
//!
//! Budget: 1,000 a second. The clients share the processor with the service, so it has at most half of it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and fails by panicking"
)]

mod service;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use orch::{
    opencode::simulator::{Script, Simulator, SimulatorOptions},
    prelude::*,
};
use tokio::{sync::Barrier, task::JoinSet};

use self::service::Service;

const CLIENTS: usize = 200;
const ROUNDS: usize = 10;
/// What front ends ask for.
const PATHS: [&str; 5] =
    ["/v1/health", "/v1/runs?limit=5", "/v1/inbox", "/v1/tasks?limit=5", "/v1/workflows"];
const RUNS: usize = 20;
const BUDGET: f64 = 1_000.0;

fn main() {
    let root = tempfile::tempdir().unwrap();
    let project = root.path().join("project");
    fs::create_dir(&project).unwrap();
    let project = project.canonicalize().unwrap();
    rustls::crypto::ring::default_provider().install_default().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let script =
            Script::new().otherwise("Done.\n\n```json\n{\"verdict\":\"approved\",\"findings\":[]}\n```");
        let options = SimulatorOptions::new(script).directory(project.to_string_lossy());
        let simulator = Simulator::start(options).await.unwrap();
        let orchestrator = Orchestrator::builder(&project)
            .host(Host::server(simulator.url()))
            .state_root(root.path().join("state"))
            .silent()
            .build()
            .await
            .unwrap();
        for _ in 0..RUNS {
            let request = RunRequest::new("build", "add a flag").intervene(Intervene::Never);
            orchestrator.run(request).await.unwrap().wait().await.unwrap();
        }
        orchestrator.shutdown().await;
        let mut service = Service::start(&project, root.path(), &simulator.url());
        let took = ask(&service).await;
        service.end();
        simulator.shutdown();
        let each = (CLIENTS * ROUNDS * PATHS.len()) as f64 / took.as_secs_f64();
        let verdict = if each >= BUDGET { "within" } else { "BELOW" };
        println!(
            "orch serve, {CLIENTS} clients at once, {RUNS} runs in the store: {each:.0} requests a second, {verdict} {BUDGET}"
        );
    });
}

/// How long it takes until every client has had every answer so many times, one after the other, on a connection that it has.
async fn ask(service: &Service) -> Duration {
    let mut clients = JoinSet::new();
    let ready = Arc::new(Barrier::new(CLIENTS + 1));
    for _ in 0..CLIENTS {
        let (url, token, ready) = (service.url.clone(), service.token.clone(), Arc::clone(&ready));
        clients.spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let warm = client.get(format!("{url}/v1/health")).bearer_auth(&token).send().await.unwrap();
            warm.bytes().await.unwrap();
            ready.wait().await;
            for path in PATHS.iter().cycle().take(PATHS.len() * ROUNDS) {
                let answer = client.get(format!("{url}{path}")).bearer_auth(&token).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{path}");
                answer.bytes().await.unwrap();
            }
        });
    }
    ready.wait().await;
    let began = Instant::now();
    clients.join_all().await;
    began.elapsed()
}
