//! The walk of a file's tree along the schema: every problem of shape, with its position, and what is left without them.

use std::{collections::HashSet, ops::Range};

use jsonc_parser::ast;
use serde_json::{Map, Number, Value};

use super::position::span;
use crate::{
    code, id,
    issue::Issue,
    model::{marker, number, table::ID_FORMAT},
    path::Path,
    schema,
    skill::{self, SkillName},
};

/// What a walk found.
pub(super) struct Walked {
    /// The values that are as they should be. What is not is left out.
    pub(super) value: Value,
    /// What is not.
    pub(super) problems: Vec<(Issue, Range<usize>)>,
}

/// Walks a whole file.
pub(super) fn walk(tree: &ast::Value<'_>) -> Walked {
    let mut walk = Walk { problems: Vec::new() };
    let value = walk.node(tree, &schema::FULL, &Path::default()).unwrap_or_else(|| Value::Object(Map::new()));
    Walked { value, problems: walk.problems }
}

struct Walk {
    problems: Vec<(Issue, Range<usize>)>,
}

impl Walk {
    /// The value of a node, if it is as the schema says.
    fn node(&mut self, node: &ast::Value<'_>, schema: &Value, path: &Path) -> Option<Value> {
        let schema = resolve(schema);
        let Some(schema) = alternative(schema, node) else {
            return self.wrong_type(node, schema, path);
        };
        match node {
            ast::Value::NullKeyword(_) => self.wrong_type(node, schema, path),
            _ if !accepts(schema, node) => self.wrong_type(node, schema, path),
            ast::Value::Object(object) => self.object(object, schema, path),
            ast::Value::Array(array) => self.array(array, schema, path),
            ast::Value::StringLit(text) => self.text(text, schema, path),
            ast::Value::NumberLit(literal) => self.number(literal, schema, path),
            ast::Value::BooleanLit(literal) => Some(Value::Bool(literal.value)),
        }
    }

    fn object(&mut self, object: &ast::Object<'_>, schema: &Value, path: &Path) -> Option<Value> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut values = Map::new();
        let mut seen = HashSet::new();
        for property in &object.properties {
            let key = property.name.as_str();
            let here = path.clone().key(key);
            let name = span(&property.name);
            if !seen.insert(key) {
                let issue = Issue::error(code::DUPLICATE_KEY, here, format!("the key `{key}` appears twice"));
                self.report(issue.help("only one of the two could count: remove the other"), name);
                continue;
            }
            let value =
                match (properties.and_then(|known| known.get(key)), schema.get("additionalProperties")) {
                    (Some(property_schema), _) => {
                        self.property(&property.value, name, property_schema, key, &here)
                    }
                    (None, Some(Value::Bool(false))) => {
                        self.unknown_key(key, properties, here, name);
                        None
                    }
                    (None, Some(free @ Value::Object(_))) => self.node(&property.value, free, &here),
                    (None, _) => self.anything(&property.value, &here),
                };
            if let Some(value) = value {
                values.insert(key.to_owned(), value);
            }
        }
        let missing: Vec<_> = required(schema).filter(|key| !seen.contains(key)).collect();
        for key in &missing {
            let issue = Issue::error(code::MISSING_KEY, path.clone(), format!("`{key}` is missing"));
            self.report(issue, span(object));
        }
        let complete = required(schema).all(|key| values.contains_key(key));
        complete.then_some(Value::Object(values))
    }

    /// A known key, which may be one that is not used.
    fn property(
        &mut self,
        node: &ast::Value<'_>,
        name: Range<usize>,
        schema: &Value,
        key: &str,
        path: &Path,
    ) -> Option<Value> {
        let help = schema.get("description").and_then(Value::as_str).map(fragment).unwrap_or_default();
        match schema.get(marker::KEYWORD).and_then(Value::as_str) {
            Some(marker::RETIRED) => {
                let issue =
                    Issue::warning(code::RETIRED_KEY, path.clone(), format!("`{key}` is no longer used"));
                self.report(issue.help(help), name);
                None
            }
            Some(marker::MISPLACED) => {
                let issue =
                    Issue::error(code::MISPLACED_KEY, path.clone(), format!("`{key}` cannot be set here"));
                self.report(issue.help(help), name);
                None
            }
            Some(marker::IGNORED) => {
                let issue = Issue::warning(
                    code::NOT_SUPPORTED,
                    path.clone(),
                    format!("`{key}` is not supported by this version"),
                );
                // The description begins with what the message says already.
                let reason =
                    help.split_once(": ").map_or("leave it out: it has no effect", |(_, reason)| reason);
                self.report(issue.help(reason), name);
                self.node(node, schema, path);
                None
            }
            _ => self.node(node, schema, path),
        }
    }

