//! What orch adds to a real OpenCode: a workflow against its bare prompts, and servers that start together against one
//! after the other. A scripted model answers, each turn after a second. A start of OpenCode keeps more than one core busy, so
//! servers are started twice: as they are, and with a stand-in that waits as long and needs no processor.
//!
//! Needs the `opencode` that `ORCH_TEST_OPENCODE` names, as `cargo xtask bench` does. Without one it says so and measures
//! nothing.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and fails by panicking"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use orch::{
    config::{Trust, id::ProfileId, load::parse},
    opencode::simulator::{Answer, Script, ScriptedModel, Simulator, SimulatorOptions},
    prelude::*,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::{JoinSet, spawn_blocking};

const BINARY: &str = "ORCH_TEST_OPENCODE";
const PASSWORD: &str = "of the benchmark";
const STEPS: usize = 4;
const TURN: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;
const WORKFLOW_BUDGET: f64 = 1.05;
const SERVERS: [&str; 4] = ["east", "west", "north", "south"];
const SERVERS_BUDGET: f64 = 0.6;

/// The argument by which this program becomes the stand-in.
const STAND_IN: &str = "--as-a-stand-in";
/// About as long as OpenCode takes.
const START: Duration = Duration::from_secs(2);

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if std::env::args().any(|argument| argument == STAND_IN) {
        return runtime.block_on(stand_in());
    }
    let Some(program) = std::env::var(BINARY).ok().filter(|program| !program.is_empty()) else {
        println!("SKIPPED: {BINARY} names no opencode, and nothing was measured");
        return;
    };
    runtime.block_on(async {
        rustls::crypto::ring::default_provider().install_default().unwrap();
        let (world, client) = (World::start(program).await, reqwest::Client::new());
        workflow(&world, &client).await;
        servers(&world, &client).await;
    });
}

/// A workflow of four steps, with its store and its checks, against the four prompts alone.
async fn workflow(world: &World, client: &reqwest::Client) {
    let orchestrator = world.orchestrator(&world.program, &[], "workflow").await;
    // The first prompt of a server takes seconds that belong to nobody.
    world.bare(client).await;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..STEPS {
            world.bare(client).await;
        }
        bare.push(began.elapsed());
        let began = Instant::now();
        let run = orchestrator.run(RunRequest::new("four", "a task")).await.unwrap();
        assert_eq!(run.wait().await.unwrap().status, RunStatus::Success);
        ours.push(began.elapsed());
    }
    orchestrator.shutdown().await;
    let (ours, bare) = (median(ours), median(bare));
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!(
        "{STEPS} steps whose model takes {TURN:?} each: {ours:.3?}; the bare prompts: {bare:.3?}; ratio {ratio:.3}, {}",
        verdict(ratio, WORKFLOW_BUDGET)
    );
}

/// Four servers of workers, each with data of its own that is not there yet; and the program alone, which says how much of
/// that this machine can do at once.
async fn servers(world: &World, client: &reqwest::Client) {
    let stand_in = world.stand_in();
    let (mut waiting, mut ours, mut bare) = (Starts::default(), Starts::default(), Starts::default());
    for round in 0..2 {
        let state = |what: &str| format!("{what}-{round}");
        waiting.add(async |names| world.warm_up(&stand_in, names, &state("waiting")).await).await;
        ours.add(async |names| world.warm_up(&world.program, names, &state("ours")).await).await;
        bare.add(async |names| world.bare_servers(client, names, &state("bare")).await).await;
    }
    let ratio = waiting.report("four servers of workers that wait");
    println!("… {}", verdict(ratio, SERVERS_BUDGET));
    let ratio = ours.report("four servers of workers");
    println!("… {}", verdict(ratio, SERVERS_BUDGET));
    bare.report("four of the program without orch");
}

/// How long it took until all were ready.
#[derive(Default)]
struct Starts {
    together: Vec<Duration>,
    apart: Vec<Duration>,
}

