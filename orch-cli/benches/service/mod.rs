//! A service of its own process, as front ends have one.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

pub(crate) struct Service {
    pub(crate) process: Child,
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Service {
    pub(crate) fn start(project: &Path, root: &Path, host: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_orch"))
            .args(["serve", "--json", "--server", host])
            .current_dir(project)
            .env_clear()
            .env("HOME", root)
            .env("ORCH_STATE_DIR", root.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let file = fs::read_to_string(told["file"].as_str().unwrap()).unwrap();
        let file: Value = serde_json::from_str(&file).unwrap();
        let text = |name: &str| file[name].as_str().unwrap().to_owned();
        Self { process, url: text("url"), token: text("token") }
    }

    /// Ends it as a power cut does.
    pub(crate) fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
