//! `orch doctor`: what works here, what does not, and how to mend it.

use std::path::Path;

use orch::{
    Runs,
    opencode::drift::{self, Capability, Standing as Interface},
    ux::{command, text::counted},
};
use serde::Serialize;
use serde_json::json;

use super::{install, print, print_json};
use crate::{
    args::HostArgs,
    exit::{Exit, Failure},
    file::Files,
    install::{Place, Standing, interface},
    project::Project,
    report::Paint,
};

/// One examined thing.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    message: String,
    help: Option<String>,
}

impl Check {
    fn passed(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, ok: true, message: message.into(), help: None }
    }

    fn failed(name: &'static str, failure: Failure) -> Self {
        Self { name, ok: false, message: failure.message, help: failure.help }
    }
}

pub(crate) async fn doctor(project: &Project, host: &HostArgs, json: bool) -> Result<Exit, Failure> {
    let mut checks =
        vec![configuration(project), store(project).await, search(), plugin(project), settings(project)];
    let Examined { host, capabilities } = reach(project, host).await;
    checks.push(host);
    let capabilities = match capabilities {
        Some(Ok(capabilities)) => {
            checks.push(interface(&capabilities));
            Some(capabilities)
        }
        Some(Err(error)) => {
            checks.push(Check::failed("interface", error.into()));
            None
        }
        None => None,
    };
    let ok = checks.iter().all(|check| check.ok);
    if json {
        print_json(&json!({ "ok": ok, "checks": checks, "capabilities": capabilities }))?;
    } else {
        let paint = Paint::stdout();
        for Check { name, ok, message, help } in &checks {
            let mark = if *ok { paint.good("✓") } else { paint.bad("✗") };
            print(&format!("{mark} {name:<14} {message}"))?;
            if let Some(help) = help {
                print(&format!("  {:<14} {help}", ""))?;
            }
        }
    }
    Ok(if ok { Exit::Success } else { Exit::Error })
}

fn configuration(project: &Project) -> Check {
    match project.load() {
        Ok(loaded) => {
            let files: Vec<_> = loaded
                .files
                .iter()
                .filter_map(|file| Some(file.path.as_ref()?.display().to_string()))
                .collect();
            let from = if files.is_empty() { "built in".to_owned() } else { files.join(", ") };
            let (profiles, workflows) = (loaded.config.profiles.len(), loaded.config.workflows.len());
            Check::passed(
                "configuration",
                format!(
                    "{}, {}, {}; {from}",
                    counted(profiles, "profile"),
                    counted(workflows, "workflow"),
                    counted(loaded.warnings.len(), "warning")
                ),
            )
        }
        Err(failure) => {
            Check::failed("configuration", failure.help("see it in full with `orch config check`"))
        }
    }
}

async fn store(project: &Project) -> Check {
    let runs = async { Ok::<_, Failure>(project.reader().await?.runs(Runs::All).await?.len()) };
    match runs.await {
        Ok(count) => Check::passed("store", counted(count, "run")),
        Err(failure) => Check::failed("store", failure),
    }
}

/// OpenCode's own search tools need ripgrep (observed: without it `glob`, `grep` and `skill` fail).
fn search() -> Check {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).map(|directory| directory.join("rg")).find(|program| program.is_file())
    {
        Some(program) => Check::passed("ripgrep", program.display().to_string()),
        None => Check::failed(
            "ripgrep",
            Failure::new(
                Exit::Error,
                "orch::doctor::no-ripgrep",
                "`rg` is not on PATH: the agents' search tools fail",
            )
            .help("install ripgrep"),
        ),
    }
}

/// The plugin in OpenCode's settings, which ignores without a word what it cannot read.
fn plugin(project: &Project) -> Check {
    let places = [Ok(Place::of_project(project.directory())), install::place(project, true)];
    let mut installed = Vec::new();
    for place in places.into_iter().filter_map(Result::ok) {
        let folder = place.plugin();
        match place.examine() {
            Standing::Absent => {}
            Standing::Installed => installed.push(folder.display().to_string()),
            Standing::Outdated => {
                let message = format!("{} is of another version", folder.display());
                let failure = Failure::new(Exit::Error, "orch::install::outdated", message);
                return Check::failed(
                    "plugin",
                    failure.help(format!("bring it up to date with `{}`", command::INSTALL.form)),
                );
            }
            Standing::Broken(reason) => {
                let failure = Failure::new(Exit::Error, "orch::install::settings", reason);
                return Check::failed(
                    "plugin",
                    failure.help(format!("mend it, then `{}`", command::INSTALL.form)),
                );
            }
        }
    }
    if installed.is_empty() {
        let message =
            format!("not installed; `{}` brings commands and keys into OpenCode", command::INSTALL.form);
        return Check::passed("plugin", message);
    }
    let mut check = Check::passed("plugin", installed.join(", "));
    if installed.len() > 1 {
        // Observed on 1.18.33: its terminal interface takes the first of those with one name, which is the person's own.
        check.help = Some(format!(
            "installed twice: the keys of {} have no effect; take one out with `{}`, with or without --global",
            installed[0],
            command::UNINSTALL.form
        ));
    }
    check
}