impl Starts {
    /// Starts each alone, then all at once.
    async fn add(&mut self, mut start: impl AsyncFnMut(&[&str]) -> Duration) {
        let mut apart = Duration::ZERO;
        for name in SERVERS {
            apart += start(&[name]).await;
        }
        self.apart.push(apart);
        self.together.push(start(&SERVERS).await);
    }

    fn report(self, what: &str) -> f64 {
        let (together, apart) = (median(self.together), median(self.apart));
        let ratio = together.as_secs_f64() / apart.as_secs_f64();
        println!(
            "{what} started together: {together:.2?}; one after the other: {apart:.2?}; ratio {ratio:.2}"
        );
        ratio
    }
}

fn verdict(ratio: f64, budget: f64) -> String {
    format!("{} {budget}", if ratio <= budget { "within" } else { "ABOVE" })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A server as a person starts it, its model, and an empty project.
struct World {
    root: TempDir,
    program: String,
    model: ScriptedModel,
    server: Server,
}

/// A process of the program that listens.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(program: &str, directory: &Path, environment: Vec<(String, String)>) -> Self {
        let mut command = Command::new(program);
        command
            .args(["serve", "--hostname", "127.0.0.1", "--port", "0"])
            .current_dir(directory)
            .env_clear()
            .envs(environment)
            .env("OPENCODE_SERVER_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address =
            lines.find_map(|line| line.unwrap().split_once("listening on ").map(|(_, url)| url.to_owned()));
        let url = address.unwrap().trim().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

impl World {
    async fn start(program: String) -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["home", "project"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        seed_plugin_package(&root.path().join("home/.config/opencode"));
        let model =
            ScriptedModel::start(Script::new().otherwise(Answer::text("done").after(TURN))).await.unwrap();
        let server = Server::start(&program, &root.path().join("project"), environment(&root, &model));
        Self { root, program, model, server }
    }

    /// A program that takes its time to start, and then is a simulated host.
    fn stand_in(&self) -> String {
        let path = self.root.path().join("stand-in");
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 1.18.33; exit 0; fi\nsleep {}\nexec {} {STAND_IN}\n",
            START.as_secs(),
            std::env::current_exe().unwrap().display(),
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// How long so many of the program take to answer a first request, each on data of its own that is not there yet.
    async fn bare_servers(&self, client: &reqwest::Client, names: &[&str], state: &str) -> Duration {
        let began = Instant::now();
        let mut starting = JoinSet::new();
        for name in names {
            let data = self.root.path().join(format!("{state}-{}-{name}", names.len()));
            let mut environment = environment(&self.root, &self.model);
            environment.push(("XDG_DATA_HOME".to_owned(), data.display().to_string()));
            let (program, project, client) = (self.program.clone(), self.project(), client.clone());
            starting.spawn(async move {
                let start = move || Server::start(&program, Path::new(&project), environment);
                let server = spawn_blocking(start).await.unwrap();
                let agents =
                    client.get(format!("{}/agent", server.url)).basic_auth("opencode", Some(PASSWORD));
                assert!(agents.send().await.unwrap().status().is_success());
                server
            });
        }
        let servers = starting.join_all().await;
        let took = began.elapsed();
        drop(servers);
        took
    }

    /// One prompt in a session of its own, answered in the reply to it.
    async fn bare(&self, client: &reqwest::Client) {
        let call = |path: &str, body: serde_json::Value| {
            let call =
                client.post(format!("{}{path}", self.server.url)).basic_auth("opencode", Some(PASSWORD));
            let call = call.header("x-opencode-directory", self.project()).body(body.to_string());
            call.header("content-type", "application/json").send()
        };
        let session = call("/session", json!({ "title": "bare" })).await.unwrap().text().await.unwrap();
        let session: serde_json::Value = serde_json::from_str(&session).unwrap();
        let prompt = json!({ "parts": [{ "type": "text", "text": "do it" }] });
        let path = format!("/session/{}/message", session["id"].as_str().unwrap());
        let answer = call(&path, prompt).await.unwrap().text().await.unwrap();
        assert!(answer.contains("done"), "{answer}");
    }

    /// How long these workers' servers take to be ready, from nothing.
    async fn warm_up(&self, program: &str, workers: &[&str], state: &str) -> Duration {
        let state = format!("{state}-{}", workers.concat());
        let orchestrator = self.orchestrator(program, workers, &state).await;
        let began = Instant::now();
        let failed = orchestrator.warm_up().await.unwrap();
        let took = began.elapsed();
        assert!(failed.is_empty(), "{failed:?}");
        orchestrator.shutdown().await;
        took
    }

    async fn orchestrator(&self, program: &str, workers: &[&str], state: &str) -> Orchestrator {
        let steps: Vec<_> = (0..STEPS)
            .map(|step| json!({ "id": format!("s{step}"), "workerId": "helper", "prompt": "do it" }))
            .collect();
        let mut profiles = vec![json!({ "id": "helper", "kind": "agent" })];
        profiles.extend(SERVERS.map(|id| json!({ "id": id, "kind": "server" })));
        let file = json!({
            "profiles": profiles,
            "opencode": { "command": program },
            "workflows": { "ui": { "intervene": "never" }, "definitions": [{ "id": "four", "steps": steps }] },
        });
        let mut config = parse(file.to_string().as_bytes(), None, Trust::Trusted).unwrap().config;
        config.spawn = workers.iter().map(|id| ProfileId::new(*id).unwrap()).collect();
        Orchestrator::builder(self.project())
            .config(config)
            .host(Host::server(&self.server.url).password(PASSWORD))
            .state_root(self.root.path().join(state))
            .environment(environment(&self.root, &self.model))
            .silent()
            .build()
            .await
            .unwrap()
    }

    fn project(&self) -> String {
        self.root.path().join("project").canonicalize().unwrap().display().to_string()
    }
}

/// A host with nothing behind it, with the password that a server of a worker is given.
async fn stand_in() {
    let options = SimulatorOptions::new(Script::new())
        .password(std::env::var("OPENCODE_SERVER_PASSWORD").unwrap())
        .directory(std::env::current_dir().unwrap().display().to_string());
    let simulator = Simulator::start(options).await.unwrap();
    println!("opencode server listening on {}", simulator.url());
    std::future::pending().await
}

/// As a user's configuration directory looks once OpenCode has been used: without it each server first installs the package
/// from the network.
fn seed_plugin_package(settings: &Path) {
    const PACKAGE: &str = "@opencode-ai/plugin";
    const VERSION: &str = "1.18.33";
    let module = settings.join("node_modules").join(PACKAGE);
    fs::create_dir_all(&module).unwrap();
    let wanted = json!({ "dependencies": { PACKAGE: VERSION } });
    let packages = json!({ "": wanted, format!("node_modules/{PACKAGE}"): { "version": VERSION } });
    let lock = json!({ "name": "opencode", "lockfileVersion": 3, "requires": true, "packages": packages });
    let own = json!({ "name": PACKAGE, "version": VERSION, "type": "module" });
    fs::write(module.join("package.json"), own.to_string()).unwrap();
    fs::write(settings.join("package.json"), wanted.to_string()).unwrap();
    fs::write(settings.join("package-lock.json"), lock.to_string()).unwrap();
}

fn environment(root: &TempDir, model: &ScriptedModel) -> Vec<(String, String)> {
    [
        ("PATH", std::env::var("PATH").unwrap()),
        ("HOME", root.path().join("home").display().to_string()),
        ("OPENCODE_CONFIG_CONTENT", model.opencode_config().to_string()),
        ("OPENCODE_DISABLE_PROJECT_CONFIG", "1".to_owned()),
        ("OPENCODE_DISABLE_AUTOUPDATE", "1".to_owned()),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned()),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
