//! From what the files say to what is so.

mod profile;
mod workflow;

pub(crate) use self::{
    profile::from_tools,
    workflow::{budget, lifted, raised},
};

use std::{collections::HashSet, path::PathBuf};

use crate::{
    code,
    config::Config,
    id::ProfileId,
    issue::Issue,
    model::{
        self, Root,
        layer::{Field, Merge, Word},
        list::{ById, Identified},
        settings::{Agent, Commands, Opencode, Store, Ui},
        table::{Command, ProfileEntry},
    },
    path::Path,
    policy::PolicyPatch,
    settings::{
        AgentSettings, CommandSettings, IdleNotification, OpencodeSettings, Retention, StoreSettings,
        UiSettings,
    },
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
    report_twice(&mut issues, "profile", "profiles", patches.map(|(index, entry)| (index, entry.id())));
    if let Some(workflows) = &*root.workflows {
        let definitions = workflows.definitions.iter().flat_map(|definitions| &definitions.0).enumerate();
        let ids = definitions.map(|(index, definition)| (index, definition.id()));
        report_twice(&mut issues, "workflow", "workflows.definitions", ids);
    }
    issues
}

fn report_twice<'a>(
    issues: &mut Vec<Issue>,
    what: &str,
    list: &str,
    ids: impl Iterator<Item = (usize, &'a str)>,
) {
    let mut seen = HashSet::with_capacity(ids.size_hint().1.unwrap_or(0));
    for (index, id) in ids {
        if !seen.insert(id) {
            let place = Path::keys(list).index(index).key("id");
            let issue = Issue::error(code::DUPLICATE_ID, place, format!("a second {what} has the id {id:?}"));
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
    config.agent = agent(root.agent.0.unwrap_or_default());
    config.commands = commands(root.commands.0.unwrap_or_default());
    config.idle_notification = idle(root.notifications.0.unwrap_or_default().idle.0.unwrap_or_default());
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
        None => issue.help(format!("known profiles: {}", crate::suggest::listed(known))),
    }
}

fn ui(ui: Ui) -> UiSettings {
    let default = UiSettings::default();
    UiSettings {
        toasts: ui.toasts.unwrap_or(default.toasts),
        prompt_hints: ui.prompt_hints.unwrap_or(default.prompt_hints),
        attention: ui.attention.unwrap_or(default.attention),
        wakeup_injection: ui.wakeup_injection.unwrap_or(default.wakeup_injection),
        inject_system_context: ui.inject_system_context.unwrap_or(default.inject_system_context),
        system_context_max_workers: ui
            .system_context_max_workers
            .map_or(default.system_context_max_workers, |count| count.small()),
        debug: ui.debug.unwrap_or(default.debug),
    }
}

fn agent(agent: Agent) -> AgentSettings {
    let default = AgentSettings::default();
    let mut permission = profile::from_tools(agent.tools.0.unwrap_or_default());
    permission.extend(profile::from_permission(agent.permission.0.unwrap_or_default()));
    AgentSettings {
        enabled: agent.enabled.unwrap_or(default.enabled),
        name: agent.name.0.unwrap_or(default.name),
        model: agent.model.0.map(|model| model.0),
        prompt: agent.prompt.0.map_or(default.prompt, |prompt| prompt.0),
        mode: agent.mode.unwrap_or(default.mode),
        color: agent.color.0.map(|color| long_colour(color.0)),
        apply_to_build: agent.apply_to_build.unwrap_or(default.apply_to_build),
        permission,
    }
}

/// OpenCode knows `#rrggbb` only; people write `#rgb`, too.
fn long_colour(colour: String) -> String {
    match colour.strip_prefix('#') {
        Some(short) if short.len() == 3 && short.is_ascii() => {
            short.chars().fold("#".to_owned(), |long, digit| format!("{long}{digit}{digit}"))
        }
        _ => colour,
    }
}

fn commands(commands: Commands) -> CommandSettings {
    let default = CommandSettings::default();
    CommandSettings {
        enabled: commands.enabled.unwrap_or(default.enabled),
        prefix: commands.prefix.0.unwrap_or(default.prefix),
    }
}

fn idle(idle: model::settings::IdleNotification) -> IdleNotification {
    let default = IdleNotification::default();
    IdleNotification {
        enabled: idle.enabled.unwrap_or(default.enabled),
        title: idle.title.0.unwrap_or(default.title),
        message: idle.message.0.unwrap_or(default.message),
        delay_ms: idle.delay_ms.map_or(default.delay_ms, |delay| delay.get()),
    }
}

fn opencode(opencode: Opencode) -> OpencodeSettings {
    let default = OpencodeSettings::default();
    OpencodeSettings {
        command: opencode.command.0.map(|command| match command {
            Command::Program(program) => vec![program.0],
            Command::Line(line) => line.into_iter().map(|part| part.0).collect(),
        }),
        url: opencode.url.0.map(|url| url.0),
        username_env: opencode.username_env.0.map_or(default.username_env, |name| name.0),
        password_env: opencode.password_env.0.map_or(default.password_env, |name| name.0),
    }
}

fn store(store: Store) -> StoreSettings {
    let retention = store.retention.0.unwrap_or_default();
    StoreSettings {
        path: store.path.0.map(|path| PathBuf::from(path.0)),
        retention: Retention {
            max_age_days: retention.max_age_days.map(|days| days.small()),
            max_runs: retention.max_runs.map(|runs| runs.small()),
        },
        sessions: word(&store.sessions).unwrap_or_default(),
    }
}

/// The word that was written, if one was.
fn word<T: Copy>(field: &Field<Word<T>>) -> Option<T> {
    field.map(|word| word.0)
}

fn set<T>(value: &mut T, written: Option<T>) {
    if let Some(written) = written {
        *value = written;
    }
}

/// A policy as written, from its two optional halves.
impl From<&crate::model::workflow::PolicyPart> for PolicyPatch {
    fn from(part: &crate::model::workflow::PolicyPart) -> Self {
        Self { execution: word(&part.execution), intervene: word(&part.intervene) }
    }
}
