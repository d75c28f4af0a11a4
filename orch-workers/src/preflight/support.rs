//! Settings of a profile that do not act on every kind of worker.

use orch_config::{Profile, kind::WorkerKind, profile::Context};

/// What the profile says that has no effect on a worker of this kind, for people to know. In a `guarded` host our plugin
/// applies what the host's interface has no place for.
pub(crate) fn without_effect(profile: &Profile, kind: WorkerKind, guarded: bool) -> Option<String> {
    let mut settings = Vec::new();
    if profile.temperature.is_some() && kind != WorkerKind::Server && !guarded {
        settings.push("`temperature` (it needs a host that orch starts or that has the plugin of `orch install`, or a server of the worker's own)");
    }
    if !profile.env.is_empty() && kind != WorkerKind::Server {
        settings.push("`env` (it needs a server of the worker's own)");
    }
    if profile.context != Context::Fresh && kind != WorkerKind::Subagent {
        settings.push("`context` (it is for subagents)");
    }
    (!settings.is_empty()).then(|| format!("without effect: {}", settings.join(", ")))
}
