//! `orch tui`: OpenCode's terminal interface, started so that the other commands in the project work in it.

mod address;

use std::{
    env,
    ffi::OsStr,
    io::{IsTerminal as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    process::ExitStatus,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use orch::{
    config::Trust,
    opencode::{HttpOpenCode, OpenCode as _, serve},
    ux::command::TRUST,
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};

pub(crate) use self::address::find;
use self::address::{Address, Claim};
use crate::{
    args::TuiArgs,
    exit::{Exit, Failure},
    project::Project,
    token::Token,
};

/// How often it is looked whether the server answers, how long one answer may take, and how long all of them.
const LOOK: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_secs(2);
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// How long OpenCode may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Starts the terminal interface and stays until it ends. Its server listens on the loopback, behind a password that is
/// made up for it; once it answers, the other commands are told where it is.
pub(crate) async fn tui(project: &Project, args: TuiArgs, json: bool) -> Result<Exit, Failure> {
    if json || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "orch::cli::no-terminal",
            "start the terminal interface: this is no terminal",
        )
        .help("type `orch tui` in a terminal, without --json"));
    }
    let config = project.config(json)?;
    project.log(&config)?;
    let command = match (args.opencode, config.opencode.command) {
        (Some(program), _) => vec![program.to_string_lossy().into_owned()],
        (None, Some(command)) => command,
        (None, None) => vec!["opencode".to_owned()],
    };
    let Some((program, first)) = command.split_first() else {
        return Err(Failure::usage(
            "orch::cli::no-program",
            "start the terminal interface: no program is named",
        ));
    };
    let missing = |error: &dyn std::fmt::Display| {
        Failure::usage("orch::cli::no-program", format!("start {program}: {error}"))
            .help("install OpenCode, or name its binary with --opencode")
    };
    let path = serve::absolute_entries(&env::var_os("PATH").unwrap_or_default());
    let found = serve::find(OsStr::new(program), Some(&path)).map_err(|error| missing(&error))?;
    let (port, password) = (free_port()?, Token::random()?);
    let mut command = Command::new(found);
    command
        .args(first)
        .args(["--hostname", "127.0.0.1", "--port", &port.to_string()])
        .args(&args.arguments)
        .current_dir(project.directory())
        .env("PATH", path)
        .env("OPENCODE_SERVER_PASSWORD", password.reveal())
        .env_remove("OPENCODE_SERVER_USERNAME")
        .kill_on_drop(true);
    if config.trust == Trust::Untrusted {
        command.env(serve::WITHOUT_PROJECT_VARIABLE, "1");
        writeln!(
            std::io::stderr().lock(),
            "opencode starts without the project's own OpenCode plugins, tools and configuration: the project is not \
             trusted (`{}`)",
            TRUST.form
        )?;
    }
    let mut child = command.spawn().map_err(|error| missing(&error))?;
    let address = Address { url: format!("http://127.0.0.1:{port}"), password };
    let ended = {
        let ended = end_of(&mut child);
        tokio::pin!(ended);
        tokio::select! {
            ended = &mut ended => ended?,
            announced = announce(project, address) => {
                if let Err(failure) = &announced {
                    tracing::warn!(error = %failure.message, "other commands do not work in the terminal interface");
                }
                // What is announced is withdrawn when this is dropped.
                let _announced = announced;
                ended.await?
            }
        }
    };
    Ok(if ended.success() { Exit::Success } else { Exit::Error })
}

/// A port that nobody listens on. OpenCode ends with an error of its own if somebody is faster.
fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Tells the other commands where the server is, once it answers. The first of several interfaces in a project is the one
/// that they work in.
async fn announce(project: &Project, address: Address) -> Result<Option<Claim>, Failure> {
    let directory = project.directory().to_string_lossy();
    let client = HttpOpenCode::builder(&address.url, directory)
        .password(address.password.reveal().to_owned().into(), "orch tui")
        .build()
        .map_err(orch::Error::from)?;
    let answers = async {
        // A request that comes while OpenCode starts may never be answered; the next one is.
        while !matches!(timeout(ANSWER, client.health()).await, Ok(Ok(_))) {
            sleep(LOOK).await;
        }
    };
    let silent = |_| Failure::new(Exit::Error, "orch::cli::silent", "it does not answer");
    timeout(STARTS_WITHIN, answers).await.map_err(silent)?;
    let Some(claim) = Claim::on(&project.project_state()?)? else { return Ok(None) };
    claim.publish(&address)?;
    Ok(Some(claim))
}

/// Waits for the end. Ctrl-C is a key of the interface; who ends this process means that one, too.
async fn end_of(child: &mut Child) -> Result<ExitStatus, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            ended = child.wait() => return Ok(ended?),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => break,
            _ = hang_up.recv() => break,
        }
    }
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended by itself meanwhile.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    match timeout(GRACE, child.wait()).await {
        Ok(ended) => Ok(ended?),
        Err(_) => {
            child.start_kill()?;
            Ok(child.wait().await?)
        }
    }
}
