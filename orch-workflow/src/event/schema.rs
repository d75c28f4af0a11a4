//! The JSON Schema of the events, generated from the types that write them.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Told;

/// Where the published schema is.
pub const URL: &str = "https://raw.githubusercontent.com/orch-rs/orch/main/schema/events.schema.json";

/// What every event looks like that this version writes. Later versions add types and fields, so a reader should not
/// refuse what it does not know.
#[must_use]
pub fn value() -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Told>()
        .to_value();
    schema["$id"] = URL.into();
    schema
}

/// The schema as text, as it is committed.
#[must_use]
pub fn json() -> String {
    format!("{:#}\n", value())
}
