//! A thousand runs at once, each of two steps, by a whole orchestrator on a simulated host.
//!
//! The host is in a process of its own, so that what is measured here is what orch keeps and does: its memory while every run
//! waits for the model, the processor time of a run against one among a hundred, and how long it takes from an answer that is
//! journaled until the next prompt has its place on the host.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and fails by panicking"
)]

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::sys::resource::{UsageWho, getrusage};
use orch::{
    config::{Trust, load::parse},
    opencode::simulator::{Answer, Script, Simulator, SimulatorOptions},
    prelude::*,
    workflow::event::StepProgress,
};
use serde_json::json;

/// The argument by which this program becomes the host.
const HOST: &str = "--as-the-host-of";
const FEW: usize = 100;
const MANY: usize = 1_000;
/// Longer than it takes to start all runs, so that all of them wait for it at once.
const TURN: Duration = Duration::from_secs(20);
const MEMORY_MIB: f64 = 64.0;
const DELAY: Duration = Duration::from_millis(10);

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match arguments.iter().position(|argument| argument == HOST) {
        Some(at) => runtime.block_on(be_the_host(&arguments[at + 1])),
        None => runtime.block_on(measure()),
    }
}

async fn be_the_host(project: &str) {
    let script = Script::new().otherwise(Answer::text("done").after(TURN));
    let simulator = Simulator::start(SimulatorOptions::new(script).directory(project)).await.unwrap();
    println!("{}", simulator.url());
    std::future::pending().await
}

async fn measure() {
    let root = tempfile::tempdir().unwrap();
    let project = root.path().join("project");
    fs::create_dir(&project).unwrap();
    let project = project.canonicalize().unwrap();
    let few = Measured::of(FEW, &project, root.path().join("few")).await;
    let many = Measured::of(MANY, &project, root.path().join("many")).await;
    let ratio = many.processor_time.as_secs_f64() / few.processor_time.as_secs_f64();
    println!(
        "{MANY} runs at once on a simulated host, processor time of a run: {:.2?}, one among {FEW}: {:.2?}, ratio {ratio:.2}",
        many.processor_time, few.processor_time
    );
    println!(
        "memory while all of them wait for the model: {:.1} MiB, {} {MEMORY_MIB} MiB; of {FEW} runs: {:.1} MiB",
        many.memory_mib,
        if many.memory_mib <= MEMORY_MIB { "within" } else { "ABOVE" },
        few.memory_mib
    );
    println!(
        "from an answer to the place of the next prompt, p99: {:.1?}, {} {DELAY:?}; p50: {:.1?}",
        many.delay(99),
        if many.delay(99) <= DELAY { "within" } else { "ABOVE" },
        many.delay(50)
    );
}

struct Measured {
    /// Of one run.
    processor_time: Duration,
    /// Of the whole process, less what it had with an orchestrator and no run.
    memory_mib: f64,
    /// Sorted.
    delays: Vec<Duration>,
}

impl Measured {
    async fn of(count: usize, project: &Path, state: PathBuf) -> Self {
        let mut host = Host::start(project);
        let orchestrator = orchestrator(project, &host.url, state).await;
        let mut events = orchestrator.subscribe();
        let (idle, began) = (resident_kib(), processor_time());
        let start = async {
            let mut runs = Vec::new();
            for _ in 0..count {
                runs.push(orchestrator.run(RunRequest::new("two", "a task")).await.unwrap());
            }
            runs
        };
        let (_runs, (kept, mut delays)) = tokio::join!(start, follow(&mut events, count));
        let took = processor_time() - began;
        orchestrator.shutdown().await;
        host.end();
        delays.sort_unstable();
        assert_eq!(delays.len(), count);
        Self {
            processor_time: took / u32::try_from(count).unwrap(),
            memory_mib: kept.saturating_sub(idle) as f64 / 1024.0,
            delays,
        }
    }

    fn delay(&self, percent: usize) -> Duration {
        self.delays[(self.delays.len() - 1) * percent / 100]
    }
}

/// Follows so many runs to their end: the memory while all of them wait for their first answer, and from each of those how long
/// it takes until the next prompt has its place.
async fn follow(events: &mut EventStream, count: usize) -> (u64, Vec<Duration>) {
    let (mut kept, mut placed, mut finished) = (0, 0, 0);
    let (mut answered, mut delays) = (HashMap::new(), Vec::new());
    while finished < count {
        let event = match events.next().await.unwrap() {
            Received::Event(event) => event,
            Received::Lagged(missed) => panic!("{missed} events were missed"),
            _ => continue,
        };
        match &event.body {
            EventBody::StepProgress { progress: StepProgress::Placed { .. }, .. } => {
                placed += 1;
                if placed == count {
                    kept = resident_kib();
                }
                delays.extend(answered.remove(&event.run).map(|at: Instant| at.elapsed()));
            }
            EventBody::StepSettled { .. } => {
                assert!(kept > 0, "the model was faster than {count} runs could be started");
                answered.insert(event.run.clone(), Instant::now());
            }
            EventBody::RunFinished { status, .. } => {
                assert_eq!(*status, RunStatus::Success);
                finished += 1;
            }
            _ => {}
        }
    }
    (kept, delays)
}

async fn orchestrator(project: &Path, host: &str, state: PathBuf) -> Orchestrator {
    let step = |id: &str| json!({ "id": id, "workerId": "helper", "prompt": "do it: {task}" });
    let file = json!({
        "profiles": [{ "id": "helper", "kind": "agent", "maxConcurrency": MANY }],
        "workflows": { "definitions": [{ "id": "two", "steps": [step("one"), step("two")] }] },
    });
    let config = parse(file.to_string().as_bytes(), None, Trust::Trusted).unwrap().config;
    let host = orch::Host::server(host);
    Orchestrator::builder(project).config(config).host(host).state_root(state).silent().build().await.unwrap()
}

/// This program once more, as the host.
struct Host {
    process: Child,
    url: String,
}

impl Host {
    fn start(project: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg(HOST)
            .arg(project)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }

    fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn resident_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time = usage.user_time() + usage.system_time();
    Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap())
}
