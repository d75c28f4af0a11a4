//! Keys that are known but not used: each one is reported, none is read.
//!
//! Their values never reach the typed model: reading one fails on purpose, so that the file is looked at again, with
//! positions, by the walk over the schema that knows what to say about them.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::layer::Merge;

/// The keyword that marks such a key in the generated schema.
pub(crate) const KEYWORD: &str = "x-orch";
/// Marks a key of the predecessor that has been replaced; its description says by what.
pub(crate) const RETIRED: &str = "retired";
/// Marks a key that is accepted, checked, and has no effect in this version.
pub(crate) const IGNORED: &str = "ignored";
/// Marks a key that belongs elsewhere: it is refused and not published; its description says where it belongs.
pub(crate) const MISPLACED: &str = "misplaced";

macro_rules! unread {
    ($($(#[$doc:meta])* $name:ident$(<$param:ident>)? = $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct $name$(<$param>(PhantomData<$param>))?;

        impl<'de $(, $param)?> Deserialize<'de> for $name$(<$param>)? {
            fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Err(de::Error::custom("this key is not read"))
            }
        }

        impl$(<$param>)? Serialize for $name$(<$param>)? {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_unit()
            }
        }

        impl$(<$param>)? Merge for $name$(<$param>)? {
            fn merge(&mut self, _: Self) {}
        }

        impl$(<$param: JsonSchema>)? JsonSchema for $name$(<$param>)? {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let schema: fn(&mut SchemaGenerator) -> Schema = $schema;
                schema(generator)
            }
        }
    )*};
}

unread! {
    /// A key of the predecessor that has been replaced.
    Retired = |_| json_schema!({ "deprecated": true, KEYWORD: RETIRED });
    /// A key that has no effect in this version, of the given shape.
    Ignored<T> = |generator| {
        let mut schema = T::json_schema(generator);
        schema.insert(KEYWORD.to_owned(), IGNORED.into());
        schema
    };
    /// A key that belongs elsewhere.
    Misplaced = |_| json_schema!({ KEYWORD: MISPLACED });
}
