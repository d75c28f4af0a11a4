use std::collections::BTreeMap;

use orch_config::{SkillName, kind::WorkerKind, permission as config, profile::Context};
use orch_opencode::{AgentMode, PermissionAction, PermissionRule, Provider, Skill};
use orch_workflow::status::CautionCode;

use super::*;

fn model(id: &str, images: bool, tools: bool, context: u64) -> Model {
    let mut model = Model::new(id, id);
    (model.images, model.tools, model.context) = (images, tools, context);
    model
}

/// Two providers; the second has what the first lacks.
fn catalog(default: Option<&str>, small: Option<&str>) -> Catalog {
    let own =
        vec![model("text", false, true, 100), model("mute", false, false, 900), model("see", true, true, 50)];
    let other = vec![model("see-far", true, true, 1_000), model("gpt-4o-mini", true, true, 10)];
    let providers = vec![Provider::new("own", "Own", own), Provider::new("other", "Other", other)];
    let parse = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let defaults = BTreeMap::from([("own".to_owned(), "text".to_owned())]);
    Catalog::new(providers, defaults).configured(parse(default), parse(small))
}

fn offer(catalog: Catalog) -> Offer {
    Offer::new(vec![Agent::new("build", AgentMode::Primary)], catalog)
}

fn profile(model: Option<&str>) -> Profile {
    let mut profile = Profile::new(ProfileId::new("w").unwrap());
    profile.model = model.map(str::to_owned);
    profile
}

fn resolve(profile: &Profile, offer: &Offer) -> Result<String, String> {
    let selected = offer.select(profile).map(|selection| selection.model);
    selected.map(|model| format!("{}: {}", model.model, model.reason)).map_err(|error| error.to_string())
}

/// Tag, the host's default, its small model, and what comes of it.
#[test]
fn a_tag_is_the_hosts_default_unless_that_is_not_fit() {
    const NO_SMALL: &str = "the host names none for small tasks";
    let mute = Some("own/mute");
    let table = [
        ("node", None, None, "own/text: the default of the host's first provider".to_owned()),
        ("auto", Some("own/see"), None, "own/see: the host's default".to_owned()),
        ("node:fast", None, Some("own/see"), "own/see: the host's model for small tasks".to_owned()),
        ("node:fast", Some("own/see"), None, format!("own/see: the host's default; {NO_SMALL}")),
        (
            "node:fast",
            None,
            Some("gone/small"),
            format!("own/text: the default of the host's first provider; {NO_SMALL}"),
        ),
        ("node:docs", None, None, "own/text: the default of the host's first provider".to_owned()),
        (
            "node:docs",
            mute,
            None,
            "own/text: the host's default is none that calls tools, this one is".to_owned(),
        ),
        (
            "node:vision",
            None,
            None,
            "own/see: the host's default is none that reads images, this one is".to_owned(),
        ),
        ("node:vision", Some("other/gpt-4o-mini"), None, "other/gpt-4o-mini: the host's default".to_owned()),
    ];
    for (tag, default, small, expected) in table {
        assert_eq!(
            resolve(&profile(Some(tag)), &offer(catalog(default, small))),
            Ok(expected),
            "{tag} {default:?}"
        );
    }
}

#[test]
fn another_provider_is_only_asked_when_the_defaults_has_nothing_that_fits() {
    let mut catalog = catalog(Some("own/text"), None);
    catalog.providers[0].models.retain(|model| model.id != "see");
    assert_eq!(
        resolve(&profile(Some("node:vision")), &offer(catalog.clone())).unwrap(),
        "other/see-far: the host's default is none that reads images, this one is"
    );
    catalog.providers[1].uninvited = true;
    let error = resolve(&profile(Some("node:vision")), &offer(catalog)).unwrap_err();
    assert!(error.contains("the host has no model that reads images"), "{error}");
}

#[test]
fn what_the_worker_needs_is_asked_of_every_reference() {
    let offer = offer(catalog(Some("own/mute"), Some("own/mute")));
    let with = |model: Option<&str>, vision: bool, web: bool| {
        let mut profile = profile(model);
        (profile.supports_vision, profile.supports_web) = (vision, web);
        resolve(&profile, &offer)
    };
    let fit = |model: &str, verbs: &str| {
        Ok(format!("{model}: the host's default is none that {verbs}, this one is"))
    };
    assert_eq!(with(None, true, false), fit("own/see", "reads images"));
    assert_eq!(with(Some("node:docs"), true, false), fit("own/see", "reads images and calls tools"));
    assert_eq!(with(Some("node"), false, true), fit("own/text", "calls tools"));
    let small = with(Some("node:fast"), false, true).unwrap();
    assert!(small.starts_with("own/text: "), "{small}");
    assert_eq!(with(Some("own/see"), true, true).unwrap(), "own/see: named by the profile");
    assert_eq!(
        with(Some("own/text"), true, false).unwrap_err(),
        "worker `w`: `supportsVision` asks for a model that reads images, and `own/text` is none: `own/see` is one that \
         reads images"
    );
    assert_eq!(
        with(Some("own/mute"), false, true).unwrap_err(),
        "worker `w`: `supportsWeb` asks for a model that calls tools, and `own/mute` is none: `own/text` is one that \
         calls tools"
    );
}

