//! Health, agents, providers and models.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::whole;
use crate::catalog::{Agent, AgentMode, Catalog, Health, Model, ModelRef, Provider};
use crate::session::PermissionRule;

#[derive(Deserialize)]
pub(crate) struct HealthInfo {
    pub(crate) healthy: bool,
    version: String,
}

impl From<HealthInfo> for Health {
    fn from(info: HealthInfo) -> Self {
        Self::new(info.version)
    }
}

#[derive(Deserialize)]
pub(crate) struct AgentInfo {
    name: String,
    description: Option<String>,
    mode: ModeInfo,
    hidden: Option<bool>,
    model: Option<AgentModel>,
    variant: Option<String>,
    #[serde(default)]
    permission: Vec<PermissionRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeInfo {
    Primary,
    Subagent,
    All,
}

#[derive(Deserialize)]
struct AgentModel {
    #[serde(rename = "providerID")]
    provider: String,
    #[serde(rename = "modelID")]
    model: String,
}

impl From<AgentInfo> for Agent {
    fn from(info: AgentInfo) -> Self {
        let mode = match info.mode {
            ModeInfo::Primary => AgentMode::Primary,
            ModeInfo::Subagent => AgentMode::Subagent,
            ModeInfo::All => AgentMode::All,
        };
        let variant = info.variant;
        let mut agent = Self::new(info.name, mode);
        agent.description = info.description;
        agent.hidden = info.hidden.unwrap_or_default();
        agent.model = info.model.map(|model| {
            let mut reference = ModelRef::new(model.provider, model.model);
            reference.variant = variant;
            reference
        });
        agent.permission = info.permission;
        agent
    }
}

/// Of the host's configuration, only what chooses a model.
#[derive(Deserialize)]
pub(crate) struct ConfigInfo {
    model: Option<String>,
    small_model: Option<String>,
}

impl ConfigInfo {
    /// The catalog with the models that are named here; what does not read as `provider/model` names none.
    pub(crate) fn name(self, catalog: Catalog) -> Catalog {
        let parse = |text: Option<String>| text.and_then(|text| text.parse().ok());
        catalog.configured(parse(self.model), parse(self.small_model))
    }
}

#[derive(Deserialize)]
pub(crate) struct ProviderList {
    providers: Vec<ProviderInfo>,
    #[serde(default)]
    default: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ProviderInfo {
    id: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    models: BTreeMap<String, ModelInfo>,
}

/// Provider keys are in the reply too; they are never read.
#[derive(Deserialize)]
struct ModelInfo {
    #[serde(default)]
    name: String,
    #[serde(default)]
    capabilities: Capabilities,
    #[serde(default)]
    cost: Cost,
    #[serde(default)]
    limit: Limit,
    variants: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Capabilities {
    reasoning: bool,
    toolcall: bool,
    input: Input,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Input {
    image: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cost {
    input: f64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Limit {
    context: f64,
}

impl From<ProviderList> for Catalog {
    fn from(list: ProviderList) -> Self {
        Self::new(list.providers.into_iter().map(Provider::from).collect(), list.default)
    }
}

impl From<ProviderInfo> for Provider {
    fn from(info: ProviderInfo) -> Self {
        let models = info.models.into_iter().map(|(id, model)| model.into_domain(id)).collect();
        // Observed on 1.18.33: the host's own free models are there without a login; with one the source is another.
        let uninvited = info.id == "opencode" && info.source == "custom";
        let mut provider = Self::new(info.id, info.name, models);
        provider.uninvited = uninvited;
        provider
    }
}

impl ModelInfo {
    fn into_domain(self, id: String) -> Model {
        let mut model = Model::new(id, self.name);
        model.tools = self.capabilities.toolcall;
        model.images = self.capabilities.input.image;
        model.reasoning = self.capabilities.reasoning;
        model.context = whole(self.limit.context);
        model.input_cost = self.cost.input;
        model.variants = self.variants.unwrap_or_default().into_keys().collect();
        model
    }
}
