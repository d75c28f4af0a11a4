//! The predecessor's behaviour, case by case: models, names of skills, permission to load one.
//!
//! Of every case it is the result that is compared: which model, which name, which permission. The words of reasons and
//! messages are our own, and stand in the tables here.

use std::collections::BTreeMap;

use orch_config::{Profile, SkillName, id::ProfileId};
use orch_opencode::{Agent, AgentMode, Catalog, Model, PermissionAction, PermissionRule, Provider};
use orch_workers::preflight::{Offer, skill_permission};
use serde_json::Value;

/// What is different on purpose, what we say instead, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "model.unknown-provider-known-model",
        "worker `w`: the host has no provider `foo`: did you mean `openai/gpt-4o`?",
        "the text would go to a provider that nobody named",
    ),
    (
        "model.node-unknown-tag",
        "worker `w`: \"node:banana\" is not a model tag: known are node, node:fast, node:docs, node:vision",
        "a misspelt tag would cost another model without a word",
    ),
];

/// Why each model is the one, and what is said where there is none.
const WORDS: &[(&str, &str)] = &[
    ("model.exact", "named by the profile"),
    (
        "model.unknown-model",
        "worker `w`: provider `openai` has no model `zzz`: known are `openai/gpt-4o`, `openai/gpt-4o-mini`, \
         `openai/o3-deep`",
    ),
    ("model.fuzzy-version-strip", "the newest release of the one that the profile names"),
    ("model.node-no-config", "the default of the host's first provider"),
    ("model.node-vision", "the host's default is none that reads images, this one is"),
    ("model.node-fast-small", "the host's model for small tasks"),
    ("model.supportsVision-node", "the host's default is none that reads images, this one is"),
    (
        "model.vision-none",
        "worker `w`: the host has no model that reads images (model tag `node:vision`): configure one in OpenCode or \
         name the profile's model",
    ),
];

#[test]
fn every_case_is_equal_or_different_for_a_stated_reason() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/predecessor-cases.json")).unwrap();
    let providers = &fixture["meta"]["modelFixtureProviders"];
    let mut counted = BTreeMap::new();
    for case in fixture["cases"].as_array().unwrap() {
        let (id, area) = (case["id"].as_str().unwrap(), case["area"].as_str().unwrap());
        let difference = DIFFERENCES.iter().find(|(different, ..)| *different == id);
        let (equal, different) = counted.entry(area).or_insert((0, 0));
        match difference {
            Some((_, ours, reason)) => {
                assert_eq!(model(case, providers).unwrap_err(), *ours, "{id} ({reason})");
                *different += 1;
            }
            None => {
                same(area, case, providers);
                *equal += 1;
            }
        }
    }
    // Equal, and different on purpose.
    assert_eq!(
        counted,
        BTreeMap::from([("model", (8, 2)), ("skill-name", (4, 0)), ("skill-permission", (3, 0))])
    );
}

fn same(area: &str, case: &Value, providers: &Value) {
    let (id, input, expected) = (case["id"].as_str().unwrap(), &case["input"], &case["expected"]);
    match area {
        "model" => {
            let words = WORDS.iter().find(|(known, _)| *known == id).unwrap().1;
            match (model(case, providers), expected["resolvedModel"].as_str()) {
                (Ok((model, reason)), Some(expected)) => {
                    assert_eq!((model.as_str(), reason.as_str()), (expected, words), "{id}");
                }
                (Err(message), None) => {
                    assert!(expected["throws"].is_string(), "{id}");
                    assert_eq!(message, words, "{id}");
                }
                (ours, theirs) => panic!("{id}: {ours:?}, the predecessor {theirs:?}"),
            }
        }
        "skill-name" => {
            let name = SkillName::new(input["name"].as_str().unwrap());
            let expected = expected.as_str().unwrap();
            match name {
                Ok(_) => assert_eq!(expected, "ok", "{id}"),
                Err(error) => {
                    let too_long = error.reason == "it has more than 64 characters";
                    assert_eq!(expected.contains("1-64 characters"), too_long, "{id}");
                    assert_eq!(expected.contains("must match"), !too_long, "{id}");
                }
            }
        }
        "skill-permission" => {
            let rules = input["map"].as_object().into_iter().flatten();
            let rules: Vec<_> = rules
                .map(|(pattern, action)| PermissionRule::new("skill", pattern, action_of(action)))
                .collect();
            assert_eq!(
                skill_permission(&rules, input["name"].as_str().unwrap()),
                action_of(expected),
                "{id}"
            );
        }
        area => panic!("nobody compares {area}"),
    }
}

fn action_of(word: &Value) -> PermissionAction {
    serde_json::from_value(word.clone()).unwrap()
}

/// The model and the reason, or the message.
fn model(case: &Value, providers: &Value) -> Result<(String, String), String> {
    let input = &case["input"];
    let mut profile = Profile::new(ProfileId::new("w").unwrap());
    profile.model = input["profile"]["model"].as_str().map(str::to_owned);
    profile.supports_vision = input["profile"]["supportsVision"] == true;
    let catalog = match input["providers"].as_array() {
        Some(none) => {
            assert!(none.is_empty());
            Catalog::default()
        }
        None => catalog(providers, &input["config"]),
    };
    let offer = Offer::new(vec![Agent::new("build", AgentMode::Primary)], catalog);
    let selected = offer.select(&profile).map_err(|error| error.to_string())?;
    Ok((selected.model.model.to_string(), selected.model.reason.to_string()))
}

/// What a host with these providers reports: those without a key are not among them.
fn catalog(providers: &Value, config: &Value) -> Catalog {
    let usable = |provider: &&Value| {
        provider["source"] != "api" || provider["id"] == "opencode" || provider["key"].is_string()
    };
    let providers = providers.as_array().unwrap().iter().filter(usable).map(provider).collect();
    let defaults = BTreeMap::from([("opencode".to_owned(), "gpt-5-nano".to_owned())]);
    let named = |key: &str| config[key].as_str().map(|model| model.parse().unwrap());
    Catalog::new(providers, defaults).configured(named("model"), named("small_model"))
}

fn provider(provider: &Value) -> Provider {
    let model = |(id, said): (&String, &Value)| {
        let mut model = Model::new(id, said["name"].as_str().unwrap_or(id));
        model.tools = said["capabilities"]["toolcall"] == true;
        model.images = said["capabilities"]["input"]["image"] == true;
        model.reasoning = said["capabilities"]["reasoning"] == true;
        model.context = said["limit"]["context"].as_u64().unwrap();
        model
    };
    let id = provider["id"].as_str().unwrap();
    Provider::new(id, id, provider["models"].as_object().unwrap().iter().map(model).collect())
}