/// The settings of OpenCode's terminal interface, which goes without all of a file for one value that it does not take.
fn settings(project: &Project) -> Check {
    let examined = || {
        let root = Files::of_project(project.directory());
        let mut files = interface::examine(&root, Path::new(""))?;
        // It fails only where there is no home directory, and then there are no settings of the person's own either.
        let own = install::place(project, true).ok();
        for place in [Place::of_project(project.directory())].into_iter().chain(own) {
            files.extend(place.interface()?);
        }
        Ok::<_, Failure>(files)
    };
    let files = match examined() {
        Ok(files) => files,
        Err(failure) => return Check::failed("tui.json", failure),
    };
    let troubles: Vec<_> = files
        .iter()
        .filter_map(|(path, taken)| Some(format!("{}: {}", path.display(), taken.as_ref().err()?)))
        .collect();
    if !troubles.is_empty() {
        let failure = Failure::new(Exit::Error, "orch::install::settings", troubles.join("; "));
        return Check::failed(
            "tui.json",
            failure.help("mend it: OpenCode goes without the whole file, and says nothing"),
        );
    }
    let files: Vec<_> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    Check::passed("tui.json", if files.is_empty() { "there is none".to_owned() } else { files.join(", ") })
}

/// What came of reaching the host, and what it says of itself.
struct Examined {
    host: Check,
    /// None where there is no host; the error of one that does not describe itself.
    capabilities: Option<Result<Vec<Capability>, orch::Error>>,
}

/// Reaches the host the way a run would: an own one is started and ended again.
async fn reach(project: &Project, host: &HostArgs) -> Examined {
    let config = match project.load() {
        Ok(loaded) => loaded.config,
        Err(_) => orch::config::Config::builtin(),
    };
    let examined = async {
        let orchestrator = project.orchestrator(config, host).await?;
        let examined = async {
            let host = orchestrator.host().await?;
            let (health, agents) = (host.health().await?, host.agents().await?);
            let catalog = host.catalog().await?;
            let description = host.description().await.map_err(orch::Error::from);
            let message = format!(
                "{} at {}, {}, {}",
                health.version,
                host.origin(),
                counted(agents.len(), "agent"),
                counted(catalog.providers.len(), "provider")
            );
            let capabilities = description.map(|document| drift::compare(&document));
            Ok::<_, orch::Error>((message, catalog.providers.is_empty(), capabilities))
        };
        let examined = examined.await;
        orchestrator.shutdown().await;
        Ok::<_, Failure>(examined?)
    };
    match examined.await {
        Ok((message, false, capabilities)) => {
            Examined { host: Check::passed("opencode", message), capabilities: Some(capabilities) }
        }
        Ok((message, true, capabilities)) => {
            let failure = Failure::new(Exit::Error, "orch::doctor::no-provider", message);
            let help = "no provider is set up: run `opencode auth login`";
            Examined { host: Check::failed("opencode", failure.help(help)), capabilities: Some(capabilities) }
        }
        Err(failure) => Examined { host: Check::failed("opencode", failure), capabilities: None },
    }
}

/// Whether the host still offers what orch relies on.
fn interface(capabilities: &[Capability]) -> Check {
    let differing = |standing| capabilities.iter().filter(move |one| one.standing == standing);
    let told = |standing, word: &'static str| {
        differing(standing).map(move |one| format!("{} {word}: {}", one.name, one.differences.join(", ")))
    };
    let troubles: Vec<_> =
        told(Interface::Missing, "missing").chain(told(Interface::Degraded, "degraded")).collect();
    if troubles.is_empty() {
        let message = format!("all {} capabilities that are relied on work", capabilities.len());
        return Check::passed("interface", message);
    }
    let message = troubles.join("; ");
    if differing(Interface::Missing).next().is_none() {
        return Check::passed("interface", message);
    }
    Check::failed(
        "interface",
        Failure::new(Exit::Error, "orch::doctor::interface-moved", message)
            .help("use a newer orch, or a version of OpenCode that it is tested with (docs/opencode.md)"),
    )
}
