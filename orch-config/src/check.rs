//! What only shows once everything is resolved: references, combinations, limits.

mod order;
mod references;
mod workflow;

use crate::{
    builtin, code,
    config::Config,
    diagnostic::Diagnostics,
    issue::Issue,
    kind::{ExecutionMode, WorkerKind},
    model_reference::{ModelReference, ModelTag},
    path::Path,
    permission::{PermissionAction, PermissionRule},
    place::places,
    placeholder,
    profile::Profile,
    workflow::WorkflowDefinition,
};

impl Config {
    /// Checks a configuration that was built in code, as one from files is checked.
    ///
    /// The problems have no file and no position, only a path.
    #[must_use]
    pub fn check(&self) -> Diagnostics {
        Diagnostics(issues(self).into_iter().map(Issue::unplaced).collect())
    }

    /// Checks one workflow against the profiles, whether it is among the configuration's own or not.
    #[must_use]
    pub fn check_workflow(&self, workflow: &WorkflowDefinition) -> Diagnostics {
        let mut issues = Vec::new();
        workflow::check(self, workflow, &mut issues);
        Diagnostics(issues.into_iter().map(Issue::unplaced).collect())
    }
}

/// Everything that is wrong with a resolved configuration. Places are only spelt out where something is.
pub(crate) fn issues(config: &Config) -> Vec<Issue> {
    let mut issues = Vec::new();
    opencode(config, &mut issues);
    for (id, profile) in &config.profiles {
        if *id != profile.id {
            issues.push(other_id(Path::profile(id.as_str()), id.as_str(), profile.id.as_str()));
        }
        check_profile(config, profile, &mut issues);
    }
    for (id, workflow) in &config.workflows {
        if *id != workflow.id {
            issues.push(other_id(Path::workflow(id.as_str()), id.as_str(), workflow.id.as_str()));
        }
        workflow::check(config, workflow, &mut issues);
    }
    issues
}

fn other_id(place: Path, key: &str, id: &str) -> Issue {
    Issue::error(code::INVALID_VALUE, place.key("id"), format!("{id:?} is listed under the id {key:?}"))
}

fn opencode(config: &Config, issues: &mut Vec<Issue>) {
    let settings = &config.opencode;
    let place = Path::keys("opencode");
    if let Some(url) = settings.url.as_deref().filter(|url| !is_http(url)) {
        let issue = Issue::error(
            code::INVALID_VALUE,
            place.clone().key("url"),
            format!("{url:?} is not the URL of a server"),
        );
        issues.push(issue.help("write http://HOST:PORT, without user name and password"));
    }
    for (key, name) in [("usernameEnv", &settings.username_env), ("passwordEnv", &settings.password_env)] {
        check_variable(place.clone().key(key), name, issues);
    }
    if settings.command.as_ref().is_some_and(|command| command.first().is_none_or(String::is_empty)) {
        issues.push(Issue::error(code::INVALID_VALUE, place.key("command"), "the command names no program"));
    }
}

/// Credentials in a URL end up in logs; they belong into variables.
fn is_http(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !host.contains('@') && !rest.contains(char::is_whitespace)
    })
}

fn check_variable(place: Path, name: &str, issues: &mut Vec<Issue>) {
    if name.is_empty() || name.contains(['=', '\0']) {
        issues.push(Issue::error(
            code::INVALID_VALUE,
            place,
            format!("{name:?} cannot be the name of a variable"),
        ));
    }
}

