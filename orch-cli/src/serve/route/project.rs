//! What there is to run, and the service itself.

use axum::{Json, extract::State};
use orch::{
    config::kind::WorkerKind,
    ux::{agent::Agent, command::COMMANDS},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, Desk};

/// The service.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// The version of `orch`.
    version: String,
    /// Its process.
    pid: u32,
    /// The project directory.
    project: String,
    /// Names this service among all that served the project.
    instance: String,
    /// Since when, in milliseconds since 1970.
    started_at: u64,
    /// How many runs it drives.
    runs: usize,
    /// How many requests, streams and runs keep it up.
    present: usize,
}

pub(super) async fn health(State(service): Desk) -> Json<Health> {
    Json(Health {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        project: service.project.to_string_lossy().into_owned(),
        instance: service.instance.clone(),
        started_at: service.started_at.0,
        runs: service.drivers.count(),
        present: service.presence.count(),
    })
}

/// A workflow.
#[derive(Serialize, JsonSchema)]
pub(super) struct Workflow {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// The ids of its steps, in the order in which they are written.
    steps: Vec<String>,
}

pub(super) async fn workflows(State(service): Desk) -> Answer<Vec<Workflow>> {
    let config = service.drivers.config()?;
    let workflows = config.workflows.values().map(|workflow| Workflow {
        id: workflow.id.to_string(),
        name: workflow.name.clone(),
        description: workflow.description.clone(),
        steps: workflow.steps().map(|step| step.id.to_string()).collect(),
    });
    Ok(Json(workflows.collect()))
}

/// A worker profile.
#[derive(Serialize, JsonSchema)]
pub(super) struct Profile {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// What it is good for.
    purpose: Option<String>,
    /// What it runs as.
    kind: WorkerKind,
}

pub(super) async fn profiles(State(service): Desk) -> Answer<Vec<Profile>> {
    let config = service.drivers.config()?;
    let profiles = config.profiles.values().map(|profile| Profile {
        id: profile.id.to_string(),
        name: profile.name.clone(),
        purpose: Some(profile.purpose.clone()).filter(|purpose| !purpose.is_empty()),
        kind: profile.kind,
    });
    Ok(Json(profiles.collect()))
}

/// What the plugin adds to OpenCode, by the configuration as it is now.
#[derive(Serialize, JsonSchema)]
pub(super) struct Plugin {
    /// The agent that delegates; none where it is switched off.
    agent: Option<Agent>,
    /// Its commands and keys; none where they are switched off.
    commands: Option<Commands>,
    /// The toast for a session that has come to rest; none where it is switched off.
    idle: Option<Idle>,
}

/// Commands and keys of the plugin.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PluginCommands")]
pub(super) struct Commands {
    /// What the second names of commands start with.
    prefix: String,
}

/// A toast for a session that has come to rest.
#[derive(Serialize, JsonSchema)]
pub(super) struct Idle {
    /// Its title.
    title: String,
    /// Its text.
    message: String,
    /// How long the session must be at rest, in milliseconds.
    delay_ms: u64,
}

pub(super) async fn plugin(State(service): Desk) -> Answer<Plugin> {
    let config = service.drivers.config()?;
    let (commands, idle) = (&config.commands, &config.idle_notification);
    Ok(Json(Plugin {
        agent: Agent::of(&config),
        commands: commands.enabled.then(|| Commands { prefix: commands.prefix.clone() }),
        idle: idle.enabled.then(|| Idle {
            title: idle.title.clone(),
            message: idle.message.clone(),
            delay_ms: idle.delay_ms,
        }),
    }))
}

/// A command of `orch`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Command {
    /// Its words after `orch`.
    name: &'static str,
    /// The whole line, with `<…>` for what it needs.
    form: &'static str,
    /// A few words for a palette.
    title: &'static str,
    /// One sentence.
    description: &'static str,
}

pub(super) async fn commands() -> Json<Vec<Command>> {
    let command = |command: &&orch::ux::command::Command| Command {
        name: command.name,
        form: command.form,
        title: command.title,
        description: command.description,
    };
    Json(COMMANDS.iter().map(command).collect())
}
