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

/// What a schema says about one field.
#[derive(Debug, PartialEq)]
pub(crate) enum Field<'a> {
    /// This.
    Schema(&'a Value),
    /// Nothing.
    Unknown,
    /// That there is none.
    Absent {
        /// The key that is not there.
        key: String,
        /// The keys that are.
        known: Vec<String>,
    },
}

pub(super) fn field<'a>(root: &'a Value, path: &[&str]) -> Field<'a> {
    let mut node = root;
    for key in path {
        let Some(schema) = follow(root, node).as_object() else { return Field::Unknown };
        let properties = schema.get("properties").and_then(Value::as_object);
        let next = match kind(schema) {
            None => return Field::Unknown,
            Some("object") => match properties {
                Some(properties) => properties.get(*key),
                None => return Field::Unknown,
            },
            Some("array") if key.parse::<usize>().is_ok() => match element(schema) {
                Some(element) => Some(element),
                None => return Field::Unknown,
            },
            Some(_) => None,
        };
        let known = || properties.into_iter().flatten().map(|(key, _)| key.clone()).collect();
        match next {
            Some(next) => node = next,
            None => return Field::Absent { key: (*key).to_owned(), known: known() },
        }
    }
    Field::Schema(follow(root, node))
}

pub(super) fn sample(root: &Value, node: &Value) -> Value {
    let Some(schema) = follow(root, node).as_object() else { return Value::Null };
    if let Some(value) = constants(schema).and_then(|values| values.first().copied()) {
        return value.clone();
    }
    match kind(schema) {
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let sampled = properties.into_iter().flatten();
            Value::Object(sampled.map(|(key, inner)| (key.clone(), sample(root, inner))).collect())
        }
        Some("array") => Value::Array(element(schema).map(|item| sample(root, item)).into_iter().collect()),
        Some("string") => Value::from(""),
        Some("integer") => Value::from(1),
        Some("number") => Value::from(1.0),
        Some("boolean") => Value::from(true),
        _ => Value::Null,
    }
}

pub(super) fn words(root: &Value, node: &Value) -> Option<Vec<String>> {
    let schema = follow(root, node).as_object()?;
    constants(schema)?.into_iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

/// Whether a sample of it has the only shape that a value can have.
pub(super) fn is_known(root: &Value, node: &Value) -> bool {
    let Some(schema) = follow(root, node).as_object() else { return false };
    if let Some(values) = constants(schema) {
        return values.iter().all(|value| value.is_string())
            || values.iter().all(|value| value.is_number())
            || values.iter().all(|value| value.is_boolean());
    }
    match kind(schema) {
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            properties.is_some_and(|properties| properties.values().all(|inner| is_known(root, inner)))
        }
        Some("array") => {
            !schema.contains_key("prefixItems") && element(schema).is_some_and(|item| is_known(root, item))
        }
        Some("null") | None => false,
        Some(_) => true,
    }
}

/// The values that it can have, if they are listed.
fn constants(schema: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

/// The schema of a list's elements.
fn element(schema: &Map<String, Value>) -> Option<&Value> {
    let first = schema.get("prefixItems").and_then(|items| items.get(0));
    first.or_else(|| schema.get("items"))
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

/// The schema that a chain of references ends at. None leads nowhere or in a circle: that was checked.
fn follow<'a>(root: &'a Value, mut node: &'a Value) -> &'a Value {
    while let Some(next) = reference(root, node) {
        node = next;
    }
    node
}

fn reference<'a>(root: &'a Value, node: &Value) -> Option<&'a Value> {
    root.pointer(node.get("$ref")?.as_str()?.strip_prefix('#')?)
}