    fn unknown_key(&mut self, key: &str, known: Option<&Map<String, Value>>, path: Path, name: Range<usize>) {
        let offered = known.into_iter().flatten().filter(|(_, schema)| schema.get(marker::KEYWORD).is_none());
        let issue =
            Issue::warning(code::UNKNOWN_KEY, path, format!("`{key}` is not a known key and has no effect"));
        self.report(issue.suggest(key, offered.map(|(key, _)| key.as_str())), name);
    }

    fn array(&mut self, array: &ast::Array<'_>, schema: &Value, path: &Path) -> Option<Value> {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (array.elements.len() as u64) < least {
            self.report(Issue::error(code::OUT_OF_RANGE, path.clone(), "the list is empty"), span(array));
            return None;
        }
        let items = schema.get("items").unwrap_or(&Value::Bool(true));
        let values = array.elements.iter().enumerate();
        Some(values.filter_map(|(index, node)| self.node(node, items, &path.clone().index(index))).collect())
    }

    fn text(&mut self, text: &ast::StringLit<'_>, schema: &Value, path: &Path) -> Option<Value> {
        let words = words(schema);
        if !words.is_empty() && !words.contains(&text.value.as_ref()) {
            let message = format!("{:?} is not one of {}", text.value, words.join(", "));
            let issue = Issue::error(code::UNKNOWN_VALUE, path.clone(), message);
            self.report(issue.suggest(&text.value, words), span(text));
            return None;
        }
        if schema.get("format").is_some_and(|format| format == ID_FORMAT) {
            if let Err(error) = id::check(&text.value) {
                self.report(Issue::error(code::INVALID_ID, path.clone(), error.to_string()), span(text));
                return None;
            }
        } else if schema.get("format").is_some_and(|format| format == skill::FORMAT) {
            if let Err(error) = SkillName::new(text.value.as_ref()) {
                self.report(Issue::error(code::INVALID_ID, path.clone(), error.to_string()), span(text));
                return None;
            }
        } else if schema.get("minLength").is_some_and(|least| *least == 1) && text.value.is_empty() {
            self.report(Issue::error(code::OUT_OF_RANGE, path.clone(), "the text is empty"), span(text));
            return None;
        }
        Some(Value::String(text.value.to_string()))
    }

    fn number(&mut self, literal: &ast::NumberLit<'_>, schema: &Value, path: &Path) -> Option<Value> {
        let limit = |name| schema.get(name).and_then(Value::as_f64);
        let (least, most) = (limit("minimum"), limit("maximum"));
        let value = literal.value.parse::<f64>().ok().filter(|value| value.is_finite());
        let above = limit("exclusiveMinimum");
        let fits = value.is_some_and(|value| {
            least.is_none_or(|least| value >= least)
                && most.is_none_or(|most| value <= most)
                && above.is_none_or(|above| value > above)
        });
        if !fits {
            let range = match (least, most) {
                (Some(least), Some(most)) => format!("{} is not between {least} and {most}", literal.value),
                _ if value.zip(above).is_some_and(|(value, above)| value <= above) => {
                    format!("{} is not above {}", literal.value, above.unwrap_or_default())
                }
                _ => format!("{} is too large", literal.value),
            };
            self.report(Issue::error(code::OUT_OF_RANGE, path.clone(), range), span(literal));
            return None;
        }
        let value = value?;
        if schema.get("type").is_some_and(|kind| kind == "integer") {
            let Some(whole) = number::whole(value) else {
                let message = format!("expected a whole number, found {}", literal.value);
                self.report(Issue::error(code::WRONG_TYPE, path.clone(), message), span(literal));
                return None;
            };
            return Some(Value::from(whole));
        }
        // Where nothing is said, a number stays as it is written.
        let written = schema.get("type").is_none().then(|| literal.value.parse::<Number>().ok()).flatten();
        written.or_else(|| Number::from_f64(value)).map(Value::Number)
    }

    /// A value of which the schema says nothing: only duplicate keys are wrong with it.
    fn anything(&mut self, node: &ast::Value<'_>, path: &Path) -> Option<Value> {
        match node {
            ast::Value::NullKeyword(_) => Some(Value::Null),
            node => self.node(node, &Value::Bool(true), path),
        }
    }

    fn wrong_type(&mut self, node: &ast::Value<'_>, schema: &Value, path: &Path) -> Option<Value> {
        let message = format!("expected {}, found {}", expected(schema), found(node));
        let issue = Issue::error(code::WRONG_TYPE, path.clone(), message);
        let issue = match node {
            ast::Value::NullKeyword(_) if *path == Path::default() => issue.help("write at least {}"),
            ast::Value::NullKeyword(_) => issue.help("leave the key out to get its default"),
            _ => issue,
        };
        self.report(issue, span(node));
        None
    }

    fn report(&mut self, issue: Issue, span: Range<usize>) {
        self.problems.push((issue, span));
    }
}

