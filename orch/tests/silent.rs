//! The library writes nothing, whatever happens: a program that embeds it, with no tracing subscriber, sees an empty
//! stdout and an empty stderr. A test harness prints, so this test has none.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use orch::{
    opencode::simulator::{Answer, Script, Simulator, SimulatorOptions, When, demo_script},
    prelude::*,
};

/// Says which of the two programs this process is.
const EMBEDS: &str = "ORCH_TEST_EMBEDS";

fn main() {
    if std::env::var_os(EMBEDS).is_some() {
        return embed();
    }
    let output = Command::new(std::env::current_exe().unwrap()).env(EMBEDS, "1").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(SUCCESS));
}

/// No other way to end has this code.
const SUCCESS: i32 = 42;

#[tokio::main]
async fn embed() {
    succeeds().await;
    fails().await;
    std::process::exit(SUCCESS);
}

async fn succeeds() {
    let host = Simulator::start(SimulatorOptions::new(demo_script())).await.unwrap();
    let orchestrator =
        Orchestrator::builder(host.directory()).host(Host::server(host.url())).build().await.unwrap();
    let run = orchestrator.run(RunRequest::new("build", "add a flag")).await.unwrap();
    assert_eq!(run.wait().await.unwrap().status, RunStatus::Success);
    orchestrator.shutdown().await;
}

/// A model that fails, a run that is wrong, and an orchestrator that is dropped with a run at a gate.
async fn fails() {
    let script = Script::new().on(When::any(), Answer::error(400, "no"));
    let host = Simulator::start(SimulatorOptions::new(script)).await.unwrap();
    let orchestrator =
        Orchestrator::builder(host.directory()).host(Host::server(host.url())).build().await.unwrap();
    orchestrator.run(RunRequest::new("bild", "add a flag")).await.unwrap_err();
    let run = orchestrator.run(RunRequest::new("build", "add a flag")).await.unwrap();
    assert_eq!(run.wait().await.unwrap().status, RunStatus::Paused);
}
