//! An OpenAPI document, as far as it has to be read to find an operation and a field.

use serde_json::Value;

/// References that lead in a circle end somewhere.
const DEEPEST: u32 = 64;

pub(super) struct Document<'d> {
    root: &'d Value,
}

impl<'d> Document<'d> {
    pub(super) fn new(root: &'d Value) -> Self {
        Self { root }
    }

    pub(super) fn operation(&self, method: &str, path: &str) -> Option<&'d Value> {
        self.root["paths"].get(path)?.get(method.to_ascii_lowercase())
    }

    pub(super) fn takes(&self, operation: &Value, parameter: &str) -> bool {
        let parameters = operation["parameters"].as_array();
        parameters.into_iter().flatten().any(|described| described["name"] == parameter)
    }

    pub(super) fn accepts(&self, operation: &Value, field: &str) -> bool {
        self.has(&operation["requestBody"]["content"]["application/json"]["schema"], field)
    }

    /// What a call must bring along: parameters of its query, and what stands at the top of its body.
    pub(super) fn demands(&self, operation: &'d Value) -> (Vec<&'d str>, Vec<&'d str>) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let required =
            parameters.filter(|described| described["in"] == "query" && described["required"] == true);
        let body = self.resolve(&operation["requestBody"]["content"]["application/json"]["schema"]);
        let fields = body["required"].as_array().into_iter().flatten();
        (
            required.filter_map(|one| one["name"].as_str()).collect(),
            fields.filter_map(Value::as_str).collect(),
        )
    }

    pub(super) fn answers(&self, operation: &Value, field: &str) -> bool {
        let successes = operation["responses"].as_object().into_iter().flatten();
        successes
            .filter(|(status, _)| status.starts_with('2'))
            .any(|(_, response)| self.has(&response["content"]["application/json"]["schema"], field))
    }

    /// The properties of an event of the stream.
    pub(super) fn event(&self, name: &str) -> Option<&'d Value> {
        let schemas = &self.root["components"]["schemas"];
        let payloads = schemas["GlobalEvent"]["properties"]["payload"]["anyOf"].as_array()?;
        let payloads = payloads.iter().map(|payload| self.resolve(payload));
        let is_named = |payload: &&Value| {
            let kind = &payload["properties"]["type"];
            kind["const"] == name
                || kind["enum"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
        };
        payloads.into_iter().find(is_named).map(|payload| &payload["properties"]["properties"])
    }

    /// Whether a value of this schema may have a field, such as `parts[].text`. `[]` is any element of a list, `{}` any
    /// value of an object.
    pub(super) fn has(&self, schema: &Value, field: &str) -> bool {
        let path = field.replace("[]", ".[]").replace("{}", ".{}");
        let path: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
        self.reaches(schema, &path, DEEPEST)
    }

    fn reaches(&self, schema: &Value, path: &[&str], left: u32) -> bool {
        let (Some((first, rest)), Some(left)) = (path.split_first(), left.checked_sub(1)) else {
            return path.is_empty();
        };
        if let Some(reference) = schema["$ref"].as_str() {
            return self.referred(reference).is_some_and(|schema| self.reaches(schema, path, left));
        }
        let mut alternatives =
            ["anyOf", "oneOf", "allOf"].iter().flat_map(|key| schema[*key].as_array()).flatten();
        if alternatives.any(|schema| self.reaches(schema, path, left)) {
            return true;
        }
        let next = match *first {
            "[]" => schema.get("items"),
            "{}" => schema.get("additionalProperties").filter(|values| values.is_object()),
            name => schema["properties"].get(name),
        };
        next.is_some_and(|next| rest.is_empty() || is_open(next) || self.reaches(next, rest, left))
    }

    fn resolve(&self, schema: &'d Value) -> &'d Value {
        schema["$ref"].as_str().and_then(|reference| self.referred(reference)).unwrap_or(schema)
    }

    fn referred(&self, reference: &str) -> Option<&'d Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }
}

/// `{}` and `true` describe anything.
fn is_open(schema: &Value) -> bool {
    schema == &Value::Bool(true) || schema.as_object().is_some_and(serde_json::Map::is_empty)
}
