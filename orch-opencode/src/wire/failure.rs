//! Why a model failed, and the three shapes in which the host refuses a request.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::message::{FailureKind, ModelFailure};

#[derive(Deserialize)]
pub(crate) struct FailureInfo {
    name: String,
    #[serde(default)]
    data: FailureData,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FailureData {
    message: Option<String>,
    #[serde(rename = "statusCode")]
    status: Option<f64>,
    #[serde(rename = "isRetryable")]
    retryable: bool,
    #[serde(rename = "responseHeaders")]
    headers: BTreeMap<String, String>,
}

impl From<FailureInfo> for ModelFailure {
    fn from(info: FailureInfo) -> Self {
        let kind = match info.name.as_str() {
            "ProviderAuthError" => FailureKind::Auth,
            "APIError" => FailureKind::Api,
            "ContextOverflowError" => FailureKind::ContextOverflow,
            "ContentFilterError" => FailureKind::ContentFilter,
            "MessageOutputLengthError" => FailureKind::Length,
            "MessageAbortedError" => FailureKind::Aborted,
            _ => FailureKind::Other(info.name.clone()),
        };
        let mut failure = Self::new(kind, info.data.message.unwrap_or(info.name));
        failure.status = info.data.status.map(|status| status as u16);
        failure.retryable = info.data.retryable;
        failure.retry_after = retry_after(&info.data.headers);
        failure
    }
}

/// Providers say how long to wait in one of two headers; a date form is left to the caller's own backoff.
fn retry_after(headers: &BTreeMap<String, String>) -> Option<Duration> {
    let number = |name: &str| {
        let (_, value) = headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        value.trim().parse::<f64>().ok()
    };
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The body of a refused request: `{ _tag }`, `{ _tag, message }` or `{ name, data: { message } }`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct ErrorBody {
    #[serde(rename = "_tag")]
    tag: Option<String>,
    name: Option<String>,
    message: Option<String>,
    data: Option<ErrorData>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorData {
    message: Option<String>,
}

impl ErrorBody {
    /// The reason in the host's words: its message, or at least the name of the error.
    pub(crate) fn reason(self) -> Option<String> {
        let message = self.message.or(self.data.and_then(|data| data.message));
        message.or(self.tag).or(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_shapes_of_an_error_give_a_reason() {
        let reason = |text: &str| serde_json::from_str::<ErrorBody>(text).unwrap().reason();
        assert_eq!(reason(r#"{"_tag":"BadRequest"}"#).as_deref(), Some("BadRequest"));
        assert_eq!(
            reason(r#"{"name":"NotFoundError","data":{"message":"Session not found: ses_x"}}"#).as_deref(),
            Some("Session not found: ses_x")
        );
        assert_eq!(
            reason(r#"{"_tag":"PermissionNotFoundError","requestID":"per_x","message":"Permission request not found"}"#)
                .as_deref(),
            Some("Permission request not found")
        );
        assert_eq!(reason("{}"), None);
    }

    #[test]
    fn a_provider_failure_keeps_status_and_waiting_time() {
        let text = r#"{"name":"APIError","data":{"message":"slow down","statusCode":429,"isRetryable":true,
            "responseHeaders":{"Retry-After":"7"}}}"#;
        let failure: ModelFailure = serde_json::from_str::<FailureInfo>(text).unwrap().into();
        assert_eq!((failure.kind, failure.status), (FailureKind::Api, Some(429)));
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        assert!(failure.retryable);
    }
}
