//! A predecessor's file in today's form.
//!
//! Only what the diagnostics would remark as retired or older is changed, in the text itself: comments, order and layout
//! stay. What has no effect in this version but may have one again is left where it is.

use std::{collections::BTreeSet, path::Path as FilePath};

use jsonc_parser::ast;
use serde_json::Value;

use crate::{
    diagnostic::Diagnostics,
    document::{self, Document, Edits, Read},
    kind,
    load::{Layer, LoadError, SourceFile},
    path::{Path, Segment},
    schema,
};

/// A file before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The text in today's form; the old text if there is nothing to change.
    pub text: String,
    /// What was changed, in the order of the file.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The line in the old text, from 1.
    pub line: u32,
    /// The place as a JSON path: `$.profiles[0].backend`.
    pub path: String,
    /// What was done, and what is left to do by hand.
    pub message: String,
}

/// Rewrites a file, given as bytes, into today's form. `file` only names it in the diagnostic.
///
/// What the result means is what the file means today, except where a retired key held something that has another
/// place now. A file that is in today's form already comes out as it is.
///
/// # Errors
/// The bytes are no JSON, not even with comments. What else is wrong with the file stays wrong.
pub fn migrate(bytes: &[u8], file: Option<&FilePath>) -> Result<Migration, LoadError> {
    let document = Document::open(bytes.to_vec(), file.map(FilePath::to_owned)).map_err(refused)?;
    let (tree, edits) = document.editable().map_err(refused)?;
    let mut rewrite = Rewrite { document: &document, edits, changes: Vec::new() };
    rewrite.node(&tree, &schema::FULL, &Path::default());
    let Rewrite { edits, mut changes, .. } = rewrite;
    changes.sort_by_key(|change| change.line);
    let mark = if bytes.starts_with(MARK.as_bytes()) { MARK } else { "" };
    Ok(Migration { text: mark.to_owned() + &edits.apply(&document.text), changes })
}

/// The byte order mark, which is kept where there is one.
const MARK: &str = "\u{feff}";

fn refused(read: Box<Read>) -> LoadError {
    let Document { file, text } = read.document;
    let files = vec![SourceFile { layer: Layer::Project, path: file, text }];
    LoadError { diagnostics: Diagnostics(read.problems), files }
}

struct Rewrite<'a> {
    document: &'a Document,
    edits: Edits,
    changes: Vec<Change>,
}

impl Rewrite<'_> {
    fn node(&mut self, node: &ast::Value<'_>, schema: &Value, path: &Path) {
        let Some(schema) = document::alternative(document::resolve(schema), node) else { return };
        match node {
            ast::Value::Object(object) => self.object(object, schema, path),
            ast::Value::Array(array) => {
                let Some(items) = schema.get("items") else { return };
                for (index, element) in array.elements.iter().enumerate() {
                    self.node(element, items, &path.clone().index(index));
                }
            }
            ast::Value::StringLit(text) if is_schema(path) && is_predecessors(&text.value) => {
                self.edits.replace(document::span(text), quoted(schema::URL));
                self.change(document::span(text).start, path, "now the schema of this file");
            }
            _ => {}
        }
    }

    fn object(&mut self, object: &ast::Object<'_>, schema: &Value, path: &Path) {
        let mut removed = BTreeSet::new();
        if is_profile(path) {
            self.profile(object, path, &mut removed);
        }
        let properties = schema.get("properties");
        for (index, property) in object.properties.iter().enumerate() {
            let key = property.name.as_str();
            let Some(schema) = properties.and_then(|known| known.get(key)) else { continue };
            if removed.contains(&index) {
                continue;
            }
            if schema::is_retired(schema) {
                let cure = schema.get("description").and_then(Value::as_str).map(document::fragment);
                let message = format!("removed: {}", cure.unwrap_or_default());
                self.change(document::span(&property.name).start, &path.clone().key(key), message);
                removed.insert(index);
            } else {
                self.node(&property.value, schema, &path.clone().key(key));
            }
        }
        self.edits.remove(object, &removed);
    }

    /// `backend` is an older spelling of `kind`, and a provider of its own a part of `model`.
    fn profile(&mut self, object: &ast::Object<'_>, path: &Path, removed: &mut BTreeSet<usize>) {
        let find = |key: &str| object.properties.iter().position(|property| property.name.as_str() == key);
        let text = |key: &str| object.get_string(key).map(|text| text.value.to_string());
        if let Some(index) = find("backend") {
            self.backend(object, index, text("kind"), text("backend"), path, removed);
        }
        let (Some(index), Some(provider), Some(model)) =
            (find("providerID"), text("providerID"), object.get_string("model"))
        else {
            return;
        };
        let model_is_whole = model.value.contains('/') || model.value.contains(':') || is_tag(&model.value);
        if !provider.is_empty() && !model_is_whole {
            let whole = format!("{provider}/{}", model.value);
            self.edits.replace(document::span(model), quoted(&whole));
            let message = format!("removed: it is a part of `model` now, {whole:?}");
            let place = object.properties.get(index).map_or(0, |property| document::span(property).start);
            self.change(place, &path.clone().key("providerID"), message);
            removed.insert(index);
        }
    }

    fn backend(
        &mut self,
        object: &ast::Object<'_>,
        index: usize,
        kind: Option<String>,
        backend: Option<String>,
        path: &Path,
        removed: &mut BTreeSet<usize>,
    ) {
        let Some(property) = object.properties.get(index) else { return };
        let place = document::span(&property.name);
        let read = |word: Option<String>| serde_json::from_value(word?.into()).ok();
        let Some(backend) = backend.and_then(|word| serde_json::from_value(word.into()).ok()) else { return };
        let has_kind = object.properties.iter().any(|property| property.name.as_str() == "kind");
        let path = path.clone().key("backend");
        match read(kind) {
            None if !has_kind => {
                self.change(place.start, &path, "now called `kind`");
                self.edits.replace(place, quoted("kind"));
            }
            // What contradicts itself is for a person to decide.
            Some(kind) if kind::resolve(Some(backend), Some(kind), None).is_ok() => {
                self.change(place.start, &path, "removed: `kind` says it all");
                removed.insert(index);
            }
            _ => {}
        }
    }

    fn change(&mut self, offset: usize, path: &Path, message: impl Into<String>) {
        let (line, _) = self.document.line_and_column(offset);
        self.changes.push(Change { line, path: path.to_string(), message: message.into() });
    }
}

fn is_profile(path: &Path) -> bool {
    matches!(path.0.as_slice(), [Segment::Key(list), Segment::Index(_)] if list == "profiles" || list == "workers")
}

fn is_schema(path: &Path) -> bool {
    matches!(path.0.as_slice(), [Segment::Key(key)] if key == "$schema")
}

/// The address of a schema that is not ours. A file beside the project may be a copy of ours.
fn is_predecessors(url: &str) -> bool {
    url != schema::URL && (url.contains("node_modules/") || url.starts_with("http"))
}

/// A word that stands for a model of the host's choice.
fn is_tag(model: &str) -> bool {
    model == "node" || model.starts_with("auto")
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
