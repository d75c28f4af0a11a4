use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::wire::{Action, Rule};
use crate::simulator::Script;

/// How a [`Simulator`](super::Simulator) is set up. The default is a host without a password that knows the
/// agents of a fresh OpenCode and the model `stub/stub`, which answers `ok`.
#[derive(Clone)]
#[non_exhaustive]
pub struct SimulatorOptions {
    /// With a password every route wants Basic authentication as user `opencode`.
    pub password: Option<String>,
    /// The directory of requests that name none. It need not exist.
    pub directory: String,
    /// What the model says.
    pub script: Script,
    /// The agents of `GET /agent`.
    pub agents: Vec<SimulatedAgent>,
    /// The providers of `GET /config/providers`.
    pub providers: Vec<SimulatedProvider>,
    /// The names of the skills of `GET /skill`, beside the one that is built in.
    pub skills: Vec<String>,
    /// What `GET /doc` says the host offers; what the real one says unless given, as far as it concerns us.
    pub description: Option<Value>,
    /// The time between two heartbeats of an event stream.
    pub heartbeat: Duration,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        use AgentMode::{Primary, Subagent};
        Self {
            password: None,
            directory: "/project".to_owned(),
            script: Script::new(),
            agents: vec![
                SimulatedAgent::new("build", Primary),
                SimulatedAgent::new("plan", Primary).deny("edit"),
                SimulatedAgent::new("general", Subagent).deny("todowrite"),
                SimulatedAgent::new("explore", Subagent).deny("edit"),
                SimulatedAgent::new("compaction", Primary).hidden(),
                SimulatedAgent::new("title", Primary).hidden(),
                SimulatedAgent::new("summary", Primary).hidden(),
            ],
            providers: vec![SimulatedProvider::new("stub", ["stub"])],
            skills: Vec::new(),
            description: None,
            heartbeat: Duration::from_secs(10),
        }
    }
}

impl SimulatorOptions {
    /// The default host with this script.
    pub fn new(script: Script) -> Self {
        Self { script, ..Self::default() }
    }

    /// Protects the host with a password.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Replaces the default directory.
    pub fn directory(mut self, directory: impl Into<String>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Adds an agent.
    pub fn agent(mut self, agent: SimulatedAgent) -> Self {
        self.agents.push(agent);
        self
    }

    /// Adds a provider.
    pub fn provider(mut self, provider: SimulatedProvider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Adds a skill of the project.
    pub fn skill(mut self, name: impl Into<String>) -> Self {
        self.skills.push(name.into());
        self
    }

    /// Replaces what the host says it offers.
    pub fn description(mut self, document: Value) -> Self {
        self.description = Some(document);
        self
    }

    /// Replaces the time between heartbeats.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every;
        self
    }

    pub(super) fn find_agent(&self, name: &str) -> Option<&SimulatedAgent> {
        self.agents.iter().find(|agent| agent.name == name)
    }

    pub(super) fn knows_model(&self, provider: &str, model: &str) -> bool {
        let has_model = |provider: &SimulatedProvider| provider.models.iter().any(|known| known == model);
        self.providers.iter().any(|known| known.id == provider && has_model(known))
    }
}

/// The password stays out of logs.
impl fmt::Debug for SimulatorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatorOptions")
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("directory", &self.directory)
            .field("agents", &self.agents)
            .field("providers", &self.providers)
            .field("skills", &self.skills)
            .finish_non_exhaustive()
    }
}

/// Who may run an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentMode {
    /// A person, or a session's first prompt.
    Primary,
    /// Another agent, through the `task` tool.
    Subagent,
    /// Both.
    All,
}

/// An agent of the simulated host. It may do everything that is not denied, and asks before it leaves the project.
#[derive(Debug, Clone)]
pub struct SimulatedAgent {
    name: String,
    mode: AgentMode,
    hidden: bool,
    prompt: Option<String>,
    rules: Vec<Rule>,
}

