//! What only shows once everything is resolved: references, combinations, limits.

mod order;
mod references;
mod workflow;

use crate::{
    code,
    config::Config,
    diagnostic::Diagnostics,
    issue::Issue,
    kind::{ExecutionMode, WorkerKind},
    model_reference::{ModelReference, ModelTag},
    path::Path,
    permission::{PermissionAction, PermissionRule},
    placeholder,
    profile::{Environment, Profile},
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
    plugin(config, &mut issues);
    for (id, profile) in &config.profiles {
        if *id != profile.id {
            issues.push(other_id(Path::profile(id.as_str()), id.as_str(), profile.id.as_str()));
        }
        check_profile(profile, &mut issues);
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
    if settings.url.as_deref().is_some_and(|url| !is_http(url)) {
        // It is not repeated: it may contain a password.
        let message = "this is not the URL of a server";
        let issue = Issue::error(code::INVALID_VALUE, place.clone().key("url"), message);
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

/// The colours of OpenCode's themes that an agent can have.
const COLOURS: [&str; 7] = ["primary", "secondary", "accent", "success", "warning", "error", "info"];

/// OpenCode takes from a plugin what it is given, and looks at none of it: a wrong value would fail there without a word.
fn plugin(config: &Config, issues: &mut Vec<Issue>) {
    let prefix = &config.commands.prefix;
    if prefix.is_empty() || !prefix.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) {
        let message = format!("{prefix:?} cannot begin the name of a command");
        issues.push(
            Issue::error(code::INVALID_VALUE, Path::keys("commands.prefix"), message)
                .help("write letters, digits, `.`, `-` and `_`, such as `orchestrator.`"),
        );
    }
    if let Some(colour) = config.agent.color.as_deref() {
        let hex = colour
            .strip_prefix('#')
            .is_some_and(|hex| hex.len() == 6 && hex.chars().all(|c| c.is_ascii_hexdigit()));
        if !hex && !COLOURS.contains(&colour) {
            let message = format!("{colour:?} is not a colour");
            let issue = Issue::error(code::INVALID_VALUE, Path::keys("agent.color"), message);
            issues.push(issue.help(format!("write `#rrggbb` or one of {}", COLOURS.join(", "))));
        }
    }
    let place = Path::keys("agent.model");
    let named = config.agent.model.as_deref().map(|model| (model, ModelReference::parse(model)));
    if let Some((model, parsed)) = named
        && !matches!(parsed, Ok(ModelReference::Named(name)) if name.contains('/'))
    {
        let message = format!("{model:?} is not the name of a model");
        issues.push(
            Issue::error(code::INVALID_VALUE, place, message).help(
                "write `provider/model`, as `orch models` lists them, or leave it out for the chosen one",
            ),
        );
    }
}

fn check_profile(profile: &Profile, issues: &mut Vec<Issue>) {
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
        if Environment::is_reserved(name) {
            issues.push(reserved(place.clone(), name));
        }
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
}

/// Whether everything under this permission is refused. The last rule that matches decides.
fn refuses(rules: &[PermissionRule], permission: &str) -> bool {
    let of_it = |rule: &&PermissionRule| {
        rule.pattern == "*" && (rule.permission == permission || rule.permission == "*")
    };
    rules.iter().rev().find(of_it).is_some_and(|rule| rule.action == PermissionAction::Deny)
}

fn reserved(place: Path, name: &str) -> Issue {
    let message = format!("`{name}` is not for a profile to set: orch keeps its servers apart with it");
    Issue::error(code::INVALID_VALUE, place, message)
        .help("leave it out; every server of a worker has its own data, password and guard")
}

fn foreground_server(place: Path, id: &str) -> Issue {
    let message =
        format!("the worker {id:?} cannot be in the foreground: its session is on a server of its own");
    Issue::error(code::FOREGROUND_SERVER, place, message).help("make it `kind: subagent` or `kind: agent`")
}
