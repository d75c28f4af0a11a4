//! What a host has to offer to a worker, found out before the first token is spent.
//!
//! The host takes a prompt for an unknown agent or model without a word and then does nothing (observed on
//! OpenCode 1.18.33), and a skill that is missing or denied only shows when the model asks for it. So all three are
//! checked against the host's own lists, and agent and model are always sent explicitly.

mod agent;
mod model;
mod near;
mod shared;
mod skill;
mod support;

use orch_config::{ModelTag, Profile, id::ProfileId};
use orch_opencode::{Agent, Catalog, HostError, Model, ModelRef, OpenCode, Skills};

pub use self::{
    model::{ModelChoice, ModelReason},
    skill::{SkillState, permission as skill_permission},
};
pub(crate) use self::{
    shared::SharedOffer,
    skill::{problems as skill_problems, required},
    support::{leaves_out, without_effect},
};
use crate::error::{Error, ErrorKind};

/// The agents and models of a host, as it lists them.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Offer {
    /// Its agents.
    pub agents: Vec<Agent>,
    /// Its providers with their models, and which of them it uses by default.
    pub catalog: Catalog,
}

/// The agent and the model that every prompt of a worker names.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Selection {
    /// The agent.
    pub agent: Agent,
    /// The model, and why it is that one.
    pub model: ModelChoice,
}

/// A model of the host, and what it is used for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OfferedModel {
    /// Its name, as a profile's `model` takes it.
    pub reference: ModelRef,
    /// What the host says of it.
    pub model: Model,
    /// The tags that a profile without further needs gets it for.
    pub tags: Vec<ModelTag>,
}

impl Offer {
    /// An offer of these agents and models.
    #[must_use]
    pub fn new(agents: Vec<Agent>, catalog: Catalog) -> Self {
        Self { agents, catalog }
    }

    /// Asks a host. Cancel safe; spends nothing.
    ///
    /// # Errors
    /// The host cannot be asked.
    pub async fn ask(host: &dyn OpenCode) -> Result<Self, HostError> {
        let (agents, catalog) = tokio::try_join!(host.agents(), host.catalog())?;
        Ok(Self { agents, catalog })
    }

    /// What a worker of this profile uses on this host.
    ///
    /// # Errors
    /// The agent or the model is not there, or is not fit for what the profile says, with the nearest names.
    pub fn select(&self, profile: &Profile) -> Result<Selection, Error> {
        let agent = agent::choose(&profile.id, profile.agent.as_deref(), &self.agents)?;
        let model = model::choose(profile, agent, &self.catalog)?;
        Ok(Selection { agent: agent.clone(), model })
    }

    /// Whether the selected model reads these images. The host would tell any other one that it cannot, and go on.
    pub(crate) fn shows(
        &self,
        profile: &Profile,
        selection: &Selection,
        images: &[String],
    ) -> Result<(), Error> {
        let model = &selection.model.model;
        if images.is_empty() || self.catalog.find(model).is_some_and(|found| found.images) {
            return Ok(());
        }
        let images = images.join(", ");
        Err(Error::new(
            ErrorKind::NoImages,
            format!(
                "worker `{}`: its model {model} does not read images, and is to be shown {images}",
                profile.id
            ),
        ))
    }

    /// Every model, in the host's order.
    #[must_use]
    pub fn models(&self) -> Vec<OfferedModel> {
        let chosen = ModelTag::ALL.map(|tag| Some((tag, self.tagged(tag).ok()?.model)));
        let of_provider = |provider: &orch_opencode::Provider| {
            let provider_id = provider.id.clone();
            let offered = |model: &Model| {
                let reference = ModelRef::new(&provider_id, &model.id);
                let is_it = |(tag, found): &(ModelTag, ModelRef)| {
                    ((&found.provider, &found.model) == (&reference.provider, &reference.model))
                        .then_some(*tag)
                };
                let tags = chosen.iter().flatten().filter_map(is_it).collect();
                OfferedModel { reference, model: model.clone(), tags }
            };
            provider.models.iter().map(offered).collect::<Vec<_>>()
        };
        self.catalog.providers.iter().flat_map(of_provider).collect()
    }

    /// The model that a profile with this tag, and nothing else said, gets.
    ///
    /// # Errors
    /// No model is fit for it, or the host has none at all.
    pub fn tagged(&self, tag: ModelTag) -> Result<ModelChoice, Error> {
        let mut profile = Profile::new(anybody()?);
        profile.model = Some(tag.to_string());
        self.select(&profile).map(|selection| selection.model)
    }

    /// How a profile's skills stand on a host that lists these: one entry for each, in order. Denials of the agent count
    /// where the agent is known.
    #[must_use]
    pub fn skills(&self, profile: &Profile, skills: &Skills) -> Vec<(orch_config::SkillName, SkillState)> {
        let agent = agent::choose(&profile.id, profile.agent.as_deref(), &self.agents).ok();
        let state = |name: &&orch_config::SkillName| skill::state(name, profile, agent, skills);
        required(profile, &[]).iter().map(|name| ((*name).clone(), state(name))).collect()
    }
}

/// Whom a question without a profile is asked for.
fn anybody() -> Result<ProfileId, Error> {
    ProfileId::new("any").map_err(|error| Error::new(crate::ErrorKind::UnknownWorker, error.to_string()))
}

#[cfg(test)]
mod tests;
