//! Which agent and which model a worker really uses, found out before the first token is spent.
//!
//! The host takes a prompt for an unknown agent or model without a word and then does nothing (observed on
//! OpenCode 1.18.33), so both are checked against its lists and always sent explicitly.

use orch_config::{Profile, id::ProfileId, kind::WorkerKind, profile::Context};
use orch_opencode::{Agent, AgentMode, Catalog, Model, ModelRef};

use crate::error::{Error, ErrorKind};

/// The agent that OpenCode itself starts with.
const DEFAULT_AGENT: &str = "build";
/// More near matches than this help nobody.
const SUGGESTIONS: usize = 3;
/// Below this similarity a near match is a guess.
const SIMILAR: f64 = 0.6;

/// What a profile asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) worker: &'a ProfileId,
    pub(crate) agent: Option<&'a str>,
    /// `provider/model` or a tag; absent means the host's default.
    pub(crate) model: Option<&'a str>,
    /// The worker reads images.
    pub(crate) vision: bool,
}

/// Refuses a profile whose settings could only be ignored here.
///
/// # Errors
/// A session that should begin with the parent's transcript.
pub(crate) fn supported(profile: &Profile) -> Result<(), Error> {
    if profile.context == Context::Fresh {
        return Ok(());
    }
    let message = format!(
        "worker `{}`: this version begins every session with nothing but its prompt: remove `context` or set it to \
         `fresh`",
        profile.id
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// What the profile says that has no effect on a worker of this kind, for people to know.
pub(crate) fn without_effect(profile: &Profile, kind: WorkerKind) -> Option<String> {
    let mut settings = Vec::new();
    if profile.temperature.is_some() && kind != WorkerKind::Server {
        settings.push("`temperature` (it needs a server of the worker's own)");
    }
    if !profile.env.is_empty() && kind != WorkerKind::Server {
        settings.push("`env` (it needs a server of the worker's own)");
    }
    if !profile.required_skills.is_empty() {
        settings.push("`requiredSkills` (this version does not look skills up)");
    }
    (!settings.is_empty()).then(|| format!("without effect: {}", settings.join(", ")))
}

impl<'a> From<&'a Profile> for Wanted<'a> {
    fn from(profile: &'a Profile) -> Self {
        Self {
            worker: &profile.id,
            agent: profile.agent.as_deref(),
            model: profile.model.as_deref(),
            vision: profile.supports_vision,
        }
    }
}

/// The agent and the model that every prompt of the worker names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selection {
    pub(crate) agent: String,
    pub(crate) model: ModelRef,
}

/// Resolves what a profile asks for against what the host has.
///
/// # Errors
/// The agent or the model is not there, with the nearest names.
pub(crate) fn select(wanted: Wanted<'_>, agents: &[Agent], catalog: &Catalog) -> Result<Selection, Error> {
    let agent = agent(wanted, agents)?;
    let model = model(wanted, agent, catalog)?;
    Ok(Selection { agent: agent.name.clone(), model })
}

fn agent<'a>(wanted: Wanted<'_>, agents: &'a [Agent]) -> Result<&'a Agent, Error> {
    let worker = wanted.worker;
    let Some(name) = wanted.agent else {
        let usable = |agent: &&Agent| agent.mode != AgentMode::Subagent && !agent.hidden;
        return agents
            .iter()
            .find(|agent| agent.name == DEFAULT_AGENT)
            .or_else(|| agents.iter().find(usable))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::UnknownAgent,
                    format!("worker `{worker}`: the host has no agent at all"),
                )
            });
    };
    agents.iter().find(|agent| agent.name == name).ok_or_else(|| {
        let visible = agents.iter().filter(|agent| !agent.hidden).map(|agent| agent.name.clone());
        let hint = hint(name, visible.collect(), "`opencode agent list` names them");
        Error::new(
            ErrorKind::UnknownAgent,
            format!("worker `{worker}`: the host has no agent `{name}`: {hint}"),
        )
    })
}

fn model(wanted: Wanted<'_>, agent: &Agent, catalog: &Catalog) -> Result<ModelRef, Error> {
    let Some(text) = wanted.model else { return default_model(wanted.worker, agent, catalog) };
    match Tag::parse(text) {
        Some(Ok(tag)) => tagged(wanted, text, tag, agent, catalog),
        Some(Err(unknown)) => Err(Error::new(
            ErrorKind::UnknownModel,
            format!(
                "worker `{}`: `{text}` is not a model tag: `{unknown}` is none of fast, docs, vision",
                wanted.worker
            ),
        )),
        None => named(wanted.worker, text, catalog),
    }
}

/// The predecessor's way to say "one of the host's models".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Default,
    Fast,
    Docs,
    Vision,
}

impl Tag {
    /// `node`, `auto`, each also with `:fast`, `:docs`, `:vision`. `None` is not a tag at all.
    fn parse(text: &str) -> Option<Result<Self, &str>> {
        let (head, tail) = text.split_once(':').unwrap_or((text, ""));
        if !matches!(head, "node" | "auto") {
            return None;
        }
        Some(match tail {
            "" => Ok(Self::Default),
            "fast" => Ok(Self::Fast),
            "docs" => Ok(Self::Docs),
            "vision" => Ok(Self::Vision),
            unknown => Err(unknown),
        })
    }
}