#[test]
fn a_near_miss_is_suggested() {
    let offer = offer(catalog(None, None));
    let table = [
        ("own/sea", "worker `w`: provider `own` has no model `sea`: did you mean `own/see` or `own/text`?"),
        (
            "own/zzz",
            "worker `w`: provider `own` has no model `zzz`: known are `own/text`, `own/mute`, `own/see`",
        ),
        ("owm/text", "worker `w`: the host has no provider `owm`: did you mean `own/text`?"),
        (
            "gpt-4o-mini",
            "worker `w`: \"gpt-4o-mini\" does not name a model: expected `provider/model`, or a tag such as `node`: did \
             you mean `other/gpt-4o-mini`?",
        ),
        (
            "node:visoin",
            "worker `w`: \"node:visoin\" is not a model tag: known are node, node:fast, node:docs, node:vision",
        ),
    ];
    for (model, expected) in table {
        assert_eq!(resolve(&profile(Some(model)), &offer).unwrap_err(), expected);
    }
    let many = (0..9).map(|index| model(&format!("m{index}"), false, true, 1)).collect();
    let many = Offer::new(
        vec![Agent::new("build", AgentMode::Primary)],
        Catalog::new(vec![Provider::new("p", "P", many)], BTreeMap::new()),
    );
    assert_eq!(
        resolve(&profile(Some("p/zzzzzzzzz")), &many).unwrap_err(),
        "worker `w`: provider `p` has no model `zzzzzzzzz`: `orch models` lists them"
    );
}

#[test]
fn the_default_model_is_the_agents_then_the_configured_then_the_providers() {
    let model = |agent: Option<&str>, configured: Option<&str>| {
        let mut build = Agent::new("build", AgentMode::Primary);
        build.model = agent.map(|model| model.parse().unwrap());
        let offer = Offer::new(vec![build], catalog(configured, None));
        offer.select(&profile(None)).map(|selection| selection.model.model.to_string()).map_err(|e| e.code())
    };
    let table = [
        (Some("own/see"), Some("own/mute"), Ok("own/see")),
        (None, Some("own/mute"), Ok("own/mute")),
        (None, None, Ok("own/text")),
        (None, Some("gone/model"), Err("orch::workers::unknown-model")),
    ];
    for (agent, configured, expected) in table {
        assert_eq!(model(agent, configured), expected.map(str::to_owned), "{agent:?} {configured:?}");
    }
    let nothing = offer(Catalog::default());
    let error = resolve(&profile(None), &nothing).unwrap_err();
    assert!(error.starts_with("worker `w`: the host has no model: log in to a provider"), "{error}");
}

#[test]
fn the_models_are_listed_with_the_tags_that_get_them() {
    let listed = offer(catalog(None, Some("own/see"))).models();
    let listed: Vec<_> = listed
        .iter()
        .map(|model| {
            let tags: Vec<_> = model.tags.iter().map(ToString::to_string).collect();
            format!("{} {}", model.reference, tags.join(" "))
        })
        .collect();
    let expected = [
        "own/text node node:docs",
        "own/mute ",
        "own/see node:fast node:vision",
        "other/see-far ",
        "other/gpt-4o-mini ",
    ];
    assert_eq!(listed, expected);
}

#[test]
fn agents_are_checked_by_name() {
    let mut title = Agent::new("title", AgentMode::Primary);
    title.hidden = true;
    let agents = [
        title,
        Agent::new("general", AgentMode::Subagent),
        Agent::new("plan", AgentMode::Primary),
        Agent::new("build", AgentMode::Primary),
    ];
    let pick = |wanted: Option<&str>, agents: &[Agent]| {
        let mut profile = profile(None);
        profile.agent = wanted.map(str::to_owned);
        let offer = Offer::new(agents.to_vec(), catalog(None, None));
        offer.select(&profile).map(|selection| selection.agent.name).map_err(|error| error.to_string())
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
        "worker `w`: the host has no agent `reviewer`: known are `general`, `plan`, `build`"
    );
    assert_eq!(pick(None, &[]).unwrap_err(), "worker `w`: the host has no agent at all");
}

