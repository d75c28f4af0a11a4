//! What a schema says about the shape of its values.
//!
//! Only what is written plainly is read: types, properties, items, constants, references within the schema. What is
//! said in another way is taken as unknown, which never makes a reference wrong.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::InvalidSchema;

/// How many parts a schema may have once its references are written out. It bounds the work for each value.
const MAX_PARTS: u64 = 10_000;

/// Follows every reference: each must lead to a place within the schema, and none back to where it came from.
pub(super) fn check_references(root: &Value) -> Result<(), InvalidSchema> {
    let mut check = References { root, known: HashMap::new(), open: Vec::new() };
    let parts = check.parts(root)?;
    if parts > MAX_PARTS {
        let message = format!("with its references written out, the schema has more than {MAX_PARTS} parts");
        return Err(InvalidSchema::new(message));
    }
    Ok(())
}

struct References<'a> {
    root: &'a Value,
    /// The parts below each target that was counted.
    known: HashMap<&'a str, u64>,
    /// The references that led to where we are.
    open: Vec<&'a str>,
}

impl<'a> References<'a> {
    fn parts(&mut self, node: &'a Value) -> Result<u64, InvalidSchema> {
        let mut parts = 1_u64;
        match node {
            Value::Object(object) => {
                for (key, inner) in object {
                    parts = parts.saturating_add(match (key.as_str(), inner) {
                        ("$ref", Value::String(reference)) => self.referenced(reference)?,
                        ("$dynamicRef" | "$recursiveRef", Value::String(_)) => {
                            return Err(InvalidSchema::new(format!("`{key}` is not supported: use `$ref`")));
                        }
                        _ => self.parts(inner)?,
                    });
                }
            }
            Value::Array(items) => {
                for inner in items {
                    parts = parts.saturating_add(self.parts(inner)?);
                }
            }
            _ => {}
        }
        Ok(parts)
    }

    fn referenced(&mut self, reference: &'a str) -> Result<u64, InvalidSchema> {
        let fail = |what: &str| Err(InvalidSchema::new(format!("the reference {reference:?} {what}")));
        if let Some(parts) = self.known.get(reference) {
            return Ok(*parts);
        }
        let Some(pointer) = reference.strip_prefix('#') else {
            return fail("leads outside the schema");
        };
        let Some(target) = self.root.pointer(pointer) else {
            return fail("leads nowhere: write it as \"#/$defs/name\"");
        };
        if self.open.contains(&reference) || pointer.is_empty() {
            return fail("leads back to itself: write out the levels that are needed");
        }
        self.open.push(reference);
        let parts = self.parts(target)?;
        self.open.pop();
        self.known.insert(reference, parts);
        Ok(parts)
    }
}

pub(super) fn of(root: &Value) -> Value {
    sample(root, root)
}

fn sample(root: &Value, node: &Value) -> Value {
    let Some(schema) = follow(root, node).and_then(Value::as_object) else {
        return Value::Null;
    };
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(value) = schema.get("enum").and_then(Value::as_array).and_then(|values| values.first()) {
        return value.clone();
    }
    match kind(schema) {
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let sampled = properties.into_iter().flatten();
            Value::Object(sampled.map(|(key, inner)| (key.clone(), sample(root, inner))).collect())
        }
        Some("array") => {
            let first = schema.get("prefixItems").and_then(|items| items.get(0));
            let item = first.or_else(|| schema.get("items"));
            Value::Array(item.map(|item| sample(root, item)).into_iter().collect())
        }
        Some("string") => Value::from(""),
        Some("integer") => Value::from(1),
        Some("number") => Value::from(1.0),
        Some("boolean") => Value::from(true),
        _ => Value::Null,
    }
}

pub(super) fn may_have(root: &Value, path: &[&str]) -> bool {
    let mut node = root;
    for key in path {
        let Some(schema) = follow(root, node).and_then(Value::as_object) else { return true };
        let known = match kind(schema) {
            Some("object") => match schema.get("properties").and_then(Value::as_object) {
                Some(properties) => properties.get(*key),
                None => return true,
            },
            Some("array") => match (key.parse::<usize>(), schema.get("items")) {
                (Err(_), _) => None,
                (Ok(_), Some(items)) => Some(items),
                (Ok(_), None) => return true,
            },
            Some(_) => None,
            None => return true,
        };
        match known {
            Some(inner) => node = inner,
            None => return false,
        }
    }
    true
}

/// The one type of a schema, null aside; none when it says nothing or several things.
fn kind(schema: &Map<String, Value>) -> Option<&str> {
    let combined = ["allOf", "anyOf", "oneOf", "if", "not", "patternProperties"];
    if combined.iter().any(|key| schema.contains_key(*key)) {
        return None;
    }
    match schema.get("type") {
        Some(Value::String(kind)) => Some(kind),
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            kinds.next().filter(|_| kinds.next().is_none())
        }
        _ if schema.contains_key("properties") => Some("object"),
        _ => None,
    }
}

/// The schema that a chain of references ends at. None leads in a circle: that was checked.
fn follow<'a>(root: &'a Value, mut node: &'a Value) -> Option<&'a Value> {
    while let Some(reference) = node.get("$ref").and_then(Value::as_str) {
        node = root.pointer(reference.strip_prefix('#')?)?;
    }
    Some(node)
}
