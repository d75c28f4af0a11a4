//! How a part of the file is written once and becomes a struct, a schema and a merge.

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

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

impl<T: JsonSchema> JsonSchema for Field<T> {
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
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub(crate) struct $name {
            $($($(#[$required_attr])* pub(crate) $required: $required_type,)*)?
            $(
                $(#[$attr])*
                #[serde(default, skip_serializing_if = "crate::model::layer::absent")]
                $(#[schemars(extend("default" = $default))])?
                pub(crate) $field: crate::model::layer::Field<$type>,
            )*
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

/// Whether the key was left out.
pub(crate) fn absent<T>(field: &Field<T>) -> bool {
    field.is_none()
}