/// The agent's rules, the profile's rules, and how the skill stands.
#[test]
fn a_skill_stands_as_the_last_matching_rule_says() {
    use PermissionAction::{Allow, Ask, Deny};
    let rule = |pattern: &str, action| PermissionRule::new("skill", pattern, action);
    let everything = |action| PermissionRule::new("*", "*", action);
    let own = |pattern: &str, action| config::PermissionRule::new("skill", pattern, action);
    let table: [(Vec<PermissionRule>, Vec<config::PermissionRule>, SkillState); 8] = [
        (vec![], vec![], SkillState::Ready),
        (vec![everything(Allow)], vec![], SkillState::Ready),
        (vec![everything(Allow), everything(Deny)], vec![], SkillState::Denied),
        (vec![rule("*", Deny), rule("code-*", Allow)], vec![], SkillState::Ready),
        (vec![rule("code-*", Allow), rule("*", Ask)], vec![], SkillState::Asks),
        (vec![rule("*", Deny)], vec![own("code-review", config::PermissionAction::Allow)], SkillState::Ready),
        (vec![rule("*", Allow)], vec![own("*", config::PermissionAction::Deny)], SkillState::Denied),
        (vec![PermissionRule::new("bash", "*", Deny)], vec![], SkillState::Ready),
    ];
    let skills = Skills::new(vec![Skill::new("code-review", "/p/SKILL.md")], Vec::new());
    for (of_agent, of_profile, expected) in table {
        let mut agent = Agent::new("build", AgentMode::Primary);
        agent.permission = of_agent.clone();
        let mut profile = profile(None);
        profile.required_skills = vec![SkillName::new("code-review").unwrap()];
        profile.permission = of_profile.clone();
        let offer = Offer::new(vec![agent], Catalog::default());
        let states = offer.skills(&profile, &skills);
        assert_eq!(states[0].1, expected, "{of_agent:?} {of_profile:?}");
    }
}

#[test]
fn a_skill_that_cannot_be_had_is_told_with_the_way_out() {
    let project = tempfile::tempdir().unwrap();
    let place = project.path().join("skill");
    let skills = Skills::new(
        vec![Skill::new("code-review", "/p/SKILL.md")],
        vec![place.clone(), "/home/me/.config/opencode/skill".into()],
    );
    let agent = Agent::new("build", AgentMode::Primary);
    let problems = |name: &str, deny: bool, agent: &Agent| {
        let mut profile = profile(None);
        if deny {
            profile.permission.push(config::PermissionRule::deny("skill"));
        }
        let name = SkillName::new(name).unwrap();
        let found = skill_problems(&[&name], &profile, agent, &skills);
        let found: Vec<_> = found.iter().map(|error| (error.code(), error.to_string())).collect();
        found
    };
    assert_eq!(problems("code-review", false, &agent), []);
    let [(code, message)] = &problems("code-reviw", false, &agent)[..] else { panic!("one problem") };
    assert_eq!(*code, "orch::workers::missing-skill");
    let file = place.join("code-reviw/SKILL.md");
    assert_eq!(
        *message,
        format!(
            "worker `w` needs the skill `code-reviw`, and the host has none: did you mean `code-review`?; searched {}, \
             /home/me/.config/opencode/skill/code-reviw/SKILL.md",
            file.display()
        )
    );
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "---\nname: other\n---\n").unwrap();
    let [(_, message)] = &problems("code-reviw", false, &agent)[..] else { panic!("one problem") };
    assert!(
        message.contains(&format!("{} is there, but the host did not load it", file.display())),
        "{message}"
    );

    let [(code, message)] = &problems("code-review", true, &agent)[..] else { panic!("one problem") };
    assert_eq!(*code, "orch::workers::denied-skill");
    assert!(message.ends_with("its profile denies it: change `permission` or `tools` there"), "{message}");
    let mut strict = agent;
    strict.permission.push(PermissionRule::new("skill", "*", PermissionAction::Deny));
    let [(_, message)] = &problems("code-review", false, &strict)[..] else { panic!("one problem") };
    assert!(
        message.contains("the agent `build` is denied it: allow it under `permission.skill`"),
        "{message}"
    );
}

#[test]
fn what_has_no_effect_is_said() {
    let mut profile = profile(None);
    assert_eq!(without_effect(&profile, WorkerKind::Agent, false), None);
    profile.temperature = Some(0.5);
    profile.env.0.insert("A".to_owned(), "b".to_owned());
    assert_eq!(without_effect(&profile, WorkerKind::Server, false), None);
    profile.context = Context::Fork;
    let said = |kind, guarded| {
        let caution = without_effect(&profile, kind, guarded).unwrap();
        assert_eq!(caution.code, CautionCode::WithoutEffect);
        caution.message
    };
    assert_eq!(
        said(WorkerKind::Subagent, true),
        "worker `w`: without effect: `env` (it needs a server of the worker's own)"
    );
    assert_eq!(
        said(WorkerKind::Agent, false),
        "worker `w`: without effect: `temperature` (it needs a host that orch starts or that has the plugin of `orch install`, or \
         a server of the worker's own), `env` (it needs a server of the worker's own), `context` (it is for subagents)"
    );
    assert_eq!(
        said(WorkerKind::Agent, true),
        "worker `w`: without effect: `env` (it needs a server of the worker's own), `context` (it is for subagents)"
    );
}
