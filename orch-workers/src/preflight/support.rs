//! Settings of a profile that this version cannot act on, or not for every kind of worker.

use orch_config::{Profile, kind::WorkerKind, profile::Context};

use crate::error::{Error, ErrorKind};

/// Refuses a profile whose settings could only be ignored here.
///
/// # Errors
/// A session that should begin with the parent's transcript.
pub(crate) fn supported(profile: &Profile, kind: WorkerKind) -> Result<(), Error> {
    if profile.context == Context::Fresh || kind != WorkerKind::Subagent {
        return Ok(());
    }
    let message = format!(
        "worker `{}`: this version begins every session with nothing but its prompt: remove `context` or set it to \
         `fresh`",
        profile.id
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// What the profile says that has no effect on a worker of this kind, for people to know. In a `guarded` host our plugin
/// applies what the host's interface has no place for.
pub(crate) fn without_effect(profile: &Profile, kind: WorkerKind, guarded: bool) -> Option<String> {
    let mut settings = Vec::new();
    if profile.temperature.is_some() && kind != WorkerKind::Server && !guarded {
        settings.push("`temperature` (it needs a host that orch starts, or a server of the worker's own)");
    }
    if !profile.env.is_empty() && kind != WorkerKind::Server {
        settings.push("`env` (it needs a server of the worker's own)");
    }
    if profile.context != Context::Fresh && kind != WorkerKind::Subagent {
        settings.push("`context` (it is for subagents)");
    }
    (!settings.is_empty()).then(|| format!("without effect: {}", settings.join(", ")))
}
