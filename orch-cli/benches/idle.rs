//! What `orch serve` costs while nothing happens: its memory, and how often it wakes up with a run that waits at a gate.
//!
//! Budget: 15 MiB. Nothing may wake it up but the heartbeat by which other processes see that a run is driven, and a
//! health check of the host.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and fails by panicking"
)]

mod service;

use std::{collections::HashMap, ffi::OsString, fs, time::Duration};

use orch::opencode::simulator::{Script, Simulator, SimulatorOptions};
use serde_json::{Value, json};

use self::service::Service;

const BUDGET_KIB: u64 = 15 * 1024;
/// Long enough for a heartbeat or two.
const WATCHED: Duration = Duration::from_secs(30);

fn main() {
    let root = tempfile::tempdir().unwrap();
    let project = root.path().join("project");
    fs::create_dir(&project).unwrap();
    let project = project.canonicalize().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let options =
            SimulatorOptions::new(Script::new().otherwise("done")).directory(project.to_string_lossy());
        let simulator = Simulator::start(options).await.unwrap();
        let mut service = Service::start(&project, root.path(), &simulator.url());
        let idle = resident_kib(&service);
        run_to_a_gate(&service).await;
        let driving = resident_kib(&service);
        let before = wake_ups(&service);
        tokio::time::sleep(WATCHED).await;
        let after = wake_ups(&service);
        let woken: u64 =
            after.iter().map(|(thread, now)| now - before.get(thread).copied().unwrap_or_default()).sum();
        service.end();
        simulator.shutdown();
        let verdict = if idle <= BUDGET_KIB { "within" } else { "ABOVE" };
        println!(
            "orch serve, resident: {:.1} MiB, {verdict} {} MiB; {:.1} MiB with a run at a gate",
            mib(idle),
            BUDGET_KIB / 1024,
            mib(driving)
        );
        println!(
            "wake-ups of all its threads while a run waits at a gate: {woken} in {WATCHED:?}, {:.1} a second",
            woken as f64 / WATCHED.as_secs_f64()
        );
    });
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// A run of the built-in workflow, up to the gate after its first step.
async fn run_to_a_gate(service: &Service) {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let client = reqwest::Client::new();
    let body = json!({ "workflow": "build", "task": "wait", "execution": "step" });
    let call = client.post(format!("{}/v1/runs", service.url)).bearer_auth(&service.token);
    let call = call.header("content-type", "application/json").body(body.to_string());
    let run: Value = serde_json::from_str(&call.send().await.unwrap().text().await.unwrap()).unwrap();
    let place = format!("{}/v1/runs/{}", service.url, run["id"].as_str().unwrap());
    loop {
        let view = client.get(&place).bearer_auth(&service.token).send().await.unwrap().text().await.unwrap();
        if view.contains("\"paused\"") {
            return;
        }
    }
}

fn resident_kib(service: &Service) -> u64 {
    status(&fs::read_to_string(format!("/proc/{}/status", service.process.id())).unwrap(), "VmRSS:")
}

/// How often each of its threads went to sleep by itself so far.
fn wake_ups(service: &Service) -> HashMap<OsString, u64> {
    let threads = fs::read_dir(format!("/proc/{}/task", service.process.id())).unwrap();
    let told = |thread: fs::DirEntry| {
        // One that has just ended is gone.
        let text = fs::read_to_string(thread.path().join("status")).ok()?;
        Some((thread.file_name(), status(&text, "voluntary_ctxt_switches:")))
    };
    threads.filter_map(|thread| told(thread.unwrap())).collect()
}

fn status(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
