//! From places in a configuration to places in a file's text.

use std::ops::Range;

use jsonc_parser::{ast, common::Ranged};

use crate::{
    builtin::ROOCODE_BOOMERANG,
    path::{Path, Segment},
};

/// A place that was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spot {
    /// In the text, in bytes.
    pub(crate) span: Range<usize>,
    /// As a path with this file's own indices.
    pub(crate) path: Path,
    /// Whether the file has the whole path; otherwise this is the nearest thing around it.
    pub(crate) exact: bool,
}

/// Line and column of an offset, both from 1, the column in characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// Where in a string as it is written, quotes and escapes included, a byte of its value is.
pub(super) fn written_at(written: &str, offset: usize) -> Option<usize> {
    let inner = written.strip_prefix('"')?.strip_suffix('"')?;
    let (mut at, mut value) = (0, 0);
    while value < offset {
        let rest = inner.get(at..)?;
        let character = rest.chars().next()?;
        let (length, bytes) = match character {
            '\\' if rest[1..].starts_with('u') => {
                let unit = u32::from_str_radix(rest.get(2..6)?, 16).ok()?;
                // The halves of a pair count two bytes each: it is four.
                (6, char::from_u32(unit).map_or(2, char::len_utf8))
            }
            '\\' => (2, 1),
            other => (other.len_utf8(), other.len_utf8()),
        };
        (at, value) = (at + length, value + bytes);
    }
    Some(1 + at)
}

pub(crate) fn span(node: &impl Ranged) -> Range<usize> {
    node.start()..node.end()
}

/// The ways in which a file may spell a place, the one that wins first.
pub(super) fn alternatives(path: &Path) -> Vec<Path> {
    let mut paths = Vec::new();
    match path.0.as_slice() {
        [Segment::Key(profiles), id @ Segment::Id(_), rest @ ..] if profiles == "profiles" => {
            let mut workers = Path::keys("workers");
            workers.0.push(id.clone());
            workers.0.extend_from_slice(rest);
            paths.push(workers);
        }
        [Segment::Key(_), Segment::Key(_), Segment::Id(id), rest @ ..] if id == ROOCODE_BOOMERANG => {
            let mut boomerang = Path::keys("workflows.roocodeBoomerang");
            boomerang.0.extend_from_slice(rest);
            paths.push(boomerang);
        }
        _ => {}
    }
    paths.push(path.clone());
    paths
}

/// Where a path leads. Where it leads out of an element of a list, that element is the answer; otherwise it must lead
/// all the way.
pub(super) fn find(tree: &ast::Value<'_>, path: &Path) -> Option<Spot> {
    let (mut node, mut found) = (tree, Path::default());
    for segment in &path.0 {
        let Some((next, step)) = enter(node, segment) else {
            let inside = found.0.iter().any(|segment| !matches!(segment, Segment::Key(_)));
            return inside.then(|| Spot { span: span(node), path: found, exact: false });
        };
        node = next;
        found.0.push(step);
    }
    Some(Spot { span: span(node), path: found, exact: true })
}

/// The keys of the object that a path leads to.
pub(super) fn keys<'a>(tree: &'a ast::Value<'_>, path: &Path) -> Vec<&'a str> {
    let node = path.0.iter().try_fold(tree, |node, segment| enter(node, segment).map(|(next, _)| next));
    match node {
        Some(ast::Value::Object(object)) => {
            object.properties.iter().map(|property| property.name.as_str()).collect()
        }
        _ => Vec::new(),
    }
}

fn enter<'a, 'b>(node: &'b ast::Value<'a>, segment: &Segment) -> Option<(&'b ast::Value<'a>, Segment)> {
    match (node, segment) {
        (ast::Value::Object(object), Segment::Key(key)) => object
            .properties
            .iter()
            .rfind(|property| property.name.as_str() == key)
            .map(|property| (&property.value, segment.clone())),
        (ast::Value::Array(array), Segment::Index(index)) => {
            array.elements.get(*index).map(|node| (node, segment.clone()))
        }
        (ast::Value::Array(array), Segment::Id(id)) => array
            .elements
            .iter()
            .enumerate()
            .rfind(|(_, element)| has_id(element, id))
            .map(|(index, node)| (node, Segment::Index(index))),
        _ => None,
    }
}

fn has_id(element: &ast::Value<'_>, id: &str) -> bool {
    match element {
        ast::Value::Object(object) => object.get_string("id").is_some_and(|text| text.value == id),
        ast::Value::StringLit(text) => text.value == id,
        _ => false,
    }
}

/// The place that serde names.
pub(super) fn path(path: &serde_path_to_error::Path) -> Path {
    use serde_path_to_error::Segment as From;

    Path(
        path.iter()
            .filter_map(|segment| match segment {
                From::Seq { index } => Some(Segment::Index(*index)),
                From::Map { key } => Some(Segment::Key(key.clone())),
                From::Enum { .. } | From::Unknown => None,
            })
            .collect(),
    )
}
