//! Settings of a profile that do not act on every kind of worker.

use orch_config::{Profile, Trust, kind::WorkerKind, profile::Context};
use orch_opencode::serve::Progress;
use orch_workflow::status::{Caution, CautionCode};

/// What the profile says that has no effect on a worker of this kind, for people to know. In a `guarded` host our plugin
/// applies what the host's interface has no place for.
pub(crate) fn without_effect(profile: &Profile, kind: WorkerKind, guarded: bool) -> Option<Caution> {
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
    let message = || format!("worker `{}`: without effect: {}", profile.id, settings.join(", "));
    (!settings.is_empty()).then(|| Caution::new(CautionCode::WithoutEffect, message()))
}

/// What a server that is started here leaves out, for people to know: said once, as soon as there is one.
pub(crate) fn leaves_out(trust: Trust, progress: Progress) -> Option<Caution> {
    let message = "it runs without the project's own OpenCode plugins, tools and configuration: the project is not \
                   trusted (`orch trust`)";
    (trust == Trust::Untrusted && progress == Progress::Listening)
        .then(|| Caution::new(CautionCode::NotTrusted, message))
}
