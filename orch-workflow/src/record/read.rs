//! Reading a record: its number and time stand among the fields of what it says.
//!
//! `#[serde(flatten)]` would do the same and hold every field of every record twice on the way, which is most of what
//! taking up a long run costs.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor,
        value::{BorrowedStrDeserializer, MapAccessDeserializer},
    },
};

use super::{Record, RecordBody};
use crate::attempt::Timestamp;

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Record, A::Error> {
        let (mut seq, mut at) = (None, None);
        let rest = Rest { fields, seq: &mut seq, at: &mut at };
        let body = RecordBody::deserialize(MapAccessDeserializer::new(rest))?;
        let seq = seq.ok_or_else(|| A::Error::missing_field("seq"))?;
        let at = at.ok_or_else(|| A::Error::missing_field("at"))?;
        Ok(Record { seq, at, body })
    }
}

/// The fields of the body; those of the record are kept as they come by, wherever they stand.
struct Rest<'r, A> {
    fields: A,
    seq: &'r mut Option<u64>,
    at: &'r mut Option<Timestamp>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.fields.next_key()? {
            match key.as_ref() {
                "seq" if self.seq.is_some() => return Err(A::Error::duplicate_field("seq")),
                "seq" => *self.seq = Some(self.fields.next_value()?),
                "at" if self.at.is_some() => return Err(A::Error::duplicate_field("at")),
                "at" => *self.at = Some(self.fields.next_value()?),
                _ => return key_of_body(key, seed).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.fields.next_value_seed(seed)
    }
}

fn key_of_body<'de, K: DeserializeSeed<'de>, E: Error>(key: Cow<'de, str>, seed: K) -> Result<K::Value, E> {
    match key {
        Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)),
        Cow::Owned(key) => seed.deserialize(key.into_deserializer()),
    }
}

/// The name of a field, borrowed from the text where that is possible.
#[derive(Deserialize)]
struct Key<'t>(#[serde(borrow)] Cow<'t, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Record, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn the_fields_of_a_record_may_stand_in_any_order() {
        let record = read(r#"{"seq":7,"at":12,"record":"skipped","step":"fix"}"#).unwrap();
        assert_eq!((record.seq, record.at), (7, Timestamp(12)));
        for json in [
            r#"{"record":"skipped","step":"fix","at":12,"seq":7}"#,
            r#"{"step":"fix","at":12,"record":"skipped","seq":7}"#,
            r#"{"s\u0074ep":"fix","\u0061t":12,"later":[{"seq":1}],"record":"skipped","seq":7}"#,
        ] {
            assert_eq!(read(json).as_ref(), Ok(&record), "{json}");
        }
        let value = serde_json::to_value(&record).unwrap();
        assert_eq!(serde_json::from_value::<Record>(value).unwrap(), record);
    }

    #[test]
    fn a_record_has_its_number_and_its_time_once() {
        for (json, complaint) in [
            (r#"{"at":1,"record":"paused"}"#, "missing field `seq`"),
            (r#"{"seq":1,"record":"paused"}"#, "missing field `at`"),
            (r#"{"seq":1,"at":1}"#, "missing field `record`"),
            (r#"{"seq":1,"seq":1,"at":1,"record":"paused"}"#, "duplicate field `seq`"),
            (r#"{"seq":1,"at":1,"at":1,"record":"paused"}"#, "duplicate field `at`"),
            ("[1, 1]", "expected a record"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(complaint), "{json}: {error}");
        }
    }
}
