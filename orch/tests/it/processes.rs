//! No process outlives the orchestrator that started it.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use orch::{
    config::{Config, Trust},
    opencode::simulator::{Answer, Hold, Script, Simulator, SimulatorOptions},
    prelude::*,
};

use serde_json::json;

use crate::world::{config, request, rest, within};

/// Stands for `opencode serve`: a process that has a password and says where it listens. Behind the address is a
/// simulated host of the test's. It speaks with the test through named pipes, and has a child of its own.
const PROGRAM: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo 1.18.33; exit; fi
sleep 600 & echo $! > "$SCRATCH/tool.pid"
echo $$ > "$SCRATCH/server.pid"
env > "$SCRATCH/environment"
printf '%s\n' "$OPENCODE_SERVER_PASSWORD" > "$SCRATCH/password"
read -r url < "$SCRATCH/url"
echo "opencode server listening on $url"
wait
"#;

/// Where the program is, and the pipes by which it speaks with the test.
pub(crate) struct Stage {
    scratch: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let stage = Self { scratch: tempfile::tempdir().unwrap() };
        let program = stage.path("opencode");
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let pipes = ["password", "url"].map(|name| stage.path(name));
        assert!(Command::new("mkfifo").args(pipes).status().unwrap().success());
        stage
    }

    pub(crate) fn directory(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub(crate) fn program(&self) -> Host {
        Host::launch([self.path("opencode")])
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![variable("PATH", "/usr/bin:/bin"), variable("SCRATCH", self.scratch.path().to_str().unwrap())]
    }

    /// The host behind the program once that was started, and the password that the program was given.
    pub(crate) async fn host(&self, script: Script) -> (Simulator, String) {
        let password = on_pipe(self.path("password"), |pipe| std::fs::read_to_string(pipe).unwrap()).await;
        let password = password.trim().to_owned();
        let directory = self.scratch.path().to_string_lossy();
        let options = SimulatorOptions::new(script).password(&password).directory(directory);
        let host = Simulator::start(options).await.unwrap();
        let line = format!("{}\n", host.url());
        on_pipe(self.path("url"), move |pipe| std::fs::write(pipe, line).unwrap()).await;
        (host, password)
    }
}

struct Launched {
    stage: Stage,
    orchestrator: Orchestrator,
    events: EventStream,
    _host: Simulator,
}

impl Launched {
    async fn start(script: Script) -> Self {
        Self::with(script, config()).await
    }

    async fn with(script: Script, config: Config) -> Self {
        let stage = Stage::new();
        let orchestrator = Orchestrator::builder(stage.directory())
            .config(config)
            .host(stage.program())
            .state_at(stage.path("state"))
            .environment(stage.environment())
            .build()
            .await
            .unwrap();
        let events = orchestrator.subscribe();
        let (reached, (host, _)) =
            within(async { tokio::join!(orchestrator.host(), stage.host(script)) }).await;
        reached.unwrap();
        let launched = Self { stage, orchestrator, events, _host: host };
        assert!(launched.pids().iter().all(|pid| is_alive(*pid)));
        launched
    }

    fn pids(&self) -> Vec<u32> {
        ["server.pid", "tool.pid"].map(|name| read_pid(&self.stage.path(name))).to_vec()
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
async fn a_launched_host_says_what_it_waits_for_and_what_it_leaves_out() {
    let launched = Launched::start(Script::new()).await;
    let Launched { orchestrator, mut events, .. } = launched;
    within(orchestrator.shutdown()).await;
    let mut told = Vec::new();
    while let Some(received) = within(events.next()).await {
        let Received::Status(status) = received else { panic!("{received:?}") };
        told.push(serde_json::to_value(&status.body).unwrap());
    }
    let not_trusted = "it runs without the project's own OpenCode plugins, tools and configuration: the project is not \
                       trusted (`orch trust`)";
    let first_answer = "waiting for its first answer, which may take minutes while plugins are installed";
    assert_eq!(
        told,
        [
            json!({ "type": "host.status", "status": "starting", "note": "waiting until it listens",
                    "warning": { "code": "not_trusted", "message": not_trusted } }),
            json!({ "type": "host.status", "status": "starting", "note": first_answer }),
            json!({ "type": "host.status", "status": "ready" }),
            json!({ "type": "host.status", "status": "stopped" }),
        ]
    );
}

/// Nobody sees what is shown to a host that is gone.
#[tokio::test]
async fn what_happens_after_a_launched_host_has_died_is_shown_on_the_one_in_its_place() {
    let toasts = |host: &Simulator| host.tui_calls().iter().filter(|call| call.route == "show-toast").count();
    let launched = Launched::start(Script::new().otherwise("done")).await;
    let Launched { stage, orchestrator, _host: first, .. } = &launched;
    let known = orchestrator.host().await.unwrap();
    let [server, tool] = launched.pids()[..] else { panic!("a server and its tool") };
    assert!(Command::new("kill").args(["-9", &server.to_string()]).status().unwrap().success());
    let launched_again = async {
        while Arc::ptr_eq(&known, &orchestrator.host().await.unwrap()) {
            tokio::task::yield_now().await;
        }
    };
    let ((), (second, _)) =
        within(async { tokio::join!(launched_again, stage.host(Script::new().otherwise("done"))) }).await;
    let run = within(orchestrator.run(request())).await.unwrap();
    assert_eq!(rest(&run).await.status, RunStatus::Success);
    within(orchestrator.clone().shutdown()).await;
    assert_eq!((toasts(first), toasts(&second)), (0, 1));
    all_gone(vec![server, tool]).await;
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

/// Whoever embeds decides about trust; who does not has decided against it.
#[tokio::test]
async fn a_host_is_started_without_what_the_project_brings_unless_the_configuration_is_trusted() {
    let mut trusted = config();
    trusted.trust = Trust::Trusted;
    for (config, is_left_out) in [(config(), true), (trusted, false)] {
        let launched = Launched::with(Script::new(), config).await;
        let environment = std::fs::read_to_string(launched.stage.path("environment")).unwrap();
        let variables: Vec<_> = environment.lines().collect();
        assert!(variables.contains(&"ORCH_WORKER=1"), "{environment}");
        assert_eq!(variables.contains(&"OPENCODE_DISABLE_PROJECT_CONFIG=1"), is_left_out, "{environment}");
        within(launched.orchestrator.shutdown()).await;
    }
}