/// The schema that a reference leads to.
pub(crate) fn resolve(schema: &Value) -> &Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| schema::FULL.pointer(pointer)).unwrap_or(schema)
}

/// Of the forms that a value may have, the one that this node has: of several kinds of object, the one that knows most
/// of its keys.
pub(crate) fn alternative<'a>(schema: &'a Value, node: &ast::Value<'_>) -> Option<&'a Value> {
    let Some(forms) = schema.get("anyOf").and_then(Value::as_array) else { return Some(schema) };
    let known = |form: &Value, key: &str| {
        let property = form.get("properties").and_then(|properties| properties.get(key));
        property.is_some_and(|property| property.get(marker::KEYWORD).is_none())
    };
    let fits = |form: &Value| match node {
        ast::Value::Object(object) => {
            object.properties.iter().filter(|property| known(form, property.name.as_str())).count()
        }
        _ => 0,
    };
    let forms = forms.iter().map(resolve).filter(|form| accepts(form, node));
    forms.rev().max_by_key(|form| fits(form))
}

/// Whether a node has the type that the schema asks for, whatever is in it.
fn accepts(schema: &Value, node: &ast::Value<'_>) -> bool {
    let kind = match schema.get("type").and_then(Value::as_str) {
        Some(kind) => kind,
        None if !words(schema).is_empty() => "string",
        None => return true,
    };
    match node {
        ast::Value::Object(_) => kind == "object",
        ast::Value::Array(_) => kind == "array",
        ast::Value::StringLit(_) => kind == "string",
        ast::Value::NumberLit(_) => matches!(kind, "number" | "integer"),
        ast::Value::BooleanLit(_) => kind == "boolean",
        ast::Value::NullKeyword(_) => false,
    }
}

/// The words that a schema allows, if it allows only some.
fn words(schema: &Value) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    listed.chain(described.filter_map(|word| word.get("const"))).filter_map(Value::as_str).collect()
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn expected(schema: &Value) -> String {
    if let Some(forms) = schema.get("anyOf").and_then(Value::as_array) {
        return forms.iter().map(|form| expected(resolve(form))).collect::<Vec<_>>().join(" or ");
    }
    let words = words(schema);
    if !words.is_empty() {
        return format!("one of {}", words.join(", "));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => "an object",
        Some("array") => "a list",
        Some("string") => "a string",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        _ => "a value",
    }
    .to_owned()
}

/// A sentence of the schema as a part of a message.
pub(crate) fn fragment(sentence: &str) -> String {
    super::lower_first(sentence.trim_end_matches('.')).replace('\n', " ")
}

fn found(node: &ast::Value<'_>) -> String {
    match node {
        ast::Value::Object(_) => "an object".to_owned(),
        ast::Value::Array(_) => "a list".to_owned(),
        ast::Value::StringLit(text) => {
            let short: String = text.value.chars().take(40).collect();
            format!("the string {short:?}")
        }
        ast::Value::NumberLit(literal) => format!("the number {}", literal.value),
        ast::Value::BooleanLit(literal) => literal.value.to_string(),
        ast::Value::NullKeyword(_) => "null".to_owned(),
    }
}
