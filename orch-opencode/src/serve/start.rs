//! Starting a server, and the handle of one that runs.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::environment::Environment;
use super::output::Output;
use super::process::{Identity, MARK_VARIABLE};
use super::record::Record;
use super::stop::{self, Ended, StopReport};
use super::version::Versions;
use super::{find, ready};
use crate::error::{HostError, HostErrorKind};
use crate::http::HttpOpenCode;

/// How many ports after the first are tried.
const PORTS: u16 = 200;

/// How long the last words of a process may take from its end to here, when somebody keeps its output open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What is being waited for while a server starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Progress {
    /// The process runs; it has not said where it listens.
    Listening,
    /// It listens; its first request waits until plugins are installed.
    FirstRequest,
}

/// A server to be started: `opencode serve` on loopback, with a random password that only its environment holds.
pub struct Serve {
    command: Vec<OsString>,
    directory: PathBuf,
    environment: Environment,
    settings: Value,
    data: Option<PathBuf>,
    records: Option<PathBuf>,
    port: Option<u16>,
    trusted: bool,
    temperature: Option<f64>,
    snapshots: bool,
    startup: Duration,
    progress: Arc<dyn Fn(Progress) + Send + Sync>,
    versions: Versions,
}

impl Serve {
    /// The program and its first arguments, to be run in this project directory. A bare name is looked up on the
    /// `PATH` of `environment`; nothing else is inherited.
    pub fn new(
        command: impl IntoIterator<Item = impl Into<OsString>>,
        directory: impl Into<PathBuf>,
        environment: Environment,
    ) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            directory: directory.into(),
            environment,
            settings: json!({ "autoupdate": false }),
            data: None,
            records: None,
            port: None,
            trusted: false,
            temperature: None,
            snapshots: true,
            startup: Duration::from_secs(30),
            progress: Arc::new(|_| ()),
            versions: Versions::default(),
        }
    }

    /// A data directory of its own, made when needed; the user's stored credentials are linked in. Without one the server
    /// works on the user's own data.
    #[must_use]
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data = Some(directory.into());
        self
    }

    /// Where it is written down that the server runs, for [`sweep`](super::sweep).
    #[must_use]
    pub fn records(mut self, directory: impl Into<PathBuf>) -> Self {
        self.records = Some(directory.into());
        self
    }

    /// The first port to try; taken ones are skipped. Any free port without it.
    #[must_use]
    pub fn first_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Whether the project's own configuration, plugins and tools are loaded; not unless said.
    #[must_use]
    pub fn trusted(mut self, trusted: bool) -> Self {
        self.trusted = trusted;
        self
    }

    /// The sampling temperature for every prompt.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// No git snapshot before and after each turn, which takes most of the time of a short one: 239 ms fell to 85 ms
    /// (observed on OpenCode 1.18.33). What a session changed can then not be undone by the host.
    #[must_use]
    pub fn without_snapshots(mut self) -> Self {
        self.snapshots = false;
        self
    }

    /// Settings in the shape of `opencode.json`, over the user's own.
    #[must_use]
    pub fn settings(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    /// How long it may take until it says where it listens; 30 s by default. Its first request may take longer.
    #[must_use]
    pub fn startup_timeout(mut self, timeout: Duration) -> Self {
        self.startup = timeout;
        self
    }

    /// Shares what is known of the program's version with others that start servers.
    #[must_use]
    pub fn versions(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    /// Hears what is being waited for.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    /// Starts it and returns when it can be used.
    ///
    /// Not cancel safe in the sense of going on: a dropped start kills what it had started.
    ///
    /// # Errors
    /// `spawn` when there is no program or it cannot be executed, `not-ready` with what it printed when it ended or
    /// did not listen in time.
    pub async fn start(mut self) -> Result<Server, HostError> {
        let Some(name) = self.command.first() else {
            let detail = "the command is empty";
            return Err(HostError::new(HostErrorKind::Spawn, "start a server", "", detail));
        };
        let program = find::find(name, self.environment.get("PATH").map(AsRef::as_ref))?;
        let failed = |action: &str, error: &dyn fmt::Display| {
            let action = format!("{action} {}", program.display());
            HostError::new(HostErrorKind::Spawn, action, "", error.to_string())
        };
        // The package of our plugin has to be that of the program.
        let version = self.versions.of(program.clone(), &self.command[1..], &self.environment).await?;
        let config = self.prepare(&version).map_err(|error| failed("prepare the directories of", &error))?;
        let (password, mark) = (secret()?, secret()?);
        self.environment.password(&password);
        self.environment.set(MARK_VARIABLE, &mark);
        if !self.trusted {
            self.environment.without_project();
        }
        if let Some(temperature) = self.temperature {
            self.environment.temperature(temperature);
        }
        if !self.snapshots {
            self.settings["snapshot"] = Value::Bool(false);
        }
        self.environment.merge_config(std::mem::take(&mut self.settings)).map_err(|error| {
            let detail = format!("OPENCODE_CONFIG_CONTENT cannot be merged: {error}");
            HostError::new(HostErrorKind::Spawn, "start a server", "", detail)
        })?;

        let port = self.port.map_or(0, free_port);
        let child = Command::new(&program)
            .args(&self.command[1..])
            .args(["serve", "--hostname", "127.0.0.1", "--port", &port.to_string()])
            .current_dir(&self.directory)
            .env_clear()
            .envs(self.environment.iter())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("start", &error))?;
        // From here on the handle owns the process: an early return kills it with everything below it.
        let mut running = Running::new(child, mark, config).map_err(|error| failed("start", &error))?;
        if let Some(records) = &self.records {
            running.record = Record::write(records, running.pid, &running.mark)
                .map_err(|error| failed("record", &error))?;
        }
        (self.progress)(Progress::Listening);
        let url = self.listening(&mut running).await?;
        let client = HttpOpenCode::builder(&url, self.directory.to_string_lossy())
            .password(SecretString::from(password), "the environment of the started server")
            .build()?;
        tokio::select! {
            usable = ready::usable(&client, &*self.progress) => usable?,
            _ = running.child.wait() => return Err(self.not_ready(&running, "it ended before it could be used")),
        }
        Ok(Server {
            pid: running.pid,
            url,
            output: running.output.clone(),
            client,
            running: AsyncMutex::new(Some(running)),
            report: Mutex::new(None),
        })
    }

    /// The data directory, if it has one of its own, and the configuration directory with our guard: beside the data, else
    /// one that is removed with what is returned.
    fn prepare(&mut self, version: &str) -> io::Result<Option<TempDir>> {
        if let Some(data) = &self.data {
            self.environment.own_data(data)?;
            self.environment.guard(&data.join("config"), version)?;
            return Ok(None);
        }
        let below = self.environment.get("TMPDIR").unwrap_or("/tmp");
        let config = tempfile::Builder::new().prefix("orch-guard-").tempdir_in(below)?;
        self.environment.guard(config.path(), version)?;
        Ok(Some(config))
    }

    async fn listening(&self, running: &mut Running) -> Result<String, HostError> {
        let (output, printed) = (running.output.clone(), running.printed.clone());
        let said = ready::listening(&output, printed);
        let detail = tokio::select! {
            biased;
            said = timeout(self.startup, said) => match said {
                Ok(Some(url)) => return Ok(url),
                Ok(None) => "it ended before it listened".to_owned(),
                Err(_) => format!("it did not listen within {} s", self.startup.as_secs()),
            },
            // Whoever inherited its output may keep that open, so its end alone must be enough.
            _ = ended_for_good(&mut running.child) => "it ended before it listened".to_owned(),
        };
        Err(self.not_ready(running, &detail))
    }

    /// What went wrong, with what the program printed.
    fn not_ready(&self, running: &Running, detail: &str) -> HostError {
        let said = running.output.text();
        let said = match said.trim() {
            "" => "it printed nothing".to_owned(),
            said => format!("it printed: {said}"),
        };
        let action = format!("start {}", self.command[0].display());
        HostError::new(HostErrorKind::NotReady, action, "", format!("{detail}; {said}"))
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, directory, environment, data, port, trusted, .. } = self;
        formatter
            .debug_struct("Serve")
            .field("command", command)
            .field("directory", directory)
            .field("environment", environment)
            .field("data", data)
            .field("port", port)
            .field("trusted", trusted)
            .finish_non_exhaustive()
    }
}

