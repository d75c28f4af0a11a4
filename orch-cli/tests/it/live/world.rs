//! A project, a server, a model, and the command.

use std::{path::Path, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use orch::opencode::{
    HttpOpenCode, SessionId,
    simulator::{ModelCall, Script, ScriptedModel},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::OnceCell,
    time::timeout,
};

use super::server::{HandStarted, PASSWORD};
use crate::poll;

/// No command of these tests has more to do than a minute's work on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) struct World {
    scratch: tempfile::TempDir,
    pub(super) model: ScriptedModel,
    program: String,
    server: Option<HandStarted>,
}

impl World {
    /// A project with this configuration on a server whose model answers by this script.
    pub(super) async fn start(program: &str, script: Script, config: &Value) -> Self {
        Self::without_server(program, script, config).await.with_server().await
    }

    /// The same with its server, which sees whatever was written into its home before.
    pub(super) async fn with_server(mut self) -> Self {
        let settings = self.model.opencode_config();
        let server = HandStarted::start(&self.program, &self.home(), &self.project(), &settings).await;
        self.server = Some(server);
        self
    }

    pub(super) fn home(&self) -> std::path::PathBuf {
        self.scratch.path().join("home")
    }

    /// OpenCode's settings of the person, for all projects.
    pub(super) fn own_settings(&self, settings: &Value) {
        std::fs::write(self.home().join(".config/opencode/opencode.json"), settings.to_string()).unwrap();
    }

    pub(super) fn state(&self) -> std::path::PathBuf {
        self.scratch.path().join("state")
    }

    /// The same without a server: the command has to start one.
    pub(super) async fn without_server(program: &str, script: Script, config: &Value) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["home", "project/.opencode", "state"] {
            std::fs::create_dir_all(scratch.path().join(name)).unwrap();
        }
        let file = scratch.path().join("project/.opencode/orchestrator.json");
        std::fs::write(file, config.to_string()).unwrap();
        let home = scratch.path().join("home");
        let version = version(program, &home).await;
        for settings in [home.join(".config/opencode"), scratch.path().join("project/.opencode")] {
            seed_plugin_package(&settings, version);
        }
        let model = ScriptedModel::start(script).await.unwrap();
        Self { scratch, model, program: program.to_owned(), server: None }
    }

    pub(super) fn url(&self) -> &str {
        &self.server.as_ref().unwrap().url
    }

    /// A client of the test's own, to look at what is really there.
    pub(super) fn host(&self) -> HttpOpenCode {
        HttpOpenCode::builder(self.url(), self.project().to_string_lossy())
            .password(PASSWORD.to_owned().into(), "the test")
            .build()
            .unwrap()
    }

    pub(super) fn project(&self) -> std::path::PathBuf {
        self.scratch.path().join("project")
    }

    /// A file of the project; its path.
    pub(super) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.project().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// The command in the project, with the server and the state directory of this world.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(self.scratch.path(), arguments);
        command
            .current_dir(self.project())
            .env("ORCH_OPENCODE", &self.program)
            .env("OPENCODE_CONFIG_CONTENT", self.model.opencode_config().to_string())
            .env("OPENCODE_DISABLE_MODELS_FETCH", "1")
            .env("ORCH_STATE_DIR", self.state());
        if let Some(server) = &self.server {
            command.env("ORCH_SERVER", &server.url).env("OPENCODE_SERVER_PASSWORD", PASSWORD);
        }
        command
    }

    pub(super) async fn orch(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments)).await
    }

    /// Starts `orch … --json`, to be followed by its events.
    pub(super) fn begin(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).arg("--json").spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines, seen: Vec::new() }
    }

    /// The run as `orch show` tells it.
    pub(super) async fn show(&self, run: &str) -> Value {
        let shown = self.orch(&["show", run, "--json"]).await;
        assert_eq!(shown.code, 0, "{shown:?}");
        shown.json()["run"].clone()
    }

    /// The prompts that the model was given for one run, recognised by a word of its task.
    pub(super) fn prompts(&self, word: &str) -> Vec<ModelCall> {
        self.model.prompts().into_iter().filter(|call| call.text.contains(word)).collect()
    }

    /// Ends the service of the project, if one runs.
    pub(super) async fn end_service(&self) {
        let Ok(mut projects) = std::fs::read_dir(self.state().join("projects")) else { return };
        let file = projects.next().unwrap().unwrap().path().join("serve.json");
        let Ok(text) = std::fs::read_to_string(&file) else { return };
        let serve: Value = serde_json::from_str(&text).unwrap();
        let pid = i32::try_from(serve["pid"].as_i64().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    }

    /// What the processes of this world were started with: their words, and their environment.
    pub(super) fn started(&self) -> Vec<(Vec<String>, Vec<String>)> {
        let read = |process: &str, file: &str| {
            let read = std::fs::read(Path::new(process).join(file)).unwrap_or_default();
            read.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
        };
        let processes = processes_of(self.scratch.path());
        processes.iter().map(|process| (read(process, "cmdline"), read(process, "environ"))).collect()
    }

    /// What the service of the project has written down for those who may speak to it.
    pub(super) fn service(&self) -> Value {
        let mut projects = std::fs::read_dir(self.state().join("projects")).unwrap();
        let file = projects.next().unwrap().unwrap().path().join("serve.json");
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    }

    /// How many servers of workers run.
    pub(super) fn servers(&self) -> usize {
        let holds = |process: &String, file: &str, text: &[u8]| {
            let read = std::fs::read(Path::new(process).join(file)).unwrap_or_default();
            read.split(|byte| *byte == 0).any(|word| word == text)
        };
        let servers = processes_of(self.scratch.path()).into_iter();
        servers
            .filter(|process| {
                holds(process, "environ", b"ORCH_WORKER=1") && holds(process, "cmdline", b"serve")
            })
            .count()
    }

    /// Ends the command that somebody else started with this argument, by SIGTERM, and waits until it is gone.
    pub(super) async fn terminate(&self, argument: &str) {
        let is_it = |process: &String| {
            let line = std::fs::read(Path::new(process).join("cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0);
            words.next() == Some(env!("CARGO_BIN_EXE_orch").as_bytes())
                && words.next() == Some(argument.as_bytes())
        };
        let found: Vec<_> = processes_of(self.scratch.path()).into_iter().filter(is_it).collect();
        for process in &found {
            let pid = process.rsplit_once('/').unwrap().1.parse().unwrap();
            kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        }
        let gone = poll::until_so(async || !found.iter().any(is_it));
        timeout(PATIENCE, gone).await.expect("it ends in time");
    }

    /// Ends the server; nothing that was started in this world may be left.
    pub(super) async fn stop(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
        assert_nothing_left(self.scratch.path()).await;
        self.model.shutdown();
    }
}

/// The command with nothing of the environment but what it needs.
pub(super) fn bare(scratch: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orch"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", scratch.join("home"))
        .env("USER", "tester")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The version of the program, which is the same in all tests.
async fn version(program: &str, home: &Path) -> &'static str {
    static VERSION: OnceCell<String> = OnceCell::const_new();
    let ask = async || {
        let output = Command::new(program).arg("--version").env("HOME", home).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    VERSION.get_or_init(ask).await
}

/// Servers of workers load a plugin of ours, and a host that loads one first fetches a package into every directory of
/// settings that lacks it. What looks installed is left alone (observed on 1.18.33).
fn seed_plugin_package(settings: &Path, version: &str) {
    const PACKAGE: &str = "@opencode-ai/plugin";
    let module = settings.join("node_modules").join(PACKAGE);
    std::fs::create_dir_all(&module).unwrap();
    let wanted = json!({ "dependencies": { PACKAGE: version } });
    let packages = json!({ "": wanted, format!("node_modules/{PACKAGE}"): { "version": version } });
    let lock = json!({ "name": "opencode", "lockfileVersion": 3, "requires": true, "packages": packages });
    let own = json!({ "name": PACKAGE, "version": version, "type": "module" });
    std::fs::write(module.join("package.json"), own.to_string()).unwrap();
    std::fs::write(settings.join("package.json"), wanted.to_string()).unwrap();
    std::fs::write(settings.join("package-lock.json"), lock.to_string()).unwrap();
}

/// Every process that was started below this directory has its path in its environment, on systems that show it.
pub(super) async fn assert_nothing_left(scratch: &Path) {
    let gone = poll::until_so(async || processes_of(scratch).is_empty());
    let gone = timeout(Duration::from_secs(10), gone).await;
    assert!(gone.is_ok(), "left behind: {:?}", processes_of(scratch));
}

fn processes_of(scratch: &Path) -> Vec<String> {
    let needle = scratch.as_os_str().as_encoded_bytes();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let environ = |path: &Path| std::fs::read(path.join("environ")).unwrap_or_default();
    processes
        .flatten()
        .map(|process| process.path())
        .filter(|path| environ(path).windows(needle.len()).any(|window| window == needle))
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

/// A command that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    pub(super) async fn of(mut command: Command) -> Self {
        let output = timeout(PATIENCE, command.output()).await.expect("the command ends in time").unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one value on stdout.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| unreachable!("{error}: {self:?}"))
    }

    /// The JSON events on stdout.
    pub(super) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The run that the events are about.
    pub(super) fn run(&self) -> String {
        let run = self.events().iter().find_map(|event| event["run"].as_str().map(str::to_owned));
        run.unwrap_or_else(|| unreachable!("no run: {self:?}"))
    }
}

