//! What `orch serve` costs while nothing happens: its memory, and how often it wakes up with a run that waits at a gate.
//!
//! Budget: 15 MiB. Nothing may wake it up but the heartbeat by which other processes see that a run is driven, and a
//! health check of the host.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and fails by panicking"
)]

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use orch::opencode::simulator::{Script, Simulator, SimulatorOptions};
use serde_json::{Value, json};

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
        let idle = service.resident_kib();
        service.run_to_a_gate().await;
        let driving = service.resident_kib();
        let before = service.wake_ups();
        tokio::time::sleep(WATCHED).await;
        let after = service.wake_ups();
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

struct Service {
    process: Child,
    url: String,
    token: String,
}

impl Service {
    fn start(project: &Path, root: &Path, host: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_orch"))
            .args(["serve", "--json", "--server", host])
            .current_dir(project)
            .env_clear()
            .env("HOME", root)
            .env("ORCH_STATE_DIR", root.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let file = fs::read_to_string(told["file"].as_str().unwrap()).unwrap();
        let file: Value = serde_json::from_str(&file).unwrap();
        let text = |name: &str| file[name].as_str().unwrap().to_owned();
        Self { process, url: text("url"), token: text("token") }
    }

    /// A run of the built-in workflow, up to the gate after its first step.
    async fn run_to_a_gate(&self) {
        rustls::crypto::ring::default_provider().install_default().unwrap();
        let client = reqwest::Client::new();
        let body = json!({ "workflow": "build", "task": "wait", "execution": "step" });
        let call = client.post(format!("{}/v1/runs", self.url)).bearer_auth(&self.token);
        let call = call.header("content-type", "application/json").body(body.to_string());
        let run: Value = serde_json::from_str(&call.send().await.unwrap().text().await.unwrap()).unwrap();
        let place = format!("{}/v1/runs/{}", self.url, run["id"].as_str().unwrap());
        loop {
            let view =
                client.get(&place).bearer_auth(&self.token).send().await.unwrap().text().await.unwrap();
            if view.contains("\"paused\"") {
                return;
            }
        }
    }

    fn resident_kib(&self) -> u64 {
        status(&fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap(), "VmRSS:")
    }

    /// How often each of its threads went to sleep by itself so far.
    fn wake_ups(&self) -> HashMap<OsString, u64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let told = |thread: fs::DirEntry| {
            // One that has just ended is gone.
            let text = fs::read_to_string(thread.path().join("status")).ok()?;
            Some((thread.file_name(), status(&text, "voluntary_ctxt_switches:")))
        };
        threads.filter_map(|thread| told(thread.unwrap())).collect()
    }

    fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn status(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
