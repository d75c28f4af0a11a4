//! The agent that delegates, as it is put into OpenCode's own configuration.

use std::fmt::Write as _;

use orch_config::{
    Config, Profile, WorkflowDefinition,
    permission::PermissionRule,
    settings::{AgentMode, AgentSettings},
};
use schemars::JsonSchema;
use serde::Serialize;

/// An agent for OpenCode's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// What it is for, for people.
    pub description: String,
    /// How it is offered.
    pub mode: AgentMode,
    /// Its prompt, with what it can delegate to where the configuration wants that.
    pub prompt: String,
    /// Its model, `provider/model`; none for the one that is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its colour; none for one of the host's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Whether the host's agent `build` becomes it, too.
    pub apply_to_build: bool,
    /// Its permission rules; of those that match, the last one decides.
    pub permission: Vec<PermissionRule>,
}

impl Agent {
    /// The agent of a configuration, unless it is switched off there.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let AgentSettings { enabled, name, model, prompt, mode, color, apply_to_build, permission, .. } =
            config.agent.clone();
        enabled.then(|| Self {
            name: name.to_string(),
            description: "Delegates work to workers and workflows (orch)".to_owned(),
            mode,
            prompt: if config.ui.inject_system_context {
                format!("{}\n\n{}", prompt.trim_end(), context(config))
            } else {
                prompt
            },
            model,
            color,
            apply_to_build,
            permission,
        })
    }
}

/// What there is to delegate to. Beyond the cap workers are only counted.
fn context(config: &Config) -> String {
    let cap = config.ui.system_context_max_workers.try_into().unwrap_or(usize::MAX);
    let mut text = "## Workers\n\n".to_owned();
    let listed: Vec<_> = config.profiles.values().take(cap).collect();
    for profile in &listed {
        line(&mut text, profile.id.as_str(), &said_of(profile));
    }
    let more = config.profiles.len() - listed.len();
    if more > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "* and {more} more, which the person can name");
    }
    if config.workflows_enabled && !config.workflows.is_empty() {
        text.push_str("\n## Workflows\n\n");
        for workflow in config.workflows.values() {
            line(&mut text, workflow.id.as_str(), &steps_of(workflow));
        }
    }
    text
}

fn line(text: &mut String, id: &str, said: &str) {
    let said: Vec<_> = said.split_whitespace().collect();
    let separator = if said.is_empty() { "" } else { ": " };
    let _ = writeln!(text, "* `{id}`{separator}{}", said.join(" "));
}

fn said_of(profile: &Profile) -> String {
    let parts = [&profile.purpose, &profile.when_to_use];
    let parts: Vec<_> = parts.into_iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    parts.join(". ")
}

fn steps_of(workflow: &WorkflowDefinition) -> String {
    let steps: Vec<_> = workflow.steps().map(|step| step.id.as_str()).collect();
    let steps = steps.join(", ");
    match workflow.description.as_deref().map(str::trim).filter(|said| !said.is_empty()) {
        Some(said) => format!("{} ({steps})", said.trim_end_matches('.')),
        None => steps,
    }
}

#[cfg(test)]
mod tests {
    use orch_config::{load::parse, trust::Trust};

    use super::*;

    fn agent(text: &str) -> Option<Agent> {
        Agent::of(&parse(text.as_bytes(), None, Trust::Trusted).unwrap().config)
    }

    #[test]
    fn the_agent_of_a_configuration_that_says_nothing() {
        let agent = agent("{}").unwrap();
        insta::assert_snapshot!(agent.prompt.split_once("\n## Workers").unwrap().1);
        assert_eq!((agent.name.as_str(), agent.mode), ("orchestrator", AgentMode::Primary));
        assert_eq!((agent.model, agent.color, agent.apply_to_build), (None, None, false));
    }

    #[test]
    fn what_the_configuration_says_is_what_the_host_is_given() {
        let agent = agent(
            r##"{"agent": {"name": "lead", "model": "a/b", "prompt": "Lead.", "mode": "subagent", "color": "#aBc",
              "applyToBuild": true, "tools": {"bash": false}, "permission": {"edit": {"*": "ask", "docs/**": "allow"}}},
              "ui": {"injectSystemContext": false}}"##,
        );
        insta::assert_json_snapshot!(agent);
    }

    #[test]
    fn a_long_list_of_workers_is_cut_and_counted() {
        let agent = agent(
            r#"{"agent": {"prompt": "Lead."}, "ui": {"systemContextMaxWorkers": 1}, "workflows": {"enabled": false}}"#,
        );
        let prompt = agent.unwrap().prompt;
        let (_, list) = prompt.split_once("## Workers\n\n").unwrap();
        assert_eq!(list.lines().count(), 2, "{prompt}");
        assert!(
            list.starts_with("* `vision`: ") && list.ends_with("\n* and 6 more, which the person can name\n"),
            "{prompt}"
        );
    }

    #[test]
    fn an_agent_that_is_switched_off_is_none() {
        assert_eq!(agent(r#"{"agent": {"enabled": false}}"#), None);
    }
}
