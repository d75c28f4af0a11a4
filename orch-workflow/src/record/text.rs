//! A record as text: its number and time stand among the fields of what it says, and `record` names what that is.
//!
//! A derived reader of such a shape (`tag`, `flatten`) first holds every field of every record in a form of its own,
//! which is most of what taking up a long run costs. Here a field goes where it belongs as it comes by; only one that
//! stands before `record`, where we write none, has to wait.

use std::{borrow::Cow, fmt, vec};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        DeserializeSeed, EnumAccess, Error, IgnoredAny, IntoDeserializer, MapAccess, VariantAccess, Visitor,
        value::{BorrowedStrDeserializer, MapAccessDeserializer},
    },
    forward_to_deserialize_any,
    ser::{self, SerializeMap},
};
use serde_json::{Map, Value};

use super::{Record, RecordBody};
use crate::attempt::Timestamp;

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = RecordBody::serialize(&self.body, serde_json::value::Serializer);
        let (kind, fields) = apart(body.map_err(ser::Error::custom)?);
        let mut map = serializer.serialize_map(Some(3 + fields.len()))?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("record", &kind)?;
        fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

/// The name of a variant and its fields, which a derived form has as `"paused"` or `{ "skipped": { … } }`.
fn apart(body: Value) -> (Value, Map<String, Value>) {
    let variant = match body {
        Value::Object(variant) => variant.into_iter().next(),
        kind => return (kind, Map::new()),
    };
    match variant {
        Some((kind, Value::Object(fields))) => (Value::String(kind), fields),
        Some((kind, _)) => (Value::String(kind), Map::new()),
        None => (Value::Null, Map::new()),
    }
}

#[cfg(feature = "failpoints")]
impl RecordBody {
    /// What `record` says in its text.
    pub(crate) fn kind(&self) -> String {
        let kind = Self::serialize(self, serde_json::value::Serializer).map(|body| apart(body).0);
        kind.ok().and_then(|kind| Some(kind.as_str()?.to_owned())).unwrap_or_else(|| "unknown".to_owned())
    }
}

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

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Record, A::Error> {
        let (mut own, mut early) = (Own::default(), Vec::new());
        let kind: Text<'de> = loop {
            let Some(Text(name)) = fields.next_key()? else { return Err(A::Error::missing_field("record")) };
            if name == "record" {
                break fields.next_value()?;
            }
            if !own.take(&name, &mut fields)? {
                early.push((name.into_owned(), fields.next_value()?));
            }
        };
        let rest = Fields { early: early.into_iter(), waiting: None, fields, own: &mut own };
        let body = RecordBody::deserialize(Variant { kind, fields: rest })?;
        let seq = own.seq.ok_or_else(|| A::Error::missing_field("seq"))?;
        let at = own.at.ok_or_else(|| A::Error::missing_field("at"))?;
        Ok(Record { seq, at, body })
    }
}

/// What a record has whatever it says.
#[derive(Default)]
struct Own {
    seq: Option<u64>,
    at: Option<Timestamp>,
}

impl Own {
    /// Whether the field that comes next was one of these.
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, fields: &mut A) -> Result<bool, A::Error> {
        match name {
            "seq" if self.seq.is_some() => return Err(A::Error::duplicate_field("seq")),
            "seq" => self.seq = Some(fields.next_value()?),
            "at" if self.at.is_some() => return Err(A::Error::duplicate_field("at")),
            "at" => self.at = Some(fields.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What a record says, in the form that the derived reader of [`RecordBody`] takes.
struct Variant<'r, 'de, A> {
    kind: Text<'de>,
    fields: Fields<'r, A>,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Variant<'_, 'de, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'r, 'de, A: MapAccess<'de>> EnumAccess<'de> for Variant<'r, 'de, A> {
    type Error = A::Error;
    type Variant = Fields<'r, A>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), A::Error> {
        Ok((self.kind.give(seed)?, self.fields))
    }
}

/// The fields of what a record says; those of the record itself are taken out as they come by.
struct Fields<'r, A> {
    early: vec::IntoIter<(String, Value)>,
    waiting: Option<Value>,
    fields: A,
    own: &'r mut Own,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if let Some((name, value)) = self.early.next() {
            self.waiting = Some(value);
            return Text(Cow::Owned(name)).give(seed).map(Some);
        }
        while let Some(name) = self.fields.next_key::<Text<'de>>()? {
            if !self.own.take(&name.0, &mut self.fields)? {
                return name.give(seed).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.waiting.take() {
            Some(value) => seed.deserialize(value).map_err(A::Error::custom),
            None => self.fields.next_value_seed(seed),
        }
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn unit_variant(mut self) -> Result<(), A::Error> {
        while self.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        seed.deserialize(MapAccessDeserializer::new(self))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(self)
    }
}

/// The name of a field or a variant, borrowed from the text where that is possible.
#[derive(Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

impl<'de> Text<'de> {
    fn give<S: DeserializeSeed<'de>, E: Error>(self, seed: S) -> Result<S::Value, E> {
        match self.0 {
            Cow::Borrowed(text) => seed.deserialize(BorrowedStrDeserializer::new(text)),
            Cow::Owned(text) => seed.deserialize(text.into_deserializer()),
        }
    }
}

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
