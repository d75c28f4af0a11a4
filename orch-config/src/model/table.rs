//! Objects whose keys the user chooses, and values that have two forms.

use std::{borrow::Cow, fmt, marker::PhantomData};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    layer::{Merge, Word, replaced},
    profile::ProfilePatch,
};
use crate::{
    id::{AgentName, HIDDEN, MAX_CHARS, PLACES, ProfileId, StepId, WorkflowId},
    permission::PermissionAction,
};

/// An object with free keys, each of them at most once.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Table<V>(pub(crate) IndexMap<String, V>);

impl<V: JsonSchema> JsonSchema for Table<V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Table_of_{}", V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<V>();
        json_schema!({ "type": "object", "additionalProperties": values })
    }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

impl<V: Merge> Merge for Table<V> {
    fn merge(&mut self, later: Self) {
        self.0.merge(later.0);
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Table<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> de::Visitor<'de> for Visitor<V> {
            type Value = Table<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut table = IndexMap::with_capacity(map.size_hint().unwrap_or(0));
                while let Some((key, value)) = map.next_entry::<String, V>()? {
                    if table.contains_key(&key) {
                        return Err(de::Error::custom(format!("duplicate key `{key}`")));
                    }
                    table.insert(key, value);
                }
                Ok(Table(table))
            }
        }

        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

/// A text with something in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Err(de::Error::custom("the text is empty"));
        }
        Ok(Self(text))
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// What a permission decides: one action, or one for each pattern.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum PermissionValue {
    /// One action for everything.
    Action(Word<PermissionAction>),
    /// An action for each pattern; the last one that matches decides.
    Patterns(Table<Word<PermissionAction>>),
}

impl Merge for PermissionValue {
    fn merge(&mut self, later: Self) {
        match (self, later) {
            (Self::Patterns(earlier), Self::Patterns(later)) => earlier.merge(later),
            // One action is short for the same action under `*`; patterns of a later file come after it.
            (earlier @ Self::Action(_), Self::Patterns(later)) => {
                let mut patterns = Table::default();
                if let Self::Action(action) = earlier {
                    patterns.0.insert("*".to_owned(), *action);
                }
                patterns.merge(later);
                *earlier = Self::Patterns(patterns);
            }
            (earlier, later @ Self::Action(_)) => *earlier = later,
        }
    }
}

/// An entry of `profiles` or `workers`: the name of a profile, or a profile.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ProfileEntry {
    /// The id of a profile.
    Name(ProfileId),
    /// A profile, or changes to the one with its id.
    Patch(Box<ProfilePatch>),
}

/// A program: its path, or its path and first arguments.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Command {
    /// The path, or a name on the search path.
    Program(Text),
    /// The program and its first arguments.
    Line(#[schemars(length(min = 1))] Vec<Text>),
}

replaced!(Command, Text);

/// Reads a value that is either a string or something else.
macro_rules! two_forms {
    ($name:ident, $expected:literal, $text:expr, $method:ident($access:ident, $deserializer:ident) $other:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl<'de> de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                        let read: fn(de::value::StrDeserializer<'_, E>) -> Result<$name, E> = $text;
                        read(de::IntoDeserializer::into_deserializer(text))
                    }

                    fn $method<A: de::$access<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                        Deserialize::deserialize(de::value::$deserializer::new(access)).map($other)
                    }
                }

                deserializer.deserialize_any(Visitor)
            }
        }
    };
}

two_forms!(
    PermissionValue,
    "an action or an object of patterns",
    |text| PermissionAction::deserialize(text).map(|action| PermissionValue::Action(Word(action))),
    visit_map(MapAccess, MapAccessDeserializer) PermissionValue::Patterns
);
two_forms!(
    ProfileEntry,
    "the id of a profile or a profile",
    |text| ProfileId::deserialize(text).map(ProfileEntry::Name),
    visit_map(MapAccess, MapAccessDeserializer) | patch | ProfileEntry::Patch(Box::new(patch))
);
two_forms!(
    Command,
    "a program or a list of program and arguments",
    |text| Text::deserialize(text).map(Command::Program),
    visit_seq(SeqAccess, SeqAccessDeserializer) Command::Line
);

/// The `format` that marks an id in the generated schema.
pub(crate) const ID_FORMAT: &str = "orch-id";

macro_rules! id_schema {
    ($($name:ident),*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "format": ID_FORMAT,
                    "minLength": 1,
                    "maxLength": MAX_CHARS,
                    "pattern": format!(r"^[^{HIDDEN}/\\]*[^\s{HIDDEN}/\\][^{HIDDEN}/\\]*$"),
                    "not": { "enum": PLACES },
                })
            }
        }

        impl Merge for $name {
            fn merge(&mut self, later: Self) {
                *self = later;
            }
        }
    )*};
}

id_schema!(AgentName, ProfileId, WorkflowId, StepId);
