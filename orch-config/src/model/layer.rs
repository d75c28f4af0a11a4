//! How a part of the file is written once and becomes a struct, a schema and a merge.

use std::{
    borrow::Cow,
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de};

/// Puts the values of a later file over those of an earlier one.
pub(crate) trait Merge {
    /// Objects merge by key, everything else is replaced.
    fn merge(&mut self, later: Self);
}

/// A key that may be left out. `null` is not leaving it out: it is a wrong type.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Field<T>(pub(crate) Option<T>);

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T> Deref for Field<T> {
    type Target = Option<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for Field<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

/// Types that the schema does not tell from what they hold.
macro_rules! invisible {
    ($($name:ident),*) => {$(
        impl<T: JsonSchema> JsonSchema for $name<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    )*};
}

invisible!(Field, Word);

impl<T: Merge> Merge for Field<T> {
    fn merge(&mut self, later: Self) {
        match (&mut self.0, later.0) {
            (Some(earlier), Some(later)) => earlier.merge(later),
            (earlier @ None, later) => *earlier = later,
            (Some(_), None) => {}
        }
    }
}

impl<V: Merge> Merge for IndexMap<String, V> {
    fn merge(&mut self, later: Self) {
        if self.is_empty() {
            *self = later;
            return;
        }
        for (key, value) in later {
            match self.get_mut(&key) {
                Some(earlier) => earlier.merge(value),
                None => {
                    self.insert(key, value);
                }
            }
        }
    }
}

/// Values that replace each other whole.
macro_rules! replaced {
    ($($type:ty),* $(,)?) => {$(
        impl crate::model::layer::Merge for $type {
            fn merge(&mut self, later: Self) {
                *self = later;
            }
        }
    )*};
}
pub(crate) use replaced;

replaced!(bool, String);

impl<T> Merge for Vec<T> {
    fn merge(&mut self, later: Self) {
        *self = later;
    }
}

/// Declares an object of the file: required keys first, then optional ones; `= value` is the default that the schema
/// shows. Unknown keys are refused, and [`Merge`] goes key by key.
macro_rules! layer {
    (@blank $name:ident [] $fields:tt) => {};
    (@blank $name:ident [$($required:ident: $type:ty,)+] [$($field:ident)*]) => {
        /// The required keys alone.
        impl From<($($type,)+)> for $name {
            fn from(($($required,)+): ($($type,)+)) -> Self {
                Self { $($required,)+ $($field: Default::default(),)* }
            }
        }
    };
    (
        $(#[$outer:meta])*
        struct $name:ident {
            $([required] { $($(#[$required_attr:meta])* $required:ident: $required_type:ty,)* })?
            $($(#[$attr:meta])* $field:ident: $type:ty $(= $default:expr)?,)*
        }
    ) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        $(#[$outer])*
        #[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
        pub(crate) struct $name {
            $($($(#[$required_attr])* pub(crate) $required: $required_type,)*)?
            $(
                $(#[$attr])*
                #[serde(default, skip_serializing_if = "crate::model::layer::absent")]
                $(#[schemars(extend("default" = $default))])?
                pub(crate) $field: crate::model::layer::Field<$type>,
            )*
        }

        impl<'de> crate::model::layer::FromObject<'de> for $name {
            fn from_object<A: serde::de::MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
                $name::deserialize(serde::de::value::MapAccessDeserializer::new(object))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(crate::model::layer::Object(std::marker::PhantomData))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $name::serialize(self, serializer)
            }
        }

        crate::model::layer::layer!(@blank $name [$($($required: $required_type,)*)?] [$($field)*]);

        impl crate::model::layer::Merge for $name {
            fn merge(&mut self, later: Self) {
                $($(self.$required = later.$required;)*)?
                $(crate::model::layer::Merge::merge(&mut self.$field, later.$field);)*
            }
        }
    };
}
pub(crate) use layer;

/// Something that is read from an object.
pub(crate) trait FromObject<'de>: Sized {
    /// Reads it.
    fn from_object<A: de::MapAccess<'de>>(object: A) -> Result<Self, A::Error>;
}

/// Reads an object and nothing else: what serde derives also takes a list, as if its elements were the fields.
pub(crate) struct Object<T>(pub(crate) PhantomData<T>);

impl<'de, T: FromObject<'de>> de::Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::from_object(object)
    }
}

/// One of a few words and nothing else: what serde derives also takes an object with the word as its only key.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Word<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Word<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                T::deserialize(de::IntoDeserializer::<E>::into_deserializer(word)).map(Word)
            }
        }

        deserializer.deserialize_str(Visitor(PhantomData))
    }
}

impl<T> Merge for Word<T> {
    fn merge(&mut self, later: Self) {
        *self = later;
    }
}

/// Whether the key was left out.
pub(crate) fn absent<T>(field: &Field<T>) -> bool {
    field.is_none()
}
