//! A project, a state directory and a simulated host that a real `orch` works on.

use std::{
    fs,
    future::Future,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use orch::opencode::simulator::{Answer, Hold, Script, Simulator, SimulatorOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

/// Longer than anything here takes, short enough that a test that hangs says so.
const LIMIT: Duration = Duration::from_secs(60);

/// Fails the test instead of waiting for ever.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited too long for {what}"),
    }
}

pub(crate) struct World {
    root: TempDir,
    pub(crate) simulator: Simulator,
}

/// How a command ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    /// Three workflows for one worker: `last` has the step `one`, `two` and `three` have that many steps. Every prompt
    /// reads `step <name>: <task>`.
    pub(crate) async fn new(script: Script) -> Self {
        Self::with(SimulatorOptions::new(script)).await
    }

    pub(crate) async fn with(options: SimulatorOptions) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["project", "home", "empty"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        let project = fs::canonicalize(root.path().join("project")).unwrap();
        let options = options.directory(project.to_string_lossy());
        let world = Self { root, simulator: Simulator::start(options).await.unwrap() };
        world.configure(&standard());
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// Writes the project's configuration.
    pub(crate) fn configure(&self, config: &Value) {
        self.configure_text(&serde_json::to_string_pretty(config).unwrap());
    }

    pub(crate) fn configure_text(&self, text: &str) {
        fs::write(self.project().join("orchestrator.json"), text).unwrap();
    }

    /// Writes the person's own configuration.
    pub(crate) fn own(&self, config: &Value) {
        let folder = self.path("home/.config/opencode");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("orchestrator.json"), config.to_string()).unwrap();
    }

    /// A program of the test's own.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// `orch` in the project, with nothing of the surroundings but what is set here.
    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orch"));
        command
            .args(arguments)
            .current_dir(self.project())
            .env_clear()
            .env("PATH", self.path("empty"))
            .env("HOME", self.path("home"))
            .env("USER", "ada")
            .env("ORCH_STATE_DIR", self.path("state"))
            .env("ORCH_SERVER", self.simulator.url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn orch<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        output(&mut self.command(arguments)).await
    }

    /// Runs a command to its end with this on standard input.
    pub(crate) async fn orch_reading<'a>(
        &self,
        input: &str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        Output::of(within("a command", child.wait_with_output()).await.unwrap())
    }

    /// Starts a command that a test watches while it works.
    pub(crate) fn start<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Process {
        Process::new(self.command(arguments).spawn().unwrap())
    }

    /// Starts a run whose first answer waits at this hold, and lets it come that far.
    pub(crate) async fn start_held(&self, hold: &Hold, workflow: &str) -> (Process, String) {
        let mut process = self.start(["run", workflow, "a task", "--json"]);
        let started = process.event("run.started").await;
        let run = started["run"].as_str().unwrap().to_owned();
        within("the model to be asked", hold.wait_arrived()).await;
        (process, run)
    }

    /// What `orch show --json` says of a run.
    pub(crate) async fn show(&self, run: &str) -> Value {
        let shown = self.orch(["show", run, "--json"]).await;
        assert_eq!(shown.code, Some(0), "{shown:?}");
        shown.json()["run"].take()
    }

    /// The texts of the prompts that the host was sent for an answer, in order.
    pub(crate) fn prompts(&self) -> Vec<String> {
        let prompts = self.simulator.prompts();
        prompts.into_iter().filter(|prompt| !prompt.no_reply).map(|prompt| prompt.text).collect()
    }

    /// A page for people with ids, times and the widths of columns made the same.
    pub(crate) fn steady(&self, text: &str) -> String {
        self.normal(text).lines().map(steadied).collect::<Vec<_>>().join("\n")
    }

    /// What differs from one test run to the next, made the same.
    pub(crate) fn normal(&self, text: &str) -> String {
        let root = fs::canonicalize(self.root.path()).unwrap();
        let address = self.simulator.url();
        text.replace(&*root.to_string_lossy(), "[root]")
            .replace(&*self.root.path().to_string_lossy(), "[root]")
            .replace(&address, "[server]")
    }
}

