//! No process outlives the orchestrator that started it.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use orch::{
    opencode::simulator::{Answer, Hold, Script, Simulator, SimulatorOptions},
    prelude::*,
};

use crate::world::{config, request, within};

/// Stands for `opencode serve`: a process that has a password and says where it listens. Behind the address is a
/// simulated host of the test's. It speaks with the test through named pipes, and has a child of its own.
const PROGRAM: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo 1.18.33; exit; fi
sleep 600 & echo $! > "$SCRATCH/tool.pid"
echo $$ > "$SCRATCH/server.pid"
printf '%s\n' "$OPENCODE_SERVER_PASSWORD" > "$SCRATCH/password"
read -r url < "$SCRATCH/url"
echo "opencode server listening on $url"
wait
"#;

struct Launched {
    scratch: tempfile::TempDir,
    orchestrator: Orchestrator,
    _host: Simulator,
}

impl Launched {
    async fn start(script: Script) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let program = scratch.path().join("opencode");
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (password, url) = (scratch.path().join("password"), scratch.path().join("url"));
        assert!(Command::new("mkfifo").args([&password, &url]).status().unwrap().success());

        let orchestrator = Orchestrator::builder(scratch.path())
            .config(config())
            .host(Host::launch([&program]))
            .state_at(scratch.path().join("state"))
            .environment([("PATH", "/usr/bin:/bin"), ("SCRATCH", scratch.path().to_str().unwrap())])
            .build()
            .await
            .unwrap();
        let directory = scratch.path().to_string_lossy().into_owned();
        let simulated = async {
            let password = on_pipe(password, |pipe| std::fs::read_to_string(pipe).unwrap()).await;
            let options = SimulatorOptions::new(script).password(password.trim()).directory(directory);
            let host = Simulator::start(options).await.unwrap();
            let line = format!("{}\n", host.url());
            on_pipe(url, move |pipe| std::fs::write(pipe, line).unwrap()).await;
            host
        };
        let (reached, host) = within(async { tokio::join!(orchestrator.host(), simulated) }).await;
        reached.unwrap();
        let launched = Self { scratch, orchestrator, _host: host };
        assert!(launched.pids().iter().all(|pid| is_alive(*pid)));
        launched
    }

    fn pids(&self) -> Vec<u32> {
        ["server.pid", "tool.pid"].map(|name| read_pid(&self.scratch.path().join(name))).to_vec()
    }
}

async fn on_pipe<T: Send + 'static>(pipe: PathBuf, act: impl FnOnce(PathBuf) -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(move || act(pipe)).await.unwrap()
}

fn read_pid(file: &Path) -> u32 {
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

async fn all_gone(pids: Vec<u32>) {
    within(async {
        while pids.iter().any(|pid| is_alive(*pid)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_ends_the_host_and_says_so() {
    let launched = Launched::start(Script::new()).await;
    let pids = launched.pids();
    let shutdown = within(launched.orchestrator.shutdown()).await;
    assert!(shutdown.host.is_some());
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "they are gone when it returns");
}

#[tokio::test]
async fn a_dropped_orchestrator_leaves_no_process() {
    let launched = Launched::start(Script::new()).await;
    let pids = launched.pids();
    drop(launched.orchestrator);
    all_gone(pids).await;
}

#[tokio::test]
async fn one_that_is_dropped_with_a_step_in_flight_leaves_none_either() {
    let hold = Hold::new();
    let launched = Launched::start(Script::new().otherwise(Answer::text("late").held(&hold))).await;
    let pids = launched.pids();
    drop(launched.orchestrator.run(request()).await.unwrap());
    within(hold.wait_arrived()).await;
    drop(launched.orchestrator);
    all_gone(pids).await;
}
