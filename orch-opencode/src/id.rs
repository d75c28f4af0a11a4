//! Identifiers of the host, as newtypes with a checked prefix, and the ascending ids that a client may choose itself.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind} id: expected `{prefix}` followed by letters, digits, `_` or `-`")]
pub struct InvalidId {
    kind: &'static str,
    prefix: &'static str,
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Checks the prefix and the alphabet; both are what makes an id safe inside a URL path.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                if is_id(&text, $prefix) {
                    Ok(Self(text.into_boxed_str()))
                } else {
                    Err(InvalidId { kind: $kind, prefix: $prefix, text })
                }
            }

            /// The id as the host writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }
    };
}

macro_rules! mint {
    ($name:ident) => {
        impl $name {
            /// A new id in the host's own ascending shape, greater than every id this process minted before.
            ///
            /// The host orders a transcript by id, so an id that only had the right prefix would mis-order it.
            pub fn mint() -> Self {
                Self(ascending(Self::PREFIX).into_boxed_str())
            }
        }
    };
}

id!(/// A session of the host.
    SessionId, "session", "ses_");
id!(/// A message inside a session.
    MessageId, "message", "msg_");
id!(/// A part of a message.
    PartId, "part", "prt_");
id!(/// An open permission request.
    PermissionId, "permission", "per_");
id!(/// An open question.
    QuestionId, "question", "que_");

mint!(MessageId);
mint!(PartId);

/// Far above the host's 30 characters, and still a bound.
const LONGEST: usize = 128;

fn is_id(text: &str, prefix: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    text.len() <= LONGEST
        && text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(allowed))
}

/// The last clock value handed out by this process: milliseconds × 4096 + counter.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The host's shape: twelve hexadecimal digits of `milliseconds × 4096 + counter`, then fourteen random base62 digits.
pub(crate) fn ascending(prefix: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let floor = u64::try_from(now).unwrap_or(u64::MAX >> 12).wrapping_mul(0x1000);
    let next = |last: u64| Some(last.max(floor) + 1);
    let previous = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(floor);
    let clock = previous.max(floor) + 1;
    format!("{prefix}{:012x}{}", clock & 0xffff_ffff_ffff, Suffix(random(), random()))
}

/// Ids are unique, not secret: the per-process random seed of the standard library is enough and cannot fail.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

struct Suffix(u64, u64);

impl fmt::Display for Suffix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for mut half in [self.0, self.1] {
            for _ in 0..7 {
                write!(formatter, "{}", char::from(BASE62[(half % 62) as usize]))?;
                half /= 62;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_needs_its_prefix_and_a_safe_alphabet() {
        assert!(SessionId::parse("ses_dfd3e8406ffezGtwcagtV8LY8k").is_ok());
        for text in ["", "ses_", "msg_1", "SES_1", " ses_1", "ses_é"] {
            assert!(SessionId::parse(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn no_id_leads_elsewhere_in_an_address_a_path_or_a_line() {
        for rest in [
            "..",
            "../x",
            "a/b",
            "a\\b",
            "a%2fb",
            "a%2Fb",
            "a?x=1",
            "a#b",
            "a;b",
            "a:b",
            "a b",
            "\n",
            "a\r\nb",
            "a\0b",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{ff0e}\u{ff0e}",
        ] {
            assert!(SessionId::parse(format!("ses_{rest}")).is_err(), "{rest:?} must be refused");
            assert!(MessageId::parse(format!("msg_{rest}")).is_err(), "{rest:?} must be refused");
            assert!(PartId::parse(format!("prt_{rest}")).is_err(), "{rest:?} must be refused");
            assert!(PermissionId::parse(format!("per_{rest}")).is_err(), "{rest:?} must be refused");
            assert!(QuestionId::parse(format!("que_{rest}")).is_err(), "{rest:?} must be refused");
        }
    }

    #[test]
    fn an_id_of_the_longest_kind_is_one_and_a_longer_one_is_not() {
        let of = |length: usize| format!("ses_{}", "a".repeat(length - "ses_".len()));
        assert!(SessionId::parse(of(LONGEST)).is_ok());
        assert!(SessionId::parse(of(LONGEST + 1)).is_err());
    }

    #[test]
    fn minted_ids_ascend_and_have_the_hosts_shape() {
        let minted: Vec<_> = (0..10_000).map(|_| MessageId::mint()).collect();
        assert!(minted.windows(2).all(|pair| pair[0] < pair[1]));
        for id in &minted {
            assert_eq!(id.as_str().len(), "msg_202c17c1a001Qousr4VckO6Kn6".len());
            assert!(MessageId::parse(id.as_str()).is_ok());
        }
    }

    #[test]
    fn the_clock_of_a_minted_id_is_the_hosts_clock() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let id = MessageId::mint();
        let clock = u64::from_str_radix(&id.as_str()[4..16], 16).unwrap();
        let expected = (before * 0x1000) & 0xffff_ffff_ffff;
        assert!(clock.wrapping_sub(expected) & 0xffff_ffff_ffff < 60_000 * 0x1000);
        // Observed: `msg_202c17c1a001…` was created at 1795342564378 ms.
        assert_eq!((1_795_342_564_378_u64 * 0x1000 + 1) & 0xffff_ffff_ffff, 0x202c_17c1_a001);
    }

    #[test]
    fn ids_serialise_as_plain_text_and_are_checked_on_the_way_in() {
        let id: MessageId = serde_json::from_str("\"msg_1\"").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"msg_1\"");
        assert!(serde_json::from_str::<MessageId>("\"prt_1\"").is_err());
    }
}
