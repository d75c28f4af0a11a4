//! `orch serve --detach`: a service that outlives who asked for it.

use std::{fs::OpenOptions, process::Stdio, time::Duration};

use orch::config::private;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use super::{Found, address, announce};
use crate::{
    args::ServeArgs,
    exit::{Exit, Failure},
    project::Project,
};

/// What a service without a terminal has to complain about.
const LOG: &str = "serve.log";
/// How long the service may take to come up: longer than it waits for another one to be gone.
const START: Duration = Duration::from_secs(60);

/// The first line of a service: where it is, or why it is not.
#[derive(Deserialize)]
#[serde(untagged)]
enum FirstLine {
    There { started: bool },
    Failed { error: Refusal },
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
    help: Option<String>,
}

/// Finds the service or starts it, and returns when it can be spoken to.
pub(super) async fn detach(project: &Project, args: &ServeArgs, json: bool) -> Result<Exit, Failure> {
    let state = project.project_state()?;
    if let Some(address) = address::find(&state).await {
        announce(&address, &state, Found::Running, json)?;
        return Ok(Exit::Success);
    }
    let started = start(project, args).await?;
    let Some(address) = address::find(&state).await else {
        let message = format!("start the service of {}: it was gone at once", project.directory().display());
        return Err(Failure::new(Exit::Error, "orch::serve::gone", message));
    };
    announce(&address, &state, if started { Found::Started } else { Found::Running }, json)?;
    Ok(Exit::Success)
}

/// Whether it was this one that was started, and not another one at the same time.
async fn start(project: &Project, args: &ServeArgs) -> Result<bool, Failure> {
    let state = project.project_state()?;
    private::directories(&project.state()?, &state)?;
    let log = private::open(&state.join(LOG), OpenOptions::new().create(true).append(true))?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["serve", "--leads-session", "--json", "--linger"])
        .arg(format!("{}ms", args.linger.as_millis()))
        .arg("--dir")
        .arg(project.directory())
        .current_dir(project.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    // Not as arguments: they may hold what is nobody else's business.
    if let Some(server) = &args.host.server {
        command.env("ORCH_SERVER", server);
    }
    if let Some(program) = &args.host.opencode {
        command.env("ORCH_OPENCODE", program);
    }
    let mut child = command.spawn()?;
    let failed = |message: String| {
        let message = format!("start the service of {}: {message}", project.directory().display());
        Failure::new(Exit::Error, "orch::serve::start", message)
            .help(format!("see {}", state.join(LOG).display()))
    };
    let Some(stdout) = child.stdout.take() else { return Err(failed("it has no output".to_owned())) };
    let mut lines = BufReader::new(stdout).lines();
    let line = match timeout(START, lines.next_line()).await {
        Ok(line) => line?,
        Err(_) => {
            child.kill().await?;
            return Err(failed(format!("it said nothing for {} s", START.as_secs())));
        }
    };
    let Some(line) = line else { return Err(failed("it ended at once".to_owned())) };
    match serde_json::from_str(&line) {
        Ok(FirstLine::There { started }) => Ok(started),
        Ok(FirstLine::Failed { error: Refusal { code, message, help } }) => {
            let exit = match child.wait().await?.code() {
                Some(2) => Exit::Usage,
                Some(4) => Exit::Locked,
                _ => Exit::Error,
            };
            let failure = Failure::new(exit, &code, message);
            Err(match help {
                Some(help) => failure.help(help),
                None => failure,
            })
        }
        Err(error) => Err(failed(format!("it said something else: {error}"))),
    }
}
