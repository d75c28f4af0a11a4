//! From what the host says to what an attempt says: the one place where OpenCode's failures get our names.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orch_opencode::{
    FailureKind, HostError, HostErrorKind, ModelFailure, SessionId,
    tracker::{self, ToolFailure, Turn},
};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled, Timestamp, Usage, Warning, WarningCode},
    handoff::Handoff,
};

/// A provider that asks for a longer pause than this is reported instead of waited for.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Characters of an answer that are kept.
const LONGEST_TEXT: usize = 1 << 20;

/// Where it is the turn itself that fails with these words, what was refused is `doom_loop`: every other permission is
/// asked for by a tool, which then fails by itself (observed on OpenCode 1.18.33).
const REFUSED: &str = "rejected permission to use";

/// A call to the host failed.
pub(crate) fn host_failure(error: &HostError) -> AttemptError {
    let code = match error.kind() {
        HostErrorKind::Unauthorized => ErrorCode::Auth,
        HostErrorKind::Tls | HostErrorKind::TlsUnsupported => ErrorCode::Tls,
        HostErrorKind::Unreachable
        | HostErrorKind::Timeout
        | HostErrorKind::Busy
        | HostErrorKind::Server
        | HostErrorKind::InvalidUrl => ErrorCode::Unreachable,
        HostErrorKind::NotFound => ErrorCode::WorkerLost,
        HostErrorKind::Spawn | HostErrorKind::NotReady | HostErrorKind::Mismatch => ErrorCode::SpawnFailed,
        _ => ErrorCode::Internal,
    };
    AttemptError::new(code, error.to_string())
}

/// The model, or its provider, failed for good.
pub(crate) fn model_failure(failure: &ModelFailure, now: Timestamp) -> AttemptError {
    let message = failure.message.clone();
    let is_refusal = matches!(failure.status, Some(401 | 403));
    let code = match &failure.kind {
        FailureKind::Auth => ErrorCode::Auth,
        FailureKind::Api if is_refusal => ErrorCode::Auth,
        FailureKind::Api if failure.status == Some(429) => ErrorCode::RateLimited,
        FailureKind::ContextOverflow => ErrorCode::ContextOverflow,
        FailureKind::ContentFilter => ErrorCode::ContentFilter,
        FailureKind::Length => ErrorCode::Length,
        FailureKind::Aborted => ErrorCode::Aborted,
        _ => ErrorCode::Model,
    };
    let mut error = AttemptError::new(code, message);
    error.status = failure.status;
    error.overloaded = code == ErrorCode::Model && is_overload(failure);
    if code == ErrorCode::RateLimited {
        let pause = failure.retry_after.unwrap_or(LONGEST_WAIT);
        error.reset_at = Some(now.plus_ms(millis(pause)));
    }
    error
}

/// Whether a provider has too much to do, where only its words say so: what fails in the middle of a stream has no status.
fn is_overload(failure: &ModelFailure) -> bool {
    let says = |text: &str| text.to_ascii_lowercase().contains("overloaded");
    let by_name = matches!(&failure.kind, FailureKind::Other(name) if says(name));
    failure.status.is_none() && (by_name || says(&failure.message))
}

