//! The skills that a worker needs: there, and allowed.
//!
//! The host's own list is the truth: it knows its configuration, reads front matter as its `skill` tool does, and is what
//! that tool answers from. The directories are only named to people.

use orch_config::{Profile, SkillName};
use orch_opencode::{Agent, PermissionAction, PermissionRule, Skills};

use super::near;
use crate::{
    error::{Error, ErrorKind},
    permission,
};

/// The host's permission for loading a skill.
const PERMISSION: &str = "skill";

/// How a skill that a worker needs stands on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkillState {
    /// There, and allowed.
    Ready,
    /// There, and somebody is asked each time.
    Asks,
    /// There, and refused.
    Denied,
    /// Not there.
    Missing,
}

/// The skills of a profile and of a step, each once.
pub(crate) fn required<'a>(profile: &'a Profile, of_step: &'a [SkillName]) -> Vec<&'a SkillName> {
    let mut required: Vec<&SkillName> = Vec::new();
    for name in profile.required_skills.iter().chain(of_step) {
        if !required.contains(&name) {
            required.push(name);
        }
    }
    required
}

/// What these rules say about loading a skill. As on the host, the last rule that matches decides; without any it is
/// allowed, because every agent of the host begins with a rule that allows everything unless somebody took it away.
#[must_use]
pub fn permission(rules: &[PermissionRule], skill: &str) -> PermissionAction {
    permission::of(rules, PERMISSION, skill).unwrap_or(PermissionAction::Allow)
}

pub(super) fn state(
    name: &SkillName,
    profile: &Profile,
    agent: Option<&Agent>,
    skills: &Skills,
) -> SkillState {
    if skills.find(name.as_str()).is_none() {
        return SkillState::Missing;
    }
    let of_agent = agent.map(|agent| agent.permission.as_slice()).unwrap_or_default();
    let rules: Vec<_> = of_agent.iter().cloned().chain(permission::rules(profile)).collect();
    match permission(&rules, name.as_str()) {
        PermissionAction::Allow => SkillState::Ready,
        PermissionAction::Deny => SkillState::Denied,
        PermissionAction::Ask => SkillState::Asks,
    }
}

/// Why a worker cannot have the skills that it needs; nothing if it can.
pub(crate) fn problems(
    names: &[&SkillName],
    profile: &Profile,
    agent: &Agent,
    skills: &Skills,
) -> Vec<Error> {
    let problem = |name: &&SkillName| match state(name, profile, Some(agent), skills) {
        SkillState::Missing => Some(missing(name, profile, skills)),
        SkillState::Denied => Some(denied(name, profile, agent)),
        SkillState::Ready | SkillState::Asks => None,
    };
    names.iter().filter_map(problem).collect()
}

fn missing(name: &SkillName, profile: &Profile, skills: &Skills) -> Error {
    let files = skills.places.iter().map(|place| place.join(name.as_str()).join("SKILL.md"));
    let written = files.clone().find(|file| file.is_file());
    let way_out = match written {
        Some(file) => format!(
            "{} is there, but the host did not load it: restart the host if it is newer than that, see that its front \
             matter has `name: {name}`, and that the host may use this project's own configuration",
            file.display()
        ),
        None => {
            let known = skills.found.iter().map(|skill| skill.name.clone()).collect();
            let hint =
                near::hint(name.as_str(), known, "`orch profiles` shows how the skills of a profile stand");
            let files: Vec<_> = files.map(|file| file.display().to_string()).collect();
            format!("{hint}; searched {}", files.join(", "))
        }
    };
    let message =
        format!("worker `{}` needs the skill `{name}`, and the host has none: {way_out}", profile.id);
    Error::new(ErrorKind::MissingSkill, message)
}

fn denied(name: &SkillName, profile: &Profile, agent: &Agent) -> Error {
    let own = permission(&permission::rules(profile), name.as_str()) == PermissionAction::Deny;
    let by = match own {
        true => "its profile denies it: change `permission` or `tools` there".to_owned(),
        false => format!(
            "the agent `{}` is denied it: allow it under `permission.skill` in OpenCode's configuration, in the profile's \
             `permission`, or use another agent",
            agent.name
        ),
    };
    let message = format!("worker `{}` needs the skill `{name}`, and {by}", profile.id);
    Error::new(ErrorKind::DeniedSkill, message)
}
