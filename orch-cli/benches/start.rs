//! What `orch` costs when it is only asked something: the processor time of whole processes, from start to end.
//!
//! Budget: 10 ms for `--version` and `runs`, an absolute figure, because a person waits for it; the processor time of a
//! process varies less than the time that passes. The dashboard reads all runs, to sum up what they cost, and has no
//! budget.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and fails by panicking"
)]

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nix::sys::resource::{UsageWho, getrusage};
use orch::{
    opencode::simulator::{Script, Simulator, SimulatorOptions},
    prelude::*,
};

const ROUNDS: u32 = 50;
const RUNS: usize = 100;
const BUDGET: Duration = Duration::from_millis(10);

fn main() {
    let root = tempfile::tempdir().unwrap();
    let project = root.path().join("project");
    std::fs::create_dir(&project).unwrap();
    let project = project.canonicalize().unwrap();
    let state = root.path().join("state");
    tokio::runtime::Runtime::new().unwrap().block_on(fill(&project, &state));

    let kept = serde_json::from_slice::<serde_json::Value>(&output(
        &project,
        &state,
        &["runs", "--limit", "1000", "--json"],
    ));
    assert_eq!(kept.unwrap().as_array().unwrap().len(), RUNS);
    for (arguments, budget) in
        [(&["--version"][..], Some(BUDGET)), (&["runs"], Some(BUDGET)), (&["dashboard"], None)]
    {
        let each = processor_time(|| {
            for _ in 0..ROUNDS {
                output(&project, &state, arguments);
            }
        }) / ROUNDS;
        let verdict = match budget {
            Some(budget) if each <= budget => format!(", within {budget:?}"),
            Some(budget) => format!(", ABOVE {budget:?}"),
            None => String::new(),
        };
        println!(
            "orch {}, with {RUNS} runs in the store: {each:?} of processor time{verdict}",
            arguments.join(" ")
        );
    }
}

/// Runs the built-in build workflow that often, on a simulated host.
async fn fill(project: &Path, state: &Path) {
    let script = Script::new().otherwise("Done.\n\n```json\n{\"verdict\":\"approved\",\"findings\":[]}\n```");
    let options = SimulatorOptions::new(script).directory(project.to_string_lossy());
    let simulator = Simulator::start(options).await.unwrap();
    let orchestrator = Orchestrator::builder(project)
        .host(Host::server(simulator.url()))
        .state_root(state)
        .silent()
        .build()
        .await
        .unwrap();
    for _ in 0..RUNS {
        let run = orchestrator
            .run(RunRequest::new("build", "add a flag").intervene(Intervene::Never))
            .await
            .unwrap();
        run.wait().await.unwrap();
    }
    orchestrator.shutdown().await;
    simulator.shutdown();
}

fn output(project: &Path, state: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_orch"))
        .args(arguments)
        .current_dir(project)
        .env_clear()
        .env("HOME", state)
        .env("ORCH_STATE_DIR", state)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// What the processes took that began and ended meanwhile.
fn processor_time(work: impl FnOnce()) -> Duration {
    let taken = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        let time = usage.user_time() + usage.system_time();
        Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap())
    };
    let before = taken();
    work();
    taken() - before
}
