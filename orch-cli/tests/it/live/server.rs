//! An `opencode serve` as a person starts it: with a password, in a home of its own.

use std::{path::Path, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

pub(super) const PASSWORD: &str = "a password of the test";
/// What the line on stdout says before the address.
const LISTENING: &str = "opencode server listening on ";
/// A cold machine with two cores at work takes a while.
const STARTUP: Duration = Duration::from_secs(60);

pub(super) struct HandStarted {
    pub(super) url: String,
    group: Pid,
    child: Child,
}

impl HandStarted {
    pub(super) async fn start(program: &str, home: &Path, directory: &Path, config: &Value) -> Self {
        let mut child = Command::new(program)
            .args(["serve", "--hostname", "127.0.0.1", "--port", "0"])
            .current_dir(directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home)
            .env("ORCH_STATE_DIR", home.with_file_name("state"))
            .env("OPENCODE_SERVER_PASSWORD", PASSWORD)
            .env("OPENCODE_CONFIG_CONTENT", config.to_string())
            .env("OPENCODE_DISABLE_PROJECT_CONFIG", "1")
            .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
            .env("OPENCODE_DISABLE_MODELS_FETCH", "1")
            .env("OPENCODE_DISABLE_LSP_DOWNLOAD", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let group = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the server ended before it listened");
                if let Some((_, url)) = line.split_once(LISTENING) {
                    return url.trim().to_owned();
                }
            }
        };
        let url = timeout(STARTUP, listening).await.expect("the server listens in time");
        // Whatever else it prints has to go somewhere.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url, group, child }
    }

    pub(super) async fn stop(mut self) {
        // It is ours, it has answered, and nothing in it is worth an orderly end.
        killpg(self.group, Signal::SIGKILL).unwrap();
        self.child.wait().await.unwrap();
    }
}

impl Drop for HandStarted {
    fn drop(&mut self) {
        // After `stop` there is nobody left to signal; after a failed test there is.
        if self.child.id().is_some() {
            let _ = killpg(self.group, Signal::SIGKILL);
        }
    }
}
