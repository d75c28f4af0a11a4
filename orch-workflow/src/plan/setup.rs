//! What a worker is set up with, short enough to stand in every step's plan.

use orch_config::{Profile, profile::Context};
use serde_json::{Map, Value, json};

use super::digest;

/// The digest of everything in a profile that its work depends on and that the plan does not hold by itself.
///
/// What is at its default is left out, so that a setting which a later version adds changes no digest. Of the
/// environment only the names count: values may be secrets, and a new password is no other definition.
pub(super) fn of(profile: &Profile) -> String {
    let names: Vec<_> = profile.env.keys().collect();
    let settings = [
        ("model", json!(profile.model), profile.model.is_some()),
        ("agent", json!(profile.agent), profile.agent.is_some()),
        ("system_prompt", json!(profile.system_prompt), profile.system_prompt.is_some()),
        ("permission", json!(profile.permission), !profile.permission.is_empty()),
        ("temperature", json!(profile.temperature), profile.temperature.is_some()),
        ("env", json!(names), !names.is_empty()),
        ("context", json!(profile.context), profile.context != Context::default()),
        ("required_skills", json!(profile.required_skills), !profile.required_skills.is_empty()),
        ("supports_vision", json!(true), profile.supports_vision),
        ("supports_web", json!(true), profile.supports_web),
        ("inject_repo_context", json!(true), profile.inject_repo_context),
    ];
    let set = settings.into_iter().filter(|(.., is_set)| *is_set);
    digest(Value::Object(set.map(|(name, value, _)| (name.to_owned(), value)).collect::<Map<_, _>>()))
}
