//! `orch profiles`: what each profile comes to, and why.

use orch::{
    config::{
        Config, Loaded, Origin, Profile, Setting,
        kind::{ExecutionMode, WorkerKind},
    },
    opencode::Skills,
    ux::text::plain,
    workers::preflight::{Offer, SkillState},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{config::nearby, print, print_json};
use crate::{
    args::ProfilesArgs,
    exit::{Exit, Failure},
    project::Project,
};

pub(crate) async fn profiles(project: &Project, args: &ProfilesArgs, json: bool) -> Result<Exit, Failure> {
    let loaded = project.loaded(json)?;
    let host = ask(project, args, &loaded.config).await;
    let settings = loaded.settings();
    let with_tag = |profile: &&Profile| args.tag.as_ref().is_none_or(|tag| profile.tags.contains(tag));
    let shown = loaded.config.profiles.values().filter(with_tag);
    let rows: Vec<_> =
        shown.map(|profile| Row::of(profile, &loaded, &settings, host.as_ref().ok())).collect();
    if json {
        let unresolved = host.err();
        print_json(&rows.iter().map(|row| row.object(unresolved.as_deref())).collect::<Vec<_>>())?;
        return Ok(Exit::Success);
    }
    print(&rows.iter().map(|row| row.text(project)).collect::<Vec<_>>().join(""))?;
    if let Err(reason) = host {
        print(&format!("models, agents and skills are not looked up: {}", plain(&reason, 300)))?;
    }
    Ok(Exit::Success)
}

/// What a host says of itself.
struct Asked {
    offer: Offer,
    skills: Skills,
}

/// A server that is named is asked; one is only started on request. The error is for people.
async fn ask(project: &Project, args: &ProfilesArgs, config: &Config) -> Result<Asked, String> {
    let named = args.host.server.is_some() || config.opencode.url.is_some();
    if !named && !args.start {
        return Err("no server is named; name one with --server, or have one started with --start".to_owned());
    }
    let asked = async {
        let orchestrator = project.orchestrator(config.clone(), &args.host).await?;
        let answers = async {
            let host = orchestrator.host().await?;
            let offer = Offer::ask(&*host).await?;
            let needed = config.profiles.values().any(|profile| !profile.required_skills.is_empty());
            let skills = if needed { host.skills().await? } else { Skills::default() };
            Ok::<_, orch::Error>(Asked { offer, skills })
        };
        let answers = answers.await;
        orchestrator.shutdown().await;
        Ok::<_, Failure>(answers?)
    };
    asked.await.map_err(|failure| failure.message)
}

/// A profile, and what there is to say about it.
struct Row<'a> {
    profile: &'a Profile,
    kind: Option<&'a Origin>,
    model: Option<&'a Origin>,
    /// The steps that have it run as something else.
    steps: Vec<(WorkerKind, String)>,
    resolved: Option<Resolved>,
}

/// What it is on a host.
#[derive(Debug, Serialize)]
struct Resolved {
    agent: Option<String>,
    model: Option<String>,
    reason: Option<String>,
    problem: Option<String>,
    skills: Vec<Value>,
}

impl<'a> Row<'a> {
    fn of(profile: &'a Profile, loaded: &'a Loaded, settings: &'a [Setting], asked: Option<&Asked>) -> Self {
        let origin = |key: &str| {
            let path = format!("$.profiles[{}].{key}", json!(profile.id));
            settings.iter().find(|setting| setting.path == path).map(|setting| &setting.origin)
        };
        let mut steps = Vec::new();
        for workflow in loaded.config.workflows.values() {
            for step in workflow.steps().filter(|step| step.worker == profile.id) {
                steps.extend(
                    step.kind
                        .filter(|kind| *kind != profile.kind)
                        .map(|kind| (kind, format!("{}/{}", workflow.id, step.id))),
                );
            }
        }
        Self {
            profile,
            kind: origin("kind"),
            model: origin("model"),
            steps,
            resolved: asked.map(|asked| Resolved::on(asked, profile)),
        }
    }