/// A server that was started here. Dropping it kills it with everything below it; [`stop`](Self::stop) lets it end well.
pub struct Server {
    pid: u32,
    url: String,
    output: Output,
    client: HttpOpenCode,
    running: AsyncMutex<Option<Running>>,
    report: Mutex<Option<StopReport>>,
}

impl Server {
    /// Its process id, which is also its process group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client for it, with its password, seen from its project directory.
    pub fn client(&self) -> HttpOpenCode {
        self.client.clone()
    }

    /// What it printed, within bounds.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Whether the process has ended, by itself or on request.
    pub async fn has_ended(&self) -> bool {
        match self.running.lock().await.as_mut() {
            Some(running) => !matches!(running.child.try_wait(), Ok(None)),
            None => true,
        }
    }

    /// Aborts what is at work, asks it to end, kills it after `grace`, and sweeps whatever it left. Idempotent.
    pub async fn stop(&self, grace: Duration) -> StopReport {
        let mut running = self.running.lock().await;
        if let Some(mut ending) = running.take() {
            let report = stop::stop(&mut ending, &self.client, grace).await;
            *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        }
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        report.unwrap_or(StopReport { pid: self.pid, ended: Ended::Already, swept: Vec::new() })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("pid", &self.pid)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The process, as long as it is ours to end.
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) child: Child,
    /// In the environment of everything that it starts.
    pub(super) mark: String,
    /// What was seen below it before the end.
    pub(super) below: Vec<Identity>,
    output: Output,
    printed: watch::Receiver<()>,
    readers: [JoinHandle<()>; 2],
    record: Option<Record>,
    /// A configuration directory that goes with it.
    _config: Option<TempDir>,
}

impl Running {
    fn new(mut child: Child, mark: String, config: Option<TempDir>) -> io::Result<Self> {
        let gone = || io::Error::other("the process ended at once");
        let pid = child.id().ok_or_else(gone)?;
        let (stdout, stderr) = (child.stdout.take().ok_or_else(gone)?, child.stderr.take().ok_or_else(gone)?);
        let output = Output::default();
        let (sender, printed) = watch::channel(());
        let readers = [output.capture(stdout, sender.clone()), output.capture(stderr, sender)];
        let below = Vec::new();
        Ok(Self { pid, child, mark, below, output, printed, readers, record: None, _config: config })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        stop::kill(self);
        for reader in &self.readers {
            reader.abort();
        }
        self.record = None;
    }
}

/// The process has ended, and what it had printed has been read.
async fn ended_for_good(child: &mut Child) {
    let _ = child.wait().await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// 128 random bits.
fn secret() -> Result<String, HostError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| HostError::new(HostErrorKind::Spawn, "make a password", "", error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The first free port from this one on, or any.
fn free_port(first: u16) -> u16 {
    let ports = (0..PORTS).filter_map(|offset| first.checked_add(offset)).filter(|port| *port != 0);
    ports.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap_or(0)
}
