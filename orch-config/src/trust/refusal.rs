//! What a project may not say before a person trusts it: whatever reaches beyond agents, models, prompts and workflows.

use crate::{
    code,
    issue::Issue,
    model::{
        Root,
        layer::Word,
        profile::ProfilePatch,
        table::{PermissionValue, ProfileEntry},
        workflow::LimitsPart,
    },
    path::Path,
    permission::PermissionAction,
    workflow::Limits,
};

/// Everything in a project's file that only a trusted one may say, given what the person's own files say.
pub(crate) fn refusals(project: &Root, person: &Root) -> Vec<Issue> {
    let mut issues = Vec::new();
    if let Some(opencode) = &*project.opencode {
        let place = Path::keys("opencode");
        let keys = [
            ("command", opencode.command.is_some(), "choose another program"),
            ("url", opencode.url.is_some(), "point at another server"),
            ("usernameEnv", opencode.username_env.is_some(), "name the variables that hold credentials"),
            ("passwordEnv", opencode.password_env.is_some(), "name the variables that hold credentials"),
        ];
        for (key, _, what) in keys.into_iter().filter(|(_, present, _)| *present) {
            issues.push(refusal(place.clone().key(key), what));
        }
    }
    if project.store.as_ref().is_some_and(|store| store.path.is_some()) {
        issues.push(refusal(Path::keys("store.path"), "choose where runs are kept"));
    }
    if let Some(caps) = project.security.as_ref().and_then(|security| security.workflows.as_ref()) {
        lifted_caps(caps, person, &mut issues);
    }
    raised_budget(project, person, &mut issues);
    for patch in patches(project) {
        refused_in_profile(patch, person, &mut issues);
    }
    issues
}

fn patches(root: &Root) -> impl Iterator<Item = &ProfilePatch> {
    let profiles = root.profiles.iter().flat_map(|profiles| &profiles.0);
    let workers = root.workers.iter().flatten();
    profiles.chain(workers).filter_map(|entry| match entry {
        ProfileEntry::Patch(patch) => Some(patch.as_ref()),
        ProfileEntry::Name(_) => None,
    })
}

fn lifted_caps(caps: &LimitsPart, person: &Root, issues: &mut Vec<Issue>) {
    let own = person.security.as_ref().and_then(|security| security.workflows.as_ref());
    let allowed = crate::resolve::lifted(Limits::default(), own);
    let wanted = crate::resolve::lifted(allowed, Some(caps));
    for (key, wanted, allowed) in crate::resolve::raised(wanted, allowed) {
        let what = format!("lift the cap from {allowed} to {wanted}");
        issues.push(refusal(Path::keys("security.workflows").key(key), &what));
    }
}

/// The bounds on what may be spent are the person's: a project may only lower them.
fn raised_budget(project: &Root, person: &Root, issues: &mut Vec<Issue>) {
    let budget = |root: &Root| {
        let part = root.workflows.as_ref().and_then(|workflows| workflows.budget.as_ref());
        crate::resolve::budget(part)
    };
    let (wanted, allowed) = (budget(project), budget(person));
    let kept = wanted.capped(allowed);
    let keys = [
        ("maxTokens", wanted.max_tokens != kept.max_tokens && wanted.max_tokens.is_some()),
        ("maxCostUsd", wanted.max_cost_usd != kept.max_cost_usd && wanted.max_cost_usd.is_some()),
        ("maxActiveMs", wanted.max_active_ms != kept.max_active_ms && wanted.max_active_ms.is_some()),
    ];
    for (key, _) in keys.into_iter().filter(|(_, raised)| *raised) {
        issues.push(refusal(Path::keys("workflows.budget").key(key), "raise what you allow to be spent"));
    }
}

/// Places are only spelt out where something is refused.
fn refused_in_profile(patch: &ProfilePatch, person: &Root, issues: &mut Vec<Issue>) {
    let place = || Path::profile(patch.id.as_str());
    if patch.env.as_ref().is_some_and(|env| !env.0.is_empty()) {
        issues.push(refusal(place().key("env"), "set a worker's environment"));
    }
    for (name, value) in patch.permission.iter().flat_map(|permission| &permission.0) {
        let place = || place().key("permission").key(name.as_str());
        match value {
            PermissionValue::Action(Word(PermissionAction::Deny)) => {}
            PermissionValue::Action(_) => issues.push(refusal(place(), "widen permissions")),
            PermissionValue::Patterns(patterns) => {
                let wider = patterns.0.iter().filter(|(_, action)| action.0 != PermissionAction::Deny);
                issues.extend(
                    wider.map(|(pattern, _)| refusal(place().key(pattern.as_str()), "widen permissions")),
                );
            }
        }
    }
    for (tool, _) in patch.tools.iter().flat_map(|tools| &tools.0).filter(|(_, enabled)| **enabled) {
        let mut own = patches(person).filter(|own| own.id == patch.id);
        if own.any(|own| own.tools.as_ref().is_some_and(|tools| tools.0.get(tool) == Some(&false))) {
            issues.push(refusal(place().key("tools").key(tool.as_str()), "allow a tool that you refused"));
        }
    }
}

fn refusal(place: Path, what: &str) -> Issue {
    let message = format!("a project that is not trusted may not {what}");
    Issue::error(code::UNTRUSTED, place, message)
        .help(
        "leave the key out, put it into your own file (orchestrator.json in OpenCode's configuration directory), or \
         trust the project",
    )
}
