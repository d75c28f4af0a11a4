//! The agent of a worker's sessions.

use orch_config::id::ProfileId;
use orch_opencode::{Agent, AgentMode};

use super::near;
use crate::error::{Error, ErrorKind};

/// The agent that OpenCode itself starts with.
const DEFAULT: &str = "build";

/// The named agent, else the one that the host starts with.
///
/// # Errors
/// The host has no such agent, or none at all.
pub(super) fn choose<'a>(
    worker: &ProfileId,
    name: Option<&str>,
    agents: &'a [Agent],
) -> Result<&'a Agent, Error> {
    let unknown =
        |message: String| Error::new(ErrorKind::UnknownAgent, format!("worker `{worker}`: {message}"));
    let Some(name) = name else {
        let usable = |agent: &&Agent| agent.mode != AgentMode::Subagent && !agent.hidden;
        let found = agents.iter().find(|agent| agent.name == DEFAULT).or_else(|| agents.iter().find(usable));
        return found.ok_or_else(|| unknown("the host has no agent at all".to_owned()));
    };
    agents.iter().find(|agent| agent.name == name).ok_or_else(|| {
        let visible = agents.iter().filter(|agent| !agent.hidden).map(|agent| agent.name.clone());
        let hint = near::hint(name, visible.collect(), "`opencode agent list` names them");
        unknown(format!("the host has no agent `{name}`: {hint}"))
    })
}
