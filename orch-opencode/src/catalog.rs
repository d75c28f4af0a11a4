//! What a host can do: its agents, and its providers with their models.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::session::PermissionRule;

/// What `GET /global/health` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The host's version, for example `1.18.33`.
    pub version: String,
}

impl Health {
    /// A healthy host of this version.
    pub fn new(version: impl Into<String>) -> Self {
        Self { version: version.into() }
    }
}

/// A model of a provider, with an optional variant: `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelRef {
    /// The provider's id.
    pub provider: String,
    /// The model's id inside the provider; may itself contain `/`.
    pub model: String,
    /// A variant such as `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl ModelRef {
    /// A model without a variant.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self { provider: provider.into(), model: model.into(), variant: None }
    }

    /// The same model in a variant.
    #[must_use]
    pub fn with_variant(mut self, variant: impl Into<String>) -> Self {
        self.variant = Some(variant.into());
        self
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.provider, self.model)
    }
}

/// A text that does not name a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not name a model: expected `provider/model`")]
pub struct InvalidModelRef(String);

impl FromStr for ModelRef {
    type Err = InvalidModelRef;

    /// The provider ends at the first `/`; model ids may contain more of them.
    fn from_str(text: &str) -> Result<Self, InvalidModelRef> {
        match text.split_once('/') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => {
                Ok(Self::new(provider, model))
            }
            _ => Err(InvalidModelRef(text.to_owned())),
        }
    }
}

/// Where an agent may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentMode {
    /// Only as the agent of a session.
    Primary,
    /// Only through the task tool of another agent.
    Subagent,
    /// Both.
    All,
}

/// An agent that the host knows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Agent {
    /// The name that prompts use.
    pub name: String,
    /// When to use it.
    pub description: Option<String>,
    /// Where it may be used.
    pub mode: AgentMode,
    /// Not offered to people; still usable.
    pub hidden: bool,
    /// Its own model, when its configuration names one.
    pub model: Option<ModelRef>,
    /// Its permission rules.
    pub permission: Vec<PermissionRule>,
}

impl Agent {
    /// An agent of this name and mode, with everything else empty.
    pub fn new(name: impl Into<String>, mode: AgentMode) -> Self {
        Self {
            name: name.into(),
            description: None,
            mode,
            hidden: false,
            model: None,
            permission: Vec::new(),
        }
    }
}

/// The providers that the host has configured, its default model of each, and the models that its own
/// configuration names.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Catalog {
    /// Every usable provider.
    pub providers: Vec<Provider>,
    /// Provider id → id of its default model.
    pub defaults: BTreeMap<String, String>,
    /// The model that the host's configuration names (`GET /config`, `model`). It outweighs `defaults`, which lists
    /// a model for every provider and does not say which provider counts.
    pub default: Option<ModelRef>,
    /// The model that the host's configuration names for small tasks (`GET /config`, `small_model`).
    pub small: Option<ModelRef>,
}

impl Catalog {
    /// A catalog of these providers and defaults.
    pub fn new(providers: Vec<Provider>, defaults: BTreeMap<String, String>) -> Self {
        Self { providers, defaults, default: None, small: None }
    }

    /// The same catalog with the models that the host's configuration names.
    #[must_use]
    pub fn configured(mut self, default: Option<ModelRef>, small: Option<ModelRef>) -> Self {
        self.default = default;
        self.small = small;
        self
    }

    /// The model that `reference` names, if this host has it.
    pub fn find(&self, reference: &ModelRef) -> Option<&Model> {
        let provider = self.providers.iter().find(|provider| provider.id == reference.provider)?;
        provider.models.iter().find(|model| model.id == reference.model)
    }
}

/// A provider of models.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Provider {
    /// The id used in a [`ModelRef`].
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// Its models, by id.
    pub models: Vec<Model>,
    /// The host offers it to everybody, without a login or a setting of this user.
    pub uninvited: bool,
}

impl Provider {
    /// A provider of these models.
    pub fn new(id: impl Into<String>, name: impl Into<String>, models: Vec<Model>) -> Self {
        Self { id: id.into(), name: name.into(), models, uninvited: false }
    }
}

/// A model of a provider.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Model {
    /// The id used in a [`ModelRef`].
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// It can call tools.
    pub tools: bool,
    /// It can read images.
    pub images: bool,
    /// It reasons before it answers.
    pub reasoning: bool,
    /// Tokens that fit into its context; 0 when unknown.
    pub context: u64,
    /// Dollars for a million input tokens; 0 when unknown.
    pub input_cost: f64,
    /// The names of its variants.
    pub variants: Vec<String>,
}

impl Model {
    /// A model that can call tools, with everything else unknown.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            tools: true,
            images: false,
            reasoning: false,
            context: 0,
            input_cost: 0.0,
            variants: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_reference_splits_at_the_first_slash() {
        let reference: ModelRef = "openrouter/anthropic/claude".parse().unwrap();
        assert_eq!(reference, ModelRef::new("openrouter", "anthropic/claude"));
        assert_eq!(reference.to_string(), "openrouter/anthropic/claude");
        for text in ["", "model", "/model", "provider/"] {
            assert!(text.parse::<ModelRef>().is_err(), "{text:?} must be refused");
        }
    }
}
