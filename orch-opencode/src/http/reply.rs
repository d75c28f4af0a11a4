//! What a reply says: content, or a refusal in one of the host's three shapes.

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use crate::error::HostErrorKind;
use crate::wire::ErrorBody;

/// The cursor of the next older page.
const NEXT_CURSOR: &str = "x-next-cursor";

/// How much of a refusal is repeated in a message.
const EXCERPT: usize = 300;

/// A successful reply.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) body: Bytes,
    pub(super) next_cursor: Option<String>,
}

impl Reply {
    /// Refuses a web page: unknown routes of the host, and most other programs, answer one with status 200.
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<Self, String> {
        if status != StatusCode::NO_CONTENT && !body.is_empty() && !is_json(headers) {
            let kind = content_type(headers).unwrap_or("no content type");
            return Err(format!(
                "the answer is {kind}, not JSON; this is not OpenCode, or a version of it that lacks this call"
            ));
        }
        let next_cursor = headers.get(NEXT_CURSOR).and_then(|cursor| cursor.to_str().ok()).map(str::to_owned);
        Ok(Self { body, next_cursor })
    }
}

/// The kind of a refusal and its reason.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> (HostErrorKind, String) {
    let kind = match status {
        StatusCode::NOT_FOUND if is_json(headers) => HostErrorKind::NotFound,
        StatusCode::NOT_FOUND => HostErrorKind::Protocol,
        StatusCode::CONFLICT => HostErrorKind::Busy,
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => HostErrorKind::Server,
        _ if status.is_client_error() => HostErrorKind::BadRequest,
        _ => HostErrorKind::Protocol,
    };
    let reason = if is_json(headers) {
        serde_json::from_slice::<ErrorBody>(body).ok().and_then(ErrorBody::reason)
    } else {
        None
    };
    let detail = match reason {
        Some(reason) => {
            format!("{} (HTTP {})", reason.chars().take(EXCERPT).collect::<String>(), status.as_u16())
        }
        None => format!("the server answered HTTP {} without a reason", status.as_u16()),
    };
    (kind, detail)
}

pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers)
        .is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().ends_with("json")))
}
