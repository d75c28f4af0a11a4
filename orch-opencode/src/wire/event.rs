//! Frames of `/global/event` and `/event`.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::ask::{PermissionRequest, QuestionRequest};
use super::failure::FailureInfo;
use super::message::{MessageInfo, PartInfo};
use super::session::{SessionInfo, StatusInfo};
use crate::event::HostEvent;
use crate::id::{MessageId, PartId, PermissionId, QuestionId, SessionId};
use crate::message::{FailureKind, ModelFailure};

/// `/global/event` wraps the payload, `/event` does not.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    payload: Option<Payload<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

/// Reads one frame. A known event whose content has changed becomes [`HostEvent::Other`]: it is only a hint.
pub(crate) fn parse_event(frame: &str) -> Result<HostEvent, serde_json::Error> {
    let Frame { payload, kind, properties } = serde_json::from_str(frame)?;
    let (kind, properties) = match (payload, kind) {
        (Some(payload), _) => (payload.kind, payload.properties),
        (None, Some(kind)) => (kind, properties),
        (None, None) => (Cow::Borrowed("unnamed"), None),
    };
    let properties = properties.map_or("{}", RawValue::get);
    Ok(known(&kind, properties).unwrap_or_else(|error| {
        tracing::debug!(%kind, %error, "an event has an unknown shape");
        HostEvent::Other { kind: kind.into_owned() }
    }))
}

fn known(kind: &str, properties: &str) -> Result<HostEvent, serde_json::Error> {
    fn read<T: DeserializeOwned>(properties: &str) -> Result<T, serde_json::Error> {
        serde_json::from_str(properties)
    }
    Ok(match kind {
        "server.connected" => HostEvent::Connected,
        "session.created" => HostEvent::SessionCreated(read::<Info<SessionInfo>>(properties)?.info.into()),
        "session.updated" => HostEvent::SessionUpdated(read::<Info<SessionInfo>>(properties)?.info.into()),
        "session.deleted" => HostEvent::SessionDeleted(read::<Info<SessionInfo>>(properties)?.info.into()),
        "message.updated" => HostEvent::MessageUpdated(read::<Info<MessageInfo>>(properties)?.info.into()),
        "message.removed" => {
            let Removed { session, message } = read(properties)?;
            HostEvent::MessageRemoved { session, message }
        }
        "message.part.updated" => {
            let Updated { session, part } = read(properties)?;
            HostEvent::PartUpdated { session, message: part.message.clone(), part: part.into() }
        }
        "message.part.delta" => {
            let Delta { session, message, part, delta } = read(properties)?;
            HostEvent::PartDelta { session, message, part, delta }
        }
        "session.status" => {
            let Status { session, status } = read(properties)?;
            HostEvent::Status { session, status: status.into() }
        }
        "session.idle" => HostEvent::Idle { session: read::<OfSession>(properties)?.session },
        "session.error" => {
            let Failed { session, error } = read(properties)?;
            let unnamed =
                || ModelFailure::new(FailureKind::Other("UnknownError".into()), "the host gave no reason");
            HostEvent::Error { session, failure: error.map_or_else(unnamed, Into::into) }
        }
        "permission.asked" => HostEvent::PermissionAsked(read::<PermissionRequest>(properties)?.into()),
        "permission.replied" => {
            let Replied { session, request } = read::<Replied<PermissionId>>(properties)?;
            HostEvent::PermissionReplied { session, permission: request }
        }
        "question.asked" => HostEvent::QuestionAsked(read::<QuestionRequest>(properties)?.into()),
        "question.replied" => {
            let Replied { session, request } = read::<Replied<QuestionId>>(properties)?;
            HostEvent::QuestionReplied { session, question: request }
        }
        "question.rejected" => {
            let Replied { session, request } = read::<Replied<QuestionId>>(properties)?;
            HostEvent::QuestionRejected { session, question: request }
        }
        _ => HostEvent::Other { kind: kind.to_owned() },
    })
}

#[derive(Deserialize)]
struct Info<T> {
    info: T,
}

#[derive(Deserialize)]
struct Removed {
    #[serde(rename = "sessionID")]
    session: SessionId,
    #[serde(rename = "messageID")]
    message: MessageId,
}

#[derive(Deserialize)]
struct Updated {
    #[serde(rename = "sessionID")]
    session: SessionId,
    part: PartInfo,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(rename = "sessionID")]
    session: SessionId,
    #[serde(rename = "messageID")]
    message: MessageId,
    #[serde(rename = "partID")]
    part: PartId,
    delta: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "sessionID")]
    session: SessionId,
    status: StatusInfo,
}

#[derive(Deserialize)]
struct OfSession {
    #[serde(rename = "sessionID")]
    session: SessionId,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(rename = "sessionID")]
    session: Option<SessionId>,
    error: Option<FailureInfo>,
}

#[derive(Deserialize)]
struct Replied<T> {
    #[serde(rename = "sessionID")]
    session: SessionId,
    #[serde(rename = "requestID")]
    request: T,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    /// Events that say nothing about a prompt.
    const OTHERS: &[&str] = &[
        "catalog.updated",
        "command.executed",
        "file.edited",
        "file.watcher.updated",
        "integration.updated",
        "plugin.added",
        "reference.updated",
        "server.heartbeat",
        "session.compacted",
        "session.diff",
        "todo.updated",
    ];

    #[test]
    fn every_recorded_event_is_understood_wrapped_or_not() {
        let examples: BTreeMap<String, Value> =
            serde_json::from_str(include_str!("../../tests/fixtures/opencode-1.18.33/event_examples.json"))
                .unwrap();
        for (name, example) in examples {
            // A placeholder of the recording, not an id.
            let plain = example.to_string().replace("ses_...", "ses_1");
            let wrapped = format!(r#"{{"directory":"/project","payload":{plain}}}"#);
            let event = parse_event(&plain).unwrap();
            assert_eq!(event, parse_event(&wrapped).unwrap(), "{name}");
            let expected = OTHERS.contains(&name.as_str());
            assert_eq!(matches!(event, HostEvent::Other { .. }), expected, "{name}: {event:?}");
        }
    }

    #[test]
    fn a_known_event_of_another_shape_is_only_a_name() {
        let event =
            parse_event(&json!({ "type": "session.idle", "properties": { "session": 7 } }).to_string());
        assert_eq!(event.unwrap(), HostEvent::Other { kind: "session.idle".into() });
        assert!(parse_event("not JSON").is_err());
    }
}
