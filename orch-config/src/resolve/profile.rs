//! Profiles: the built-in one or an empty one, and the changes on top of it.

use indexmap::map::Entry;

use super::{set, unknown_profile, word};
use crate::{
    builtin, code,
    config::Config,
    id::ProfileId,
    issue::Issue,
    kind::{self, WorkerKind},
    model::{
        list::Identified,
        profile::{ProfilePatch, RestartPatch},
        table::{PermissionValue, ProfileEntry, Table},
    },
    path::Path,
    permission::PermissionRule,
    profile::{Context, Environment, Profile, Restart},
};

/// Which of the keys that only some kinds of worker heed a profile sets to something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    id: ProfileId,
    env: bool,
    restart: bool,
    context: bool,
    port: bool,
}

impl Written {
    fn of(patch: &ProfilePatch) -> Option<Self> {
        let env = patch.env.as_ref().is_some_and(|env| !env.0.is_empty());
        let restart =
            patch.restart.as_ref().map(restart).is_some_and(|restart| restart != Restart::default());
        let context = word(&patch.context).is_some_and(|context| context != Context::default());
        let port = patch.port.is_some();
        (env || restart || context || port).then(|| Self {
            id: patch.id.clone(),
            env,
            restart,
            context,
            port,
        })
    }
}

/// Applies the entries of all files to the built-in profiles.
pub(super) fn resolve(
    config: &mut Config,
    entries: Vec<ProfileEntry>,
    issues: &mut Vec<Issue>,
) -> Vec<Written> {
    let mut written = Vec::new();
    let mut names = Vec::new();
    config.profiles.reserve(entries.len());
    for entry in entries {
        match entry {
            ProfileEntry::Name(_) => names.push(entry),
            ProfileEntry::Patch(patch) => {
                written.extend(Written::of(&patch));
                match config.profiles.entry(patch.id.clone()) {
                    Entry::Occupied(mut base) => {
                        let profile = patched(Some(base.get().clone()), *patch, issues);
                        base.insert(profile);
                    }
                    Entry::Vacant(free) => {
                        free.insert(patched(None, *patch, issues));
                    }
                }
            }
        }
    }
    for name in names.iter().filter(|name| !config.profiles.contains_key(name.id())) {
        issues.push(unknown_profile(config, Path::profile(name.id()), name.id()));
    }
    written
}

fn patched(builtin: Option<Profile>, patch: ProfilePatch, issues: &mut Vec<Issue>) -> Profile {
    let builtin_kind = builtin.as_ref().map(|profile| profile.kind);
    let mut tools: Table<bool> = builtin::tools(patch.id.as_str());
    let mut profile = builtin.unwrap_or_else(|| Profile::unnamed(patch.id));

    match kind::resolve(word(&patch.backend), word(&patch.kind), builtin_kind) {
        Ok(kind) => profile.kind = kind,
        Err(conflict) => issues.push(
            Issue::error(
                code::KIND_BACKEND_CONFLICT,
                Path::profile(profile.id.as_str()).key("kind"),
                conflict.to_string(),
            )
            .help("leave `backend` out: `kind` says it all"),
        ),
    }
    crate::model::layer::Merge::merge(&mut tools, patch.tools.0.unwrap_or_default());
    profile.permission = from_tools(tools);
    let written = from_permission(patch.permission.0.unwrap_or_default());
    profile.permission.reserve_exact(written.len());
    for rule in written {
        // Only the last rule for a pattern can ever decide.
        profile
            .permission
            .retain(|earlier| (&earlier.permission, &earlier.pattern) != (&rule.permission, &rule.pattern));
        profile.permission.push(rule);
    }

    match patch.name.0 {
        Some(name) => profile.name = name,
        None if profile.name.is_empty() => profile.name = profile.id.as_str().to_owned(),
        None => {}
    }
    set(&mut profile.purpose, patch.purpose.0);
    set(&mut profile.when_to_use, patch.when_to_use.0);
    set(&mut profile.execution, word(&patch.execution));
    set(&mut profile.model, patch.model.0.map(|model| Some(model.0)));
    set(&mut profile.agent, patch.agent.0.map(|agent| Some(agent.0)));
    set(&mut profile.system_prompt, patch.system_prompt.0.map(Some));
    set(&mut profile.temperature, patch.temperature.map(|temperature| Some(temperature.get())));
    set(&mut profile.env, patch.env.0.map(|env| Environment(env.0.into_iter().collect())));
    set(&mut profile.context, word(&patch.context));
    set(&mut profile.handoff, word(&patch.handoff));
    set(&mut profile.max_concurrency, patch.max_concurrency.map(|count| count.small()));
    set(&mut profile.restart, patch.restart.as_ref().map(restart));
    set(&mut profile.required_skills, patch.required_skills.0);
    set(&mut profile.supports_vision, patch.supports_vision.0);
    set(&mut profile.supports_web, patch.supports_web.0);
    set(&mut profile.inject_repo_context, patch.inject_repo_context.0);
    set(&mut profile.port, patch.port.map(|port| Some(port.small())));
    set(&mut profile.tags, patch.tags.0);
    profile
}

