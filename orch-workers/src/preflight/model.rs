//! Which of the host's models a worker uses, and why.

use std::fmt;

use orch_config::{ModelReference, ModelTag, Profile, id::ProfileId};
use orch_opencode::{Agent, Catalog, Model, ModelRef, Provider};

use super::near;
use crate::error::{Error, ErrorKind};

/// The model of a worker.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelChoice {
    /// The model.
    pub model: ModelRef,
    /// Why it is that one.
    pub reason: ModelReason,
}

/// Why a worker uses the model that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelReason {
    /// The profile names it.
    Named,
    /// The profile names a model of which this is the newest dated release.
    Release,
    /// Its agent is configured with it.
    Agent {
        /// The agent's name.
        agent: String,
    },
    /// The host's configuration names it.
    HostDefault,
    /// The host's configuration names none, and it is the default of the host's first provider.
    ProviderDefault,
    /// The host's configuration names it for small tasks.
    Small,
    /// The default is not fit for the worker, and of those that are it takes the most text.
    Fit {
        /// What the default cannot do: `reads images`.
        needs: &'static str,
    },
    /// What `node:fast` falls back on where the host names no model for small tasks.
    NoSmall(Box<Self>),
}

impl fmt::Display for ModelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named => f.write_str("named by the profile"),
            Self::Release => f.write_str("the newest release of the one that the profile names"),
            Self::Agent { agent } => write!(f, "the model of the agent {agent}"),
            Self::HostDefault => f.write_str("the host's default"),
            Self::ProviderDefault => f.write_str("the default of the host's first provider"),
            Self::Small => f.write_str("the host's model for small tasks"),
            Self::Fit { needs } => write!(f, "the host's default is none that {needs}, this one is"),
            Self::NoSmall(reason) => write!(f, "{reason}; the host names none for small tasks"),
        }
    }
}

/// What a worker's model has to be able to do.
#[derive(Debug, Clone, Copy, Default)]
struct Needs {
    images: bool,
    tools: bool,
}

impl Needs {
    fn of(profile: &Profile, tag: Option<ModelTag>) -> Self {
        Self {
            images: profile.supports_vision || tag == Some(ModelTag::Vision),
            tools: profile.supports_web || tag == Some(ModelTag::Docs),
        }
    }

    fn met_by(self, model: &Model) -> bool {
        (model.images || !self.images) && (model.tools || !self.tools)
    }

    /// What a model that meets them does.
    fn verbs(self) -> &'static str {
        match (self.images, self.tools) {
            (true, true) => "reads images and calls tools",
            (true, false) => "reads images",
            (false, true) => "calls tools",
            (false, false) => "answers",
        }
    }
}

/// Resolves what a profile says about its model against what the host has.
///
/// # Errors
/// There is no such model, or none that is fit for the worker, with the nearest names.
pub(super) fn choose(profile: &Profile, agent: &Agent, catalog: &Catalog) -> Result<ModelChoice, Error> {
    let asked = Asked { worker: &profile.id, agent, catalog };
    let written = profile.model.as_deref().unwrap_or(ModelTag::Default.as_str());
    match ModelReference::parse(written) {
        Ok(ModelReference::Tag(tag)) => asked.tagged(tag, Needs::of(profile, Some(tag)), written),
        Ok(ModelReference::Named(name)) => asked.named(name, Needs::of(profile, None)),
        Err(unknown) => Err(asked.error(unknown.to_string())),
    }
}

/// Who asks whom.
struct Asked<'a> {
    worker: &'a ProfileId,
    agent: &'a Agent,
    catalog: &'a Catalog,
}

