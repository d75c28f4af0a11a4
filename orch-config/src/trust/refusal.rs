//! What a project may not say before a person trusts it: whatever reaches beyond agents, models, prompts and workflows.

use crate::{
    builtin, code,
    issue::Issue,
    model::{
        Root,
        layer::Word,
        profile::ProfilePatch,
        table::{PermissionValue, ProfileEntry, Table},
        workflow::LimitsPart,
    },
    path::Path,
    permission::PermissionAction,
    settings::SessionPolicy,
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
    let of_sessions =
        |root: &Root| root.store.as_ref().and_then(|store| store.sessions.as_ref().map(|word| word.0));
    if of_sessions(project) == Some(SessionPolicy::Delete)
        && of_sessions(person) != Some(SessionPolicy::Delete)
    {
        issues.push(refusal(Path::keys("store.sessions"), "have what its workers did deleted"));
    }
    if let Some(caps) = project.security.as_ref().and_then(|security| security.workflows.as_ref()) {
        lifted_caps(caps, person, &mut issues);
    }
    raised_budget(project, person, &mut issues);
    if let Some(agent) = &*project.agent {
        let own = person.agent.as_ref().and_then(|agent| agent.tools.as_ref());
        let is_refused = |tool: &str| own.is_some_and(|tools| tools.0.get(tool) == Some(&false));
        let place = Path::keys("agent");
        widened(&place, agent.permission.as_ref(), agent.tools.as_ref(), is_refused, &mut issues);
    }
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

fn refused_in_profile(patch: &ProfilePatch, person: &Root, issues: &mut Vec<Issue>) {
    let place = Path::profile(patch.id.as_str());
    if patch.env.as_ref().is_some_and(|env| !env.0.is_empty()) {
        issues.push(refusal(place.clone().key("env"), "set a worker's environment"));
    }
    let own = || patches(person).filter(|own| own.id == patch.id);
    let has_environment = own().any(|own| own.env.as_ref().is_some_and(|env| !env.0.is_empty()));
    if has_environment && patch.agent.is_some() {
        let what = "put another agent behind a worker to whom you gave an environment";
        issues.push(refusal(place.clone().key("agent"), what));
    }
    // What a person says of a tool counts in the place of what is built in.
    let is_refused = |tool: &str| {
        let mut said = own().filter_map(|own| own.tools.as_ref()?.0.get(tool).copied()).peekable();
        match said.peek() {
            Some(_) => said.any(|enabled| !enabled),
            None => builtin::tools(patch.id.as_str()).0.get(tool) == Some(&false),
        }
    };
    widened(&place, patch.permission.as_ref(), patch.tools.as_ref(), is_refused, issues);
}

/// A project may refuse more to an agent or a worker; it may allow nothing, and lift no refusal that is the person's own or
/// built in.
fn widened(
    place: &Path,
    permission: Option<&Table<PermissionValue>>,
    tools: Option<&Table<bool>>,
    is_refused: impl Fn(&str) -> bool,
    issues: &mut Vec<Issue>,
) {
    for (name, value) in permission.iter().flat_map(|permission| &permission.0) {
        let place = || place.clone().key("permission").key(name.as_str());
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
    for (tool, _) in tools.iter().flat_map(|tools| &tools.0).filter(|(_, enabled)| **enabled) {
        if is_refused(tool) {
            let place = place.clone().key("tools").key(tool.as_str());
            issues.push(refusal(place, "allow a tool that is refused"));
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