fn check_profile(config: &Config, profile: &Profile, issues: &mut Vec<Issue>) {
    let place = || Path::profile(profile.id.as_str());
    if profile.execution == ExecutionMode::Foreground && profile.kind == WorkerKind::Server {
        issues.push(foreground_server(place().key("execution"), profile.id.as_str()));
    }
    if let Some((code, severity, message, help)) =
        profile.system_prompt.as_deref().and_then(placeholder::snippet)
    {
        let place = place().key("systemPrompt");
        issues.push(Issue { severity, help, ..Issue::error(code, place, message) });
    }
    for (name, value) in &profile.env.0 {
        let place = place().key("env").key(name.as_str());
        check_variable(place.clone(), name, issues);
        if value.contains('\0') {
            let message = format!("the value of {name} has a NUL character");
            issues.push(Issue::error(code::INVALID_VALUE, place, message));
        }
    }
    if profile.max_concurrency == 0 {
        issues.push(Issue::error(code::OUT_OF_RANGE, place().key("maxConcurrency"), "`maxConcurrency` is 0"));
    }
    if let Some(Err(unknown)) = profile.model.as_deref().map(ModelReference::parse) {
        let tags = ModelTag::ALL.map(ModelTag::as_str);
        let issue = Issue::error(code::UNKNOWN_MODEL_TAG, place().key("model"), unknown.to_string());
        issues.push(issue.suggest(&unknown.text, tags));
    }
    if profile.supports_web && refuses(&profile.permission, "webfetch") {
        let message = "`supportsWeb` has no effect: the profile's permissions refuse `webfetch`";
        issues.push(
            Issue::warning(code::NO_EFFECT, place().key("supportsWeb"), message)
                .help("allow `webfetch`, or leave `supportsWeb` out"),
        );
    }
    let of_built_in = || {
        let built_in = builtin::profile(profile.id.as_str());
        built_in.is_some_and(|built_in| built_in.temperature == profile.temperature)
    };
    if profile.temperature.is_some() && !of_built_in() {
        check_temperature(config, profile, issues);
    }
}

/// The kinds that a profile's worker runs as: its own, and those that steps give it.
fn uses<'a>(config: &'a Config, profile: &'a Profile) -> impl Iterator<Item = WorkerKind> + 'a {
    let steps = config.workflows.values().flat_map(WorkflowDefinition::steps);
    let given = steps.filter(|step| step.worker == profile.id).filter_map(|step| step.kind);
    std::iter::once(profile.kind).chain(given)
}

/// A temperature is applied on a worker's own server: a step may give the worker one, or take it away.
fn check_temperature(config: &Config, profile: &Profile, issues: &mut Vec<Issue>) {
    let message = |kind| {
        format!(
            "`temperature` has no effect: it is applied on a worker's own server, and {:?} is {kind}",
            profile.id.as_str()
        )
    };
    if !uses(config, profile).any(|kind| kind == WorkerKind::Server) {
        let place = Path::profile(profile.id.as_str()).key("temperature");
        issues.push(
            Issue::warning(code::NO_EFFECT, place, message(profile.kind)).help(
                "make it `kind: server`, or set the temperature of the agent in OpenCode's configuration",
            ),
        );
        return;
    }
    for workflow in config.workflows.values() {
        for (step, place) in
            workflow.steps().zip(places(workflow)).filter(|(step, _)| step.worker == profile.id)
        {
            if let Some(kind) = step.kind.filter(|kind| *kind != WorkerKind::Server) {
                let place = place.path(&workflow.id).key("kind");
                issues.push(
                    Issue::warning(code::NO_EFFECT, place, format!("{} in this step", message(kind)))
                        .help("leave the step's `kind` out, or name a profile without a temperature"),
                );
            }
        }
    }
}

/// Whether everything under this permission is refused. The last rule that matches decides.
fn refuses(rules: &[PermissionRule], permission: &str) -> bool {
    let of_it = |rule: &&PermissionRule| {
        rule.pattern == "*" && (rule.permission == permission || rule.permission == "*")
    };
    rules.iter().rev().find(of_it).is_some_and(|rule| rule.action == PermissionAction::Deny)
}

fn foreground_server(place: Path, id: &str) -> Issue {
    let message =
        format!("the worker {id:?} cannot be in the foreground: its session is on a server of its own");
    Issue::error(code::FOREGROUND_SERVER, place, message).help("make it `kind: subagent` or `kind: agent`")
}