/// A command at work, followed by its events.
pub(super) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<Value>,
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next event of this type.
    pub(super) async fn event(&mut self, kind: &str) -> Value {
        self.event_where(kind, |_| true).await
    }

    pub(super) async fn event_where(&mut self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = timeout(PATIENCE, self.next()).await.expect("the event comes in time");
            let event = event.unwrap_or_else(|| unreachable!("no {kind}, but {:#?}", self.seen));
            if event["type"] == kind && is_it(&event) {
                return event;
            }
        }
    }

    /// The session in which the step at work is.
    pub(super) async fn placed(&mut self) -> SessionId {
        let is_placed = |event: &Value| event["progress"]["phase"] == "placed";
        let event = self.event_where("step.progress", is_placed).await;
        SessionId::parse(event["progress"]["session"].as_str().unwrap()).unwrap()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// `kill -9`, and nothing of it is left.
    pub(super) async fn murder(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end; all events since the start are in the answer.
    pub(super) async fn ended(mut self) -> (Ended, Vec<Value>) {
        let rest = async {
            while self.next().await.is_some() {}
            let mut stderr = String::new();
            self.child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
            (self.child.wait().await.unwrap(), stderr)
        };
        let (status, stderr) = timeout(PATIENCE, rest).await.expect("the command ends in time");
        (Ended { code: status.code().unwrap_or(-1), stdout: String::new(), stderr }, self.seen)
    }

    /// The next line.
    pub(super) async fn next(&mut self) -> Option<Value> {
        let line = self.lines.next_line().await.unwrap()?;
        let event: Value = serde_json::from_str(&line).unwrap();
        self.seen.push(event.clone());
        Some(event)
    }
}
