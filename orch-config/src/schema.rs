//! The JSON Schema of `orchestrator.json`, generated from the types that read it.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::model::{Root, marker};

/// Where the published schema is.
pub const URL: &str = "https://raw.githubusercontent.com/orch-rs/orch/main/schema/orchestrator.schema.json";

/// Whether a property is a key of the predecessor that has been replaced.
pub(crate) fn is_retired(property: &Value) -> bool {
    property.get(marker::KEYWORD).is_some_and(|mark| mark == marker::RETIRED)
}

/// Everything that can be said about the file, including keys that this version only knows in order to refuse them.
pub(crate) static FULL: LazyLock<Value> = LazyLock::new(|| {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Root>().to_value()
});

/// The schema that is published: what may be written today.
#[must_use]
pub fn value() -> Value {
    let mut schema = FULL.clone();
    publish(&mut schema);
    schema
}

/// The published schema as text, as it is committed.
#[must_use]
pub fn json() -> String {
    format!("{:#}\n", value())
}

/// Drops what is not offered, marks what has no effect as deprecated, and leaves out our own keywords.
fn publish(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
                properties.retain(|_, property| {
                    let mark = property.get(marker::KEYWORD);
                    mark.is_none_or(|mark| mark != marker::MISPLACED)
                });
            }
            if let Some(mark) = object.shift_remove(marker::KEYWORD)
                && mark == marker::IGNORED
            {
                object.insert("deprecated".to_owned(), Value::Bool(true));
            }
            object.values_mut().for_each(publish);
        }
        Value::Array(items) => items.iter_mut().for_each(publish),
        _ => {}
    }
}