/// The same text with ids, times and the widths of columns made the same in every run.
fn steadied(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let numeric = |word: &str| {
        word.starts_with(|char: char| char.is_ascii_digit()) && !word.contains(char::is_alphabetic)
    };
    let steadied = words.iter().enumerate().map(|(at, &word)| {
        let bare = word.trim_end_matches([',', ':', ')', ';', '`']);
        let rest = &word[bare.len()..];
        let is_unit = |word: &str| matches!(word.trim_end_matches([',', ')', '.']), "ms" | "s" | "min");
        let kept = match () {
            () if bare.starts_with("run_") => "run_…",
            () if bare.starts_with("ses_") => "ses_…",
            () if bare.starts_with("msg_") => "msg_…",
            () if numeric(bare) && words.get(at + 1).is_some_and(|next| is_unit(next)) => "#",
            () if at > 0 && is_unit(word) && numeric(words[at - 1]) => "s",
            () if bare.contains(':') && numeric(bare.trim_start_matches('+')) => "#",
            () => bare,
        };
        format!("{kept}{rest}")
    });
    steadied.collect::<Vec<_>>().join(" ")
}

/// The configuration that tests start from.
pub(crate) fn standard() -> Value {
    let step = |id: &str| json!({ "id": id, "workerId": "w", "prompt": format!("step {id}: {{task}}") });
    json!({
        "profiles": [{ "id": "w", "kind": "agent" }],
        "workflows": { "definitions": [
            { "id": "last", "steps": [step("one")] },
            { "id": "two", "steps": [step("one"), step("two")] },
            { "id": "three", "steps": [step("one"), step("two"), step("three")] },
        ] },
    })
}

/// An answer with a warning.
pub(crate) fn warning() -> Answer {
    Answer::text("## Summary\ndone\n\n## Warnings\n- look at this\n")
}

/// An answer that fails for good.
pub(crate) fn failure() -> Answer {
    Answer::error(400, "the model said no")
}

pub(crate) async fn output(command: &mut Command) -> Output {
    Output::of(within("a command", command.output()).await.unwrap())
}

impl Output {
    fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The only line of stdout, as JSON.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Every line of stdout, as JSON.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The run that the events are about.
    pub(crate) fn run(&self) -> String {
        let run = self.events().iter().find_map(|event| event["run"].as_str().map(str::to_owned));
        run.unwrap_or_else(|| panic!("no run: {self:?}"))
    }

    /// The machine code of the error under `--json`.
    pub(crate) fn error(&self) -> String {
        let last = self.events().pop().unwrap_or_else(|| panic!("no line: {self:?}"));
        last["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {self:?}")).to_owned()
    }
}

/// A command at work. It is killed when a test ends before it does.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    seen: Vec<String>,
}

impl Process {
    fn new(mut child: Child) -> Self {
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.unwrap();
            text
        });
        Self { child, lines, stderr, seen: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next event of this type.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        self.event_where(kind, |event| event["type"] == kind).await
    }

    pub(crate) async fn event_where(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Some(line) = within(what, self.lines.next_line()).await.unwrap() else {
                panic!("the command ended before {what}: {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            let event = serde_json::from_str(&line).unwrap();
            if wanted(&event) {
                return event;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Kills it, as a power cut does to a machine.
    pub(crate) async fn kill(mut self) {
        within("the process to be killed", self.child.kill()).await.unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Output {
        while let Some(line) = within("the end of a command", self.lines.next_line()).await.unwrap() {
            self.seen.push(line);
        }
        let status: ExitStatus = within("the end of a command", self.child.wait()).await.unwrap();
        let stdout = self.seen.iter().map(|line| format!("{line}\n")).collect();
        Output { code: status.code(), stdout, stderr: self.stderr.await.unwrap() }
    }
}

/// Writes a file that a command reads.
pub(crate) fn write(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    path.to_string_lossy().into_owned()
}
