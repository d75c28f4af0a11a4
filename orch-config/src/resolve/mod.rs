//! From what the files say to what is so.

mod profile;
mod workflow;

pub(crate) use self::{profile::from_tools, workflow::lifted};

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    code,
    config::Config,
    id::ProfileId,
    issue::Issue,
    model::{
        Root,
        layer::Merge,
        list::{ById, Identified},
        settings::{Opencode, Store, Ui},
        table::{Command, ProfileEntry},
    },
    path::Path,
    policy::PolicyPatch,
    settings::{OpencodeSettings, Retention, StoreSettings, UiSettings},
};

/// Moves the profiles that `workers` declares to the other profiles. What stays are names.
///
/// Done for each file before the files are merged: `workers` is replaced by a later file, a profile is not.
pub(crate) fn gather_profiles(root: &mut Root) {
    let Some(workers) = root.workers.as_mut() else { return };
    let mut declared = ById::default();
    for entry in workers.iter_mut() {
        let name = match entry {
            ProfileEntry::Name(_) => continue,
            ProfileEntry::Patch(patch) => ProfileEntry::Name(patch.id.clone()),
        };
        declared.merge(ById(vec![std::mem::replace(entry, name)]));
    }
    root.profiles.get_or_insert_default().merge(declared);
}

/// What the same file says twice.
pub(crate) fn duplicates(root: &Root) -> Vec<Issue> {
    let mut issues = Vec::new();
    let patches = root.profiles.iter().flat_map(|profiles| &profiles.0).enumerate();
    let patches = patches.filter(|(_, entry)| matches!(entry, ProfileEntry::Patch(_)));
    report_twice(
        &mut issues,
        "profile",
        patches.map(|(at, entry)| (Path::keys("profiles").index(at), entry.id())),
    );

    let Some(workflows) = &*root.workflows else { return issues };
    let definitions = workflows.definitions.iter().flat_map(|definitions| &definitions.0).enumerate();
    let at = |index| Path::keys("workflows.definitions").index(index);
    report_twice(
        &mut issues,
        "workflow",
        definitions.clone().map(|(index, definition)| (at(index), definition.id())),
    );
    for (index, definition) in definitions {
        let steps = definition.steps.iter().flatten().enumerate();
        let place = |step| at(index).key("steps").index(step);
        report_twice(
            &mut issues,
            "step",
            steps.map(|(step, definition)| (place(step), definition.id.as_str())),
        );
    }
    let boomerang =
        workflows.roocode_boomerang.iter().flat_map(|boomerang| boomerang.steps.iter().flatten()).enumerate();
    let place = |step| Path::keys("workflows.roocodeBoomerang.steps").index(step);
    report_twice(
        &mut issues,
        "step",
        boomerang.map(|(step, definition)| (place(step), definition.id.as_str())),
    );
    issues
}

fn report_twice<'a>(issues: &mut Vec<Issue>, what: &str, ids: impl Iterator<Item = (Path, &'a str)>) {
    let mut seen = BTreeSet::new();
    for (path, id) in ids {
        if !seen.insert(id) {
            let issue = Issue::error(
                code::DUPLICATE_ID,
                path.key("id"),
                format!("a second {what} has the id {id:?}"),
            );
            issues.push(issue.help("give it an id of its own, or make one of the two"));
        }
    }
}

/// What all files together come to, on top of what is built in.
pub(crate) fn resolve(root: Root) -> (Config, Vec<Issue>) {
    let mut config = Config::builtin();
    let mut issues = Vec::new();
    let workflows = root.workflows.0.unwrap_or_default();

    config.limits = workflow::lifted(
        config.limits,
        root.security.as_ref().and_then(|security| security.workflows.as_ref()),
    );
    config.workflows_enabled = workflows.enabled.unwrap_or(true);
    config.policy = workflow::policy(workflows.ui.as_ref()).apply(config.policy);
    config.auto_spawn = root.auto_spawn.unwrap_or(true);
    config.ui = ui(root.ui.0.unwrap_or_default());
    config.opencode = opencode(root.opencode.0.unwrap_or_default());
    config.store = store(root.store.0.unwrap_or_default());
    set(&mut config.base_port, root.base_port.map(|port| port.small()));
    set(&mut config.startup_timeout_ms, root.startup_timeout.map(|millis| millis.get()));
    set(&mut config.health_check_interval_ms, root.health_check_interval.map(|millis| millis.get()));

    let entries = root.profiles.0.unwrap_or_default().0;
    let written = profile::resolve(&mut config, entries, &mut issues);
    config.spawn = spawn(&config, root.workers.0.unwrap_or_default(), &mut issues);
    workflow::resolve(&mut config, workflows, &mut issues);
    profile::remark(&config, &written, &mut issues);
    (config, issues)
}

fn spawn(config: &Config, workers: Vec<ProfileEntry>, issues: &mut Vec<Issue>) -> Vec<ProfileId> {
    let mut spawn: Vec<ProfileId> = Vec::new();
    for (index, entry) in workers.iter().enumerate() {
        match config.profiles.get_key_value(entry.id()) {
            Some((id, _)) if spawn.contains(id) => {}
            Some((id, _)) => spawn.push(id.clone()),
            None => issues.push(unknown_profile(config, Path::keys("workers").index(index), entry.id())),
        }
    }
    spawn
}

fn unknown_profile(config: &Config, path: Path, id: &str) -> Issue {
    let known = config.profiles.keys().map(ProfileId::as_str);
    let issue = Issue::error(code::UNKNOWN_PROFILE, path, format!("no profile has the id {id:?}"));
    match crate::suggest(id, known.clone()) {
        Some(near) => issue.help(format!("did you mean `{near}`?")),
        None => issue.help(format!("known profiles: {}", known.collect::<Vec<_>>().join(", "))),
    }
}

fn ui(ui: Ui) -> UiSettings {
    let default = UiSettings::default();
    UiSettings {
        toasts: ui.toasts.unwrap_or(default.toasts),
        prompt_hints: ui.prompt_hints.unwrap_or(default.prompt_hints),
        wakeup_injection: ui.wakeup_injection.unwrap_or(default.wakeup_injection),
        debug: ui.debug.unwrap_or(default.debug),
    }
}

fn opencode(opencode: Opencode) -> OpencodeSettings {
    let default = OpencodeSettings::default();
    OpencodeSettings {
        command: opencode.command.0.map(|command| match command {
            Command::Program(program) => vec![program],
            Command::Line(line) => line,
        }),
        url: opencode.url.0,
        username_env: opencode.username_env.0.unwrap_or(default.username_env),
        password_env: opencode.password_env.0.unwrap_or(default.password_env),
    }
}

fn store(store: Store) -> StoreSettings {
    let retention = store.retention.0.unwrap_or_default();
    StoreSettings {
        path: store.path.0.map(PathBuf::from),
        retention: Retention {
            max_age_days: retention.max_age_days.map(|days| days.small()),
            max_runs: retention.max_runs.map(|runs| runs.small()),
        },
    }
}

fn set<T>(value: &mut T, written: Option<T>) {
    if let Some(written) = written {
        *value = written;
    }
}

/// A policy as written, from its two optional halves.
impl From<&crate::model::workflow::PolicyPart> for PolicyPatch {
    fn from(part: &crate::model::workflow::PolicyPart) -> Self {
        Self { execution: *part.execution, intervene: *part.intervene }
    }
}
