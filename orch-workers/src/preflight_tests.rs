use std::collections::BTreeMap;

use orch_opencode::Provider;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    providers: Vec<FixtureProvider>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct FixtureProvider {
    id: String,
    models: Vec<FixtureModel>,
}

#[derive(Deserialize)]
struct FixtureModel {
    id: String,
    images: bool,
    tools: bool,
    context: u64,
}

/// What the predecessor did.
#[derive(Deserialize)]
struct Case {
    id: String,
    model: String,
    vision: bool,
    default: Option<String>,
    small: Option<String>,
    empty: bool,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    resolved_model: Option<String>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../tests/fixtures/models.json")).unwrap()
}

fn catalog(fixture: &Fixture) -> Catalog {
    let model = |model: &FixtureModel| {
        let mut found = Model::new(&model.id, &model.id);
        found.images = model.images;
        found.tools = model.tools;
        found.context = model.context;
        found
    };
    let provider = |provider: &FixtureProvider| {
        Provider::new(&provider.id, &provider.id, provider.models.iter().map(model).collect())
    };
    let defaults = BTreeMap::from([("opencode".to_owned(), "gpt-5-nano".to_owned())]);
    Catalog::new(fixture.providers.iter().map(provider).collect(), defaults)
}

fn resolve(wanted: &str, vision: bool, catalog: &Catalog) -> Result<String, String> {
    let worker = ProfileId::new("w").unwrap();
    let wanted = Wanted { worker: &worker, agent: None, model: Some(wanted), vision };
    let agents = [Agent::new("build", AgentMode::Primary)];
    select(wanted, &agents, catalog).map(|selection| selection.model.to_string()).map_err(|e| e.to_string())
}

#[test]
fn models_resolve_as_the_predecessor_resolved_them_or_refuse() {
    // The predecessor took these for something else without a word.
    let refused = BTreeMap::from([
        (
            "model.unknown-provider-known-model",
            "worker `w`: the host has no provider `foo`: did you mean `openai/gpt-4o`?",
        ),
        (
            "model.node-unknown-tag",
            "worker `w`: `node:banana` is not a model tag: `banana` is none of fast, docs, vision",
        ),
        (
            "model.unknown-model",
            "worker `w`: provider `openai` has no model `zzz`: `opencode models` names them",
        ),
        (
            "model.vision-none",
            "worker `w`: the host has no model that reads images (model tag `node:vision`): configure one in \
             OpenCode or name the profile's model",
        ),
    ]);
    let fixture = fixture();
    assert_eq!(fixture.cases.len(), 10);
    for case in &fixture.cases {
        let parse = |text: &Option<String>| text.as_deref().map(|text| text.parse().unwrap());
        let catalog = match case.empty {
            true => Catalog::default(),
            false => catalog(&fixture).configured(parse(&case.default), parse(&case.small)),
        };
        let expected = match refused.get(case.id.as_str()) {
            Some(message) => Err((*message).to_owned()),
            None => Ok(case.expected.resolved_model.clone().unwrap()),
        };
        assert_eq!(resolve(&case.model, case.vision, &catalog), expected, "{}", case.id);
    }
}

#[test]
fn a_near_miss_is_suggested() {
    let catalog = catalog(&fixture());
    assert_eq!(
        resolve("openai/gpt-4o-mimi", false, &catalog).unwrap_err(),
        "worker `w`: provider `openai` has no model `gpt-4o-mimi`: did you mean `openai/gpt-4o-mini` or \
         `openai/gpt-4o`?"
    );
    assert_eq!(
        resolve("gpt-4o", false, &catalog).unwrap_err(),
        "worker `w`: \"gpt-4o\" does not name a model: expected `provider/model`, or a tag such as `node`"
    );
}

#[test]
fn the_default_model_is_the_agents_then_the_configured_then_the_providers() {
    let worker = ProfileId::new("w").unwrap();
    let model = |agent: Option<&str>, configured: Option<&str>| {
        let mut build = Agent::new("build", AgentMode::Primary);
        build.model = agent.map(|model| model.parse().unwrap());
        let catalog = catalog(&fixture()).configured(configured.map(|model| model.parse().unwrap()), None);
        let wanted = Wanted { worker: &worker, agent: None, model: None, vision: false };
        select(wanted, &[build], &catalog).map(|selection| selection.model.to_string()).map_err(|e| e.code())
    };
    let table = [
        (Some("openai/gpt-4o"), Some("openai/o3-deep"), Ok("openai/gpt-4o")),
        (None, Some("openai/o3-deep"), Ok("openai/o3-deep")),
        (None, None, Ok("opencode/gpt-5-nano")),
        (None, Some("gone/model"), Err("orch::workers::unknown-model")),
    ];
    for (agent, configured, expected) in table {
        assert_eq!(model(agent, configured), expected.map(str::to_owned), "{agent:?} {configured:?}");
    }
}

#[test]
fn agents_are_checked_by_name() {
    let worker = ProfileId::new("w").unwrap();
    let mut title = Agent::new("title", AgentMode::Primary);
    title.hidden = true;
    let agents = [
        title,
        Agent::new("general", AgentMode::Subagent),
        Agent::new("plan", AgentMode::Primary),
        Agent::new("build", AgentMode::Primary),
    ];
    let pick = |wanted: Option<&str>, agents: &[Agent]| {
        let wanted = Wanted { worker: &worker, agent: wanted, model: Some("openai/gpt-4o"), vision: false };
        select(wanted, agents, &catalog(&fixture()))
            .map(|selection| selection.agent)
            .map_err(|error| error.to_string())
    };
    assert_eq!(pick(None, &agents).unwrap(), "build");
    assert_eq!(pick(None, &agents[..3]).unwrap(), "plan");
    assert_eq!(pick(Some("general"), &agents).unwrap(), "general");
    assert_eq!(
        pick(Some("biuld"), &agents).unwrap_err(),
        "worker `w`: the host has no agent `biuld`: did you mean `build`?"
    );
    assert_eq!(
        pick(Some("reviewer"), &agents).unwrap_err(),
        "worker `w`: the host has no agent `reviewer`: `opencode agent list` names them"
    );
    assert_eq!(pick(None, &[]).unwrap_err(), "worker `w`: the host has no agent at all");
}

#[test]
fn what_could_only_be_ignored_is_refused_or_said() {
    let mut profile = Profile::new(ProfileId::new("w").unwrap());
    assert!(supported(&profile).is_ok());
    assert_eq!(without_effect(&profile, WorkerKind::Agent), None);
    profile.temperature = Some(0.5);
    profile.env.0.insert("A".to_owned(), "b".to_owned());
    assert_eq!(without_effect(&profile, WorkerKind::Server), None);
    assert_eq!(
        without_effect(&profile, WorkerKind::Agent).unwrap(),
        "without effect: `temperature` (it needs a server of the worker's own), `env` (it needs a server of the \
         worker's own)"
    );
    profile.required_skills.push("deploy".to_owned());
    assert_eq!(
        without_effect(&profile, WorkerKind::Server).unwrap(),
        "without effect: `requiredSkills` (this version does not look skills up)"
    );
    profile.context = Context::Fork;
    assert_eq!(supported(&profile).unwrap_err().code(), "orch::workers::unsupported");
}