impl SimulatedAgent {
    /// An agent that may do everything inside the project.
    pub fn new(name: impl Into<String>, mode: AgentMode) -> Self {
        let name = name.into();
        let rules = vec![rule("*", Action::Allow), rule("external_directory", Action::Ask)];
        Self { name, mode, hidden: false, prompt: None, rules }
    }

    /// Its own instructions, which become part of the system prompt.
    pub fn prompt(mut self, text: impl Into<String>) -> Self {
        self.prompt = Some(text.into());
        self
    }

    /// Takes a permission away.
    pub fn deny(mut self, permission: &str) -> Self {
        self.rules.push(rule(permission, Action::Deny));
        self
    }

    /// Makes it ask for a permission.
    pub fn ask(mut self, permission: &str) -> Self {
        self.rules.push(rule(permission, Action::Ask));
        self
    }

    /// Keeps it out of the lists that people see.
    pub fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.hidden
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What the model is told before the conversation.
    pub(super) fn system(&self, extra: Option<&str>) -> String {
        let own = self.prompt.as_deref().unwrap_or("You are opencode, an interactive CLI tool (simulated).");
        extra.map_or_else(|| own.to_owned(), |extra| format!("{own}\n{extra}"))
    }

    pub(super) fn wire(&self) -> Value {
        let mode = match self.mode {
            AgentMode::Primary => "primary",
            AgentMode::Subagent => "subagent",
            AgentMode::All => "all",
        };
        let mut wire = json!({
            "name": self.name,
            "mode": mode,
            "native": true,
            "permission": self.rules,
            "options": {},
        });
        if self.hidden {
            wire["hidden"] = json!(true);
        }
        if let Some(prompt) = &self.prompt {
            wire["prompt"] = json!(prompt);
        }
        wire
    }
}

fn rule(permission: &str, action: Action) -> Rule {
    Rule { permission: permission.to_owned(), pattern: "*".to_owned(), action }
}

/// A provider of the simulated host. Every model of it is played by the script.
#[derive(Debug, Clone)]
pub struct SimulatedProvider {
    id: String,
    models: Vec<String>,
    seeing: Vec<String>,
}

impl SimulatedProvider {
    /// A provider with these models; the first is its default.
    pub fn new<M: Into<String>>(id: impl Into<String>, models: impl IntoIterator<Item = M>) -> Self {
        Self { id: id.into(), models: models.into_iter().map(Into::into).collect(), seeing: Vec::new() }
    }

    /// Adds a model that reads images.
    pub fn seeing(mut self, model: impl Into<String>) -> Self {
        let model = model.into();
        self.seeing.push(model.clone());
        self.models.push(model);
        self
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn default_model(&self) -> Option<&str> {
        self.models.first().map(String::as_str)
    }

    pub(super) fn wire(&self) -> Value {
        let models: serde_json::Map<_, _> =
            self.models.iter().map(|model| (model.clone(), self.model(model))).collect();
        json!({
            "id": self.id,
            "name": self.id,
            "source": "config",
            "env": [],
            "options": {},
            "models": models,
        })
    }

    fn model(&self, id: &str) -> Value {
        let text_only = json!({ "text": true, "audio": false, "image": false, "video": false, "pdf": false });
        let mut input = text_only.clone();
        input["image"] = json!(self.seeing.iter().any(|seeing| seeing == id));
        json!({
            "id": id,
            "providerID": self.id,
            "api": { "id": id, "url": "", "npm": "@ai-sdk/openai-compatible" },
            "name": id,
            "capabilities": {
                "temperature": false, "reasoning": false, "attachment": false, "toolcall": true,
                "input": input, "output": text_only, "interleaved": false,
            },
            "cost": { "input": 0, "output": 0, "cache": { "read": 0, "write": 0 } },
            "limit": { "context": 100_000, "output": 8_000 },
            "status": "active",
            "options": {},
            "headers": {},
            "release_date": "",
            "variants": {},
        })
    }
}