    fn object(&self, unresolved: Option<&str>) -> Value {
        let profile = self.profile;
        let steps: Vec<_> =
            self.steps.iter().map(|(kind, step)| json!({ "step": step, "kind": kind })).collect();
        json!({
            "id": profile.id, "name": profile.name, "kind": profile.kind, "kindOrigin": self.kind,
            "execution": profile.execution, "model": profile.model, "modelOrigin": self.model,
            "agent": profile.agent, "purpose": profile.purpose, "whenToUse": profile.when_to_use,
            "tags": profile.tags, "permission": profile.permission, "requiredSkills": profile.required_skills,
            "steps": steps, "resolved": self.resolved, "unresolved": unresolved,
        })
    }

    fn text(&self, project: &Project) -> String {
        let profile = self.profile;
        let id = plain(profile.id.as_str(), 64);
        let mut text = id;
        for (said, between) in [(&profile.name, "  "), (&profile.purpose, ": ")] {
            if !said.is_empty() && said != profile.id.as_str() {
                text.push_str(&format!("{between}{}", plain(said, 100)));
            }
        }
        text.push('\n');
        let mut line = |name: &str, said: String| text.push_str(&format!("    {name:<11}{said}\n"));
        let from = |origin: Option<&Origin>| {
            origin.map(|origin| format!(" ({})", nearby(project, origin))).unwrap_or_default()
        };
        let mode = match profile.execution {
            ExecutionMode::Foreground => "foreground",
            ExecutionMode::Background => "background",
        };
        line("kind", format!("{}{}, {mode}", profile.kind, from(self.kind)));
        for (kind, step) in &self.steps {
            line("", format!("{kind} in {}", plain(step, 130)));
        }
        let written = profile.model.as_deref().map_or("none named".to_owned(), |model| plain(model, 60));
        let model = format!("{written}{}", from(self.model));
        match &self.resolved {
            None => line("model", model),
            Some(Resolved { problem: Some(problem), .. }) => {
                line("model", model);
                line("problem", plain(problem, 400));
            }
            Some(Resolved { model: found, reason, agent, .. }) => {
                let shown = |text: &Option<String>| plain(text.as_deref().unwrap_or("-"), 100);
                line("model", format!("{model} → {}: {}", shown(found), shown(reason)));
                let why = if profile.agent.is_some() { "named by the profile" } else { "the host's default" };
                line("agent", format!("{}: {why}", shown(agent)));
            }
        }
        for rule in &profile.permission {
            line(
                "permission",
                format!("{} {}: {}", plain(&rule.permission, 40), plain(&rule.pattern, 60), rule.action),
            );
        }
        let states = self.resolved.as_ref().map(|resolved| &resolved.skills);
        for (index, skill) in profile.required_skills.iter().enumerate() {
            let state = states.and_then(|states| states.get(index)?["state"].as_str());
            line("skill", state.map_or(skill.to_string(), |state| format!("{skill}: {state}")));
        }
        if !profile.tags.is_empty() {
            line("tags", plain(&profile.tags.join(", "), 100));
        }
        text
    }
}

impl Resolved {
    fn on(asked: &Asked, profile: &Profile) -> Self {
        let skills = asked.offer.skills(profile, &asked.skills);
        let skills =
            skills.iter().map(|(name, state)| json!({ "name": name, "state": word(*state) })).collect();
        match asked.offer.select(profile) {
            Ok(selection) => Self {
                agent: Some(selection.agent.name),
                model: Some(selection.model.model.to_string()),
                reason: Some(selection.model.reason.to_string()),
                problem: None,
                skills,
            },
            Err(error) => {
                Self { agent: None, model: None, reason: None, problem: Some(error.to_string()), skills }
            }
        }
    }
}

fn word(state: SkillState) -> &'static str {
    match state {
        SkillState::Ready => "ready",
        SkillState::Asks => "asks",
        SkillState::Denied => "denied",
        _ => "missing",
    }
}