/// Whether a provider's complaint is about too many calls, so that waiting is not the worker's time.
pub(crate) fn is_rate_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["rate limit", "rate_limit", "ratelimit", "too many requests", "429", "quota"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// How a turn ended, in the engine's terms.
pub(crate) fn conclude(session: &SessionId, settled: tracker::Settled) -> Settled {
    let turn = settled.turn().cloned().unwrap_or_default();
    let error = match settled {
        tracker::Settled::Finished(_) if is_nothing(&turn) => {
            Some(AttemptError::new(ErrorCode::Model, "the model ended its turn without a word"))
        }
        tracker::Settled::Finished(_) => None,
        tracker::Settled::Rejected(_) => Some(AttemptError::new(
            ErrorCode::Aborted,
            "a permission was refused, or a question dismissed, without a word to the worker, which ended its turn",
        )),
        tracker::Settled::Failed { failure, .. } if failure.message.contains(REFUSED) => {
            Some(AttemptError::new(
                ErrorCode::Loop,
                "the model made the same call three times over, and to go on (`doom_loop`) was refused",
            ))
        }
        tracker::Settled::Failed { failure, .. } => Some(model_failure(&failure, now())),
        tracker::Settled::Aborted(_) => {
            let message = format!("the turn was aborted in session {session}");
            Some(AttemptError::new(ErrorCode::Aborted, message))
        }
        tracker::Settled::Looped { reason, .. } => Some(AttemptError::new(
            ErrorCode::Loop,
            format!("stopped, because it would not have ended by itself: {reason}"),
        )),
        tracker::Settled::NeverStarted { reason: Some(failure) } => Some(never_started(&failure)),
        tracker::Settled::NeverStarted { reason: None } => Some(AttemptError::new(
            ErrorCode::Model,
            format!(
                "the host took the prompt for session {session} and then did nothing, without saying why"
            ),
        )),
        tracker::Settled::Interrupted(_) => Some(AttemptError::new(
            ErrorCode::WorkerLost,
            format!("the turn in session {session} broke off: its host ended before it did"),
        )),
        other => Some(AttemptError::new(ErrorCode::Internal, format!("the turn ended as {other:?}"))),
    };
    let (usage, warnings) = (usage(turn.usage), remarks(&turn));
    let mut concluded = Settled { text: turn.text, usage, warnings, error, output: None };
    truncate(&mut concluded);
    concluded
}

/// For an unknown agent or model the host's complaint is all there is.
fn never_started(failure: &ModelFailure) -> AttemptError {
    let mut error = model_failure(failure, now());
    error.message = format!("the host took the prompt and then did nothing: {}", failure.message);
    error
}

/// Puts the remarks that arose on the way before those of the transcript. A refusal of ours shows up again there, as
/// the failure of its call, and is said once.
pub(crate) fn add_remarks(settled: &mut Settled, remarks: Vec<Warning>) {
    let is_refusal = |warning: &Warning| warning.code == WarningCode::PermissionDenied;
    let mut ours = remarks.iter().filter(|warning| is_refusal(warning)).count();
    settled.warnings.retain(|warning| {
        let is_echo = is_refusal(warning) && ours > 0;
        ours -= usize::from(is_echo);
        !is_echo
    });
    settled.warnings.splice(..0, remarks);
}

/// Neither a word nor a deed.
fn is_nothing(turn: &Turn) -> bool {
    turn.text.trim().is_empty() && !turn.messages.iter().any(|message| message.tools().next().is_some())
}

fn remarks(turn: &Turn) -> Vec<Warning> {
    let mut remarks: Vec<_> = turn.tool_failures.iter().map(tool_failure).collect();
    if turn.answered_together {
        let message = "one turn answered this prompt together with messages that somebody else added";
        remarks.push(Warning::new(WarningCode::AnsweredTogether, message));
    }
    if let Some(declared) = Handoff::parse(&turn.text).declared_warnings() {
        remarks.push(Warning::new(WarningCode::Declared, declared));
    }
    remarks
}

fn tool_failure(failure: &ToolFailure) -> Warning {
    let code = if failure.denied { WarningCode::PermissionDenied } else { WarningCode::ToolFailed };
    let line = failure.message.lines().next().unwrap_or_default();
    Warning::new(code, format!("{}: {line}", failure.tool))
}

fn truncate(settled: &mut Settled) {
    let Some((end, _)) = settled.text.char_indices().nth(LONGEST_TEXT) else { return };
    settled.text.truncate(end);
    let message = format!("the answer was cut after {LONGEST_TEXT} characters; all of it is in the session");
    settled.warnings.push(Warning::new(WarningCode::OutputTruncated, message));
}

/// The host's tokens in our terms: what was read from or written to a provider's cache was read by the model.
pub(crate) fn usage(host: orch_opencode::Usage) -> Usage {
    Usage {
        input: host.input.saturating_add(host.cache_read).saturating_add(host.cache_write),
        output: host.output,
        reasoning: host.reasoning,
        cost_usd: host.cost_usd,
    }
}

/// Now, on the host's kind of clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_longest_kind_is_kept_and_a_longer_one_is_cut_and_said_to_be() {
        let cut = |chars: usize| {
            let mut settled = Settled::answer("ä".repeat(chars));
            truncate(&mut settled);
            let codes: Vec<_> = settled.warnings.iter().map(|warning| warning.code).collect();
            (settled.text.chars().count(), codes)
        };
        assert_eq!(cut(LONGEST_TEXT), (LONGEST_TEXT, vec![]));
        assert_eq!(cut(LONGEST_TEXT + 1), (LONGEST_TEXT, vec![WarningCode::OutputTruncated]));
    }
}