fn tagged(
    wanted: Wanted<'_>,
    text: &str,
    tag: Tag,
    agent: &Agent,
    catalog: &Catalog,
) -> Result<ModelRef, Error> {
    if tag == Tag::Vision || wanted.vision {
        return vision_model(wanted.worker, text, agent, catalog);
    }
    let small = (tag == Tag::Fast).then(|| catalog.small.clone()).flatten();
    match small.filter(|small| catalog.find(small).is_some()) {
        Some(small) => Ok(small),
        None => default_model(wanted.worker, agent, catalog),
    }
}

/// The host's default if it reads images, else the model with the most context that does and can call tools.
fn vision_model(worker: &ProfileId, text: &str, agent: &Agent, catalog: &Catalog) -> Result<ModelRef, Error> {
    let default = default_model(worker, agent, catalog).ok();
    if let Some(default) = default.filter(|model| catalog.find(model).is_some_and(|found| found.images)) {
        return Ok(default);
    }
    let models = catalog
        .providers
        .iter()
        .flat_map(|provider| provider.models.iter().map(move |model| (provider.id.as_str(), model)));
    models
        .filter(|(_, model)| model.images)
        .max_by_key(|(_, model)| (model.tools, model.context))
        .map(|(provider, model)| ModelRef::new(provider, &model.id))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::UnknownModel,
                format!(
                    "worker `{worker}`: the host has no model that reads images (model tag `{text}`): configure \
                     one in OpenCode or name the profile's model"
                ),
            )
        })
}

/// The agent's own model, else the host's, else the default of its first provider.
fn default_model(worker: &ProfileId, agent: &Agent, catalog: &Catalog) -> Result<ModelRef, Error> {
    let of_provider = || {
        catalog.providers.iter().find_map(|provider| {
            catalog.defaults.get(&provider.id).map(|model| ModelRef::new(&provider.id, model))
        })
    };
    let configured = agent.model.clone().or_else(|| catalog.default.clone());
    match configured {
        Some(model) if catalog.find(&model).is_some() => Ok(model),
        Some(model) => Err(unknown(worker, &model, catalog)),
        None => of_provider().ok_or_else(|| {
            Error::new(
                ErrorKind::UnknownModel,
                format!(
                    "worker `{worker}`: the host has no model: log in to a provider (`opencode auth login`) or \
                     configure one in opencode.json"
                ),
            )
        }),
    }
}

fn named(worker: &ProfileId, text: &str, catalog: &Catalog) -> Result<ModelRef, Error> {
    let reference: ModelRef = text.parse().map_err(|error: orch_opencode::InvalidModelRef| {
        Error::new(ErrorKind::UnknownModel, format!("worker `{worker}`: {error}, or a tag such as `node`"))
            .with_source(error)
    })?;
    if catalog.find(&reference).is_some() {
        return Ok(reference);
    }
    dated(&reference, catalog).ok_or_else(|| unknown(worker, &reference, catalog))
}

/// The newest dated release of the same model: `claude-sonnet-4-5` is `claude-sonnet-4-5-20250929`.
fn dated(reference: &ModelRef, catalog: &Catalog) -> Option<ModelRef> {
    let is_date = |rest: &str| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_release = |model: &&Model| {
        let rest = model.id.strip_prefix(&reference.model).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(is_date)
    };
    let provider = catalog.providers.iter().find(|provider| provider.id == reference.provider)?;
    let newest = provider.models.iter().filter(is_release).max_by(|a, b| a.id.cmp(&b.id))?;
    Some(ModelRef::new(&provider.id, &newest.id))
}

fn unknown(worker: &ProfileId, reference: &ModelRef, catalog: &Catalog) -> Error {
    let names = |provider: &orch_opencode::Provider| {
        let provider_id = provider.id.clone();
        provider.models.iter().map(move |model| format!("{provider_id}/{}", model.id)).collect::<Vec<_>>()
    };
    let known = catalog.providers.iter().find(|provider| provider.id == reference.provider);
    let what = match known {
        Some(provider) => format!("provider `{}` has no model `{}`", provider.id, reference.model),
        None => format!("the host has no provider `{}`", reference.provider),
    };
    let candidates = known.map_or_else(|| catalog.providers.iter().flat_map(names).collect(), names);
    let hint = hint(&reference.to_string(), candidates, "`opencode models` names them");
    Error::new(ErrorKind::UnknownModel, format!("worker `{worker}`: {what}: {hint}"))
}

/// Names like `wanted`, nearest first; failing that, where to look.
fn hint(wanted: &str, candidates: Vec<String>, otherwise: &str) -> String {
    let same_model = |name: &str| matches!((name.split_once('/'), wanted.split_once('/')), (Some((_, a)), Some((_, b))) if a == b);
    let score = |name: &str| {
        if same_model(name) { 1.0 } else { strsim::normalized_damerau_levenshtein(name, wanted) }
    };
    let mut near: Vec<(f64, String)> = candidates
        .into_iter()
        .map(|name| (score(&name), name))
        .filter(|(score, _)| *score >= SIMILAR)
        .collect();
    near.sort_by(|(a, name_a), (b, name_b)| b.total_cmp(a).then_with(|| name_a.cmp(name_b)));
    near.truncate(SUGGESTIONS);
    if near.is_empty() {
        return otherwise.to_owned();
    }
    let names: Vec<_> = near.into_iter().map(|(_, name)| format!("`{name}`")).collect();
    format!("did you mean {}?", names.join(" or "))
}

#[cfg(test)]
#[path = "preflight_tests.rs"]
mod tests;