/// A tool that is switched off is refused; one that is on needs no rule, the host's own rules hold for it.
pub(crate) fn from_tools(tools: Table<bool>) -> Vec<PermissionRule> {
    let mut rules: Vec<PermissionRule> = Vec::with_capacity(tools.0.len());
    for (tool, _) in tools.0.into_iter().filter(|(_, enabled)| !enabled) {
        let tool = if tool.chars().any(char::is_uppercase) { tool.to_lowercase() } else { tool };
        let rule = match crate::permission::of_tool(&tool) {
            other if other != tool => PermissionRule::deny(other),
            _ => PermissionRule::deny(tool),
        };
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules
}

pub(crate) fn from_permission(permission: Table<PermissionValue>) -> Vec<PermissionRule> {
    let mut rules = Vec::with_capacity(permission.0.len());
    for (name, value) in permission.0 {
        match value {
            PermissionValue::Action(action) => rules.push(PermissionRule::new(name, "*", action.0)),
            PermissionValue::Patterns(patterns) => {
                let patterns = patterns.0.into_iter();
                rules.extend(
                    patterns.map(|(pattern, action)| PermissionRule::new(name.as_str(), pattern, action.0)),
                );
            }
        }
    }
    rules
}

fn restart(part: &RestartPatch) -> Restart {
    let default = Restart::default();
    Restart {
        max_restarts: part.max_restarts.map_or(default.max_restarts, |count| count.small()),
        window_ms: part.window_ms.map_or(default.window_ms, |millis| millis.get()),
    }
}

/// Remarks on keys that no kind of worker which the profile is used as heeds.
pub(super) fn remark(config: &Config, written: &[Written], issues: &mut Vec<Issue>) {
    for written in written {
        let Some(profile) = config.profiles.get(&written.id) else { continue };
        let used_as = |kind: WorkerKind| {
            profile.kind == kind || overrides(config, &written.id).any(|used| used == kind)
        };
        let mut remark = |key: &str, present: bool, kind: WorkerKind| {
            if present && !used_as(kind) {
                let message = format!(
                    "`{key}` has no effect: it is for workers of kind {kind}, and {:?} is {}",
                    profile.id.as_str(),
                    profile.kind
                );
                issues.push(Issue::warning(
                    code::NO_EFFECT,
                    Path::profile(profile.id.as_str()).key(key),
                    message,
                ));
            }
        };
        remark("env", written.env, WorkerKind::Server);
        remark("restart", written.restart, WorkerKind::Server);
        remark("port", written.port, WorkerKind::Server);
        remark("context", written.context, WorkerKind::Subagent);
    }
}

fn overrides<'a>(config: &'a Config, id: &'a ProfileId) -> impl Iterator<Item = WorkerKind> + 'a {
    let steps = config.workflows.values().flat_map(|workflow| workflow.steps());
    steps.filter(move |step| step.worker == *id).filter_map(|step| step.kind)
}