impl Asked<'_> {
    fn tagged(&self, tag: ModelTag, needs: Needs, written: &str) -> Result<ModelChoice, Error> {
        let fits = |model: &ModelRef| self.catalog.find(model).is_some_and(|found| needs.met_by(found));
        if tag == ModelTag::Fast
            && let Some(small) = self.catalog.small.clone().filter(fits)
        {
            return Ok(ModelChoice { model: small, reason: ModelReason::Small });
        }
        let default = self.default()?;
        let choice = match default {
            Some(default) if fits(&default.model) => default,
            default => {
                let provider = default.as_ref().map(|default| default.model.provider.as_str());
                let model = self.fittest(needs, provider);
                let reason = ModelReason::Fit { needs: needs.verbs() };
                model.map(|model| ModelChoice { model, reason }).ok_or_else(|| self.none(needs, written))?
            }
        };
        match tag {
            ModelTag::Fast => {
                Ok(ModelChoice { reason: ModelReason::NoSmall(Box::new(choice.reason)), ..choice })
            }
            _ => Ok(choice),
        }
    }

    /// The agent's own model, else the host's, else the default of its first provider.
    fn default(&self) -> Result<Option<ModelChoice>, Error> {
        let of_agent = self.agent.model.clone().map(|model| {
            let reason = ModelReason::Agent { agent: self.agent.name.clone() };
            ModelChoice { model, reason }
        });
        let of_host = || {
            let model = self.catalog.default.clone()?;
            Some(ModelChoice { model, reason: ModelReason::HostDefault })
        };
        if let Some(configured) = of_agent.or_else(of_host) {
            return match self.catalog.find(&configured.model) {
                Some(_) => Ok(Some(configured)),
                None => Err(self.unknown(&configured.model)),
            };
        }
        Ok(self.catalog.providers.iter().find_map(|provider| {
            let model = ModelRef::new(&provider.id, self.catalog.defaults.get(&provider.id)?);
            Some(ModelChoice { model, reason: ModelReason::ProviderDefault })
        }))
    }

    /// Of the models that are fit, the one that takes the most text: of this provider if it has any, else of another one
    /// that the user has set up. Nothing is sent to a provider only because the host offers it to everybody.
    fn fittest(&self, needs: Needs, provider: Option<&str>) -> Option<ModelRef> {
        let models = || models(self.catalog).filter(|(_, model)| needs.met_by(model));
        let own = models().filter(|(found, _)| Some(found.id.as_str()) == provider);
        let best = |(of, model): (&Provider, &Model)| {
            let reference = ModelRef::new(&of.id, &model.id);
            (model.tools, model.context, std::cmp::Reverse(reference))
        };
        let invited = models().filter(|(found, _)| !found.uninvited);
        let best = own.map(best).max().or_else(|| invited.map(best).max());
        best.map(|(_, _, std::cmp::Reverse(reference))| reference)
    }

    fn named(&self, name: &str, needs: Needs) -> Result<ModelChoice, Error> {
        let reference: ModelRef = name.parse().map_err(|error: orch_opencode::InvalidModelRef| {
            let hint = near::hint(name, names(self.catalog.providers.iter()), "`orch models` lists them");
            self.error(format!("{error}, or a tag such as `node`: {hint}")).with_source(error)
        })?;
        let choice = match self.catalog.find(&reference) {
            Some(_) => ModelChoice { model: reference, reason: ModelReason::Named },
            None => {
                let model = self.release(&reference).ok_or_else(|| self.unknown(&reference))?;
                ModelChoice { model, reason: ModelReason::Release }
            }
        };
        match self.catalog.find(&choice.model).is_some_and(|model| needs.met_by(model)) {
            true => Ok(choice),
            false => Err(self.unfit(&choice.model, needs)),
        }
    }

    /// The newest dated release of the same model: `claude-sonnet-4-5` is `claude-sonnet-4-5-20250929`.
    fn release(&self, reference: &ModelRef) -> Option<ModelRef> {
        let is_date = |rest: &str| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_digit());
        let is_release = |model: &&Model| {
            let rest = model.id.strip_prefix(&reference.model).and_then(|rest| rest.strip_prefix('-'));
            rest.is_some_and(is_date)
        };
        let provider = self.catalog.providers.iter().find(|provider| provider.id == reference.provider)?;
        let newest = provider.models.iter().filter(is_release).max_by(|a, b| a.id.cmp(&b.id))?;
        Some(ModelRef::new(&provider.id, &newest.id))
    }

    fn error(&self, message: String) -> Error {
        Error::new(ErrorKind::UnknownModel, format!("worker `{}`: {message}", self.worker))
    }

    fn unknown(&self, reference: &ModelRef) -> Error {
        let known = self.catalog.providers.iter().find(|provider| provider.id == reference.provider);
        let what = match known {
            Some(provider) => format!("provider `{}` has no model `{}`", provider.id, reference.model),
            None => format!("the host has no provider `{}`", reference.provider),
        };
        let candidates = match known {
            Some(provider) => names(std::iter::once(provider)),
            None => names(self.catalog.providers.iter()),
        };
        let hint = near::hint(&reference.to_string(), candidates, "`orch models` lists them");
        self.error(format!("{what}: {hint}"))
    }

    fn unfit(&self, reference: &ModelRef, needs: Needs) -> Error {
        let way_out = match self.fittest(needs, Some(&reference.provider)) {
            Some(fit) => format!("`{fit}` is one that {}", needs.verbs()),
            None => format!("the host has none that {}", needs.verbs()),
        };
        let asked = match (needs.images, needs.tools) {
            (true, true) => "`supportsVision` and `supportsWeb` ask",
            (true, false) => "`supportsVision` asks",
            _ => "`supportsWeb` asks",
        };
        self.error(format!(
            "{asked} for a model that {}, and `{reference}` is none: {way_out}",
            needs.verbs()
        ))
    }

    fn none(&self, needs: Needs, written: &str) -> Error {
        if self.catalog.providers.is_empty() && !needs.images {
            return self.error(
                "the host has no model: log in to a provider (`opencode auth login`) or configure one in opencode.json"
                    .to_owned(),
            );
        }
        self.error(format!(
            "the host has no model that {} (model tag `{written}`): configure one in OpenCode or name the profile's \
             model",
            needs.verbs()
        ))
    }
}

fn models(catalog: &Catalog) -> impl Iterator<Item = (&Provider, &Model)> {
    let of_provider = |provider| {
        let provider: &Provider = provider;
        provider.models.iter().map(move |model| (provider, model))
    };
    catalog.providers.iter().flat_map(of_provider)
}

fn names<'a>(providers: impl Iterator<Item = &'a Provider>) -> Vec<String> {
    let of_provider = |provider: &'a Provider| {
        provider.models.iter().map(move |model| format!("{}/{}", provider.id, model.id))
    };
    providers.flat_map(of_provider).collect()
}
