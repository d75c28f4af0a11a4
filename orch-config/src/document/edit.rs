//! Changes to a file's text that leave everything else as it is written, comments included.

use std::{collections::BTreeSet, ops::Range};

use jsonc_parser::{
    CollectOptions, ast,
    tokens::{Token, TokenAndRange},
};

use super::{Document, Read, position::span};
use crate::jsonc::OPTIONS;

/// What is to be changed in a text. Nothing happens before [`Edits::apply`].
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// Where the commas are.
    commas: Vec<usize>,
    deleted: Vec<Range<usize>>,
    replaced: Vec<(Range<usize>, String)>,
}

impl Document {
    /// The tree of the file, and edits of it that have not been made yet.
    pub(crate) fn editable(&self) -> Result<(ast::Value<'_>, Edits), Box<Read>> {
        let hopeless = |flaw| Box::new(Read::hopeless(self.clone(), flaw));
        let tree = self.tree().map_err(hopeless)?;
        let options = CollectOptions { tokens: true, ..CollectOptions::default() };
        let tokens = jsonc_parser::parse_to_ast(&self.text, &options, &OPTIONS).ok();
        let tokens = tokens.and_then(|parsed| parsed.tokens).unwrap_or_default();
        let is_comma = |token: &&TokenAndRange<'_>| token.token == Token::Comma;
        let commas = tokens.iter().filter(is_comma).map(|token| token.range.start).collect();
        Ok((tree, Edits { commas, ..Edits::default() }))
    }
}

impl Edits {
    /// Puts a text in the place of another.
    pub(crate) fn replace(&mut self, place: Range<usize>, text: impl Into<String>) {
        self.replaced.push((place, text.into()));
    }

    /// Removes some properties of an object, with the commas that they no longer need.
    pub(crate) fn remove(&mut self, object: &ast::Object<'_>, indices: &BTreeSet<usize>) {
        let count = object.properties.len();
        for &index in indices {
            let Some(property) = object.properties.get(index) else { continue };
            self.deleted.push(span(property));
            self.delete_comma(object, index);
        }
        // Without a comma at the end before, there is none after.
        let last = count.checked_sub(1);
        let ends_without_comma =
            last.is_some_and(|last| indices.contains(&last) && self.comma_after(object, last).is_none());
        if ends_without_comma && let Some(kept) = (0..count).rev().find(|index| !indices.contains(index)) {
            self.delete_comma(object, kept);
        }
    }

    fn delete_comma(&mut self, object: &ast::Object<'_>, index: usize) {
        if let Some(comma) = self.comma_after(object, index) {
            self.deleted.push(comma..comma + 1);
        }
    }

    fn comma_after(&self, object: &ast::Object<'_>, index: usize) -> Option<usize> {
        let from = object.properties.get(index).map(|property| span(property).end)?;
        let to = object.properties.get(index + 1).map_or(span(object).end, |next| span(next).start);
        let at = self.commas.partition_point(|comma| *comma < from);
        self.commas.get(at).copied().filter(|comma| *comma < to)
    }

    /// The text with all changes made.
    pub(crate) fn apply(self, text: &str) -> String {
        let cleared = union(self.deleted).into_iter().map(|range| tidied(text, &range)).collect();
        let mut changes: Vec<(Range<usize>, String)> = whole_lines(text, union(cleared))
            .into_iter()
            .map(|range| (range, String::new()))
            .chain(self.replaced)
            .collect();
        changes.sort_by_key(|(range, _)| range.start);
        let mut edited = String::with_capacity(text.len());
        let mut copied = 0;
        for (range, replacement) in changes {
            edited.push_str(text.get(copied..range.start).unwrap_or_default());
            edited.push_str(&replacement);
            copied = range.end;
        }
        edited.push_str(text.get(copied..).unwrap_or_default());
        edited
    }
}

/// What is deleted takes the blanks before it along, unless they are the indentation of what follows on its line.
fn tidied(text: &str, range: &Range<usize>) -> Range<usize> {
    let before = text.get(..range.start).unwrap_or_default();
    let start = before.trim_end_matches([' ', '\t']).len();
    if !before.get(..start).unwrap_or_default().ends_with('\n') {
        return start..range.end;
    }
    let after = text.get(range.end..).unwrap_or_default();
    range.start..range.end + (after.len() - after.trim_start_matches([' ', '\t']).len())
}

/// Ranges that overlap or touch become one.
fn union(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut union: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match union.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => union.push(range),
        }
    }
    union
}

/// A line of which only blanks would be left goes, too.
fn whole_lines(text: &str, ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let blank =
        |part: Option<&str>| part.is_some_and(|part| part.chars().all(|c| matches!(c, ' ' | '\t' | '\r')));
    let whole = |range: Range<usize>| {
        let line_start = text.get(..range.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line_end = text.get(range.end..).and_then(|after| after.find('\n')).map(|at| range.end + at);
        match line_end {
            Some(end) if blank(text.get(line_start..range.start)) && blank(text.get(range.end..end)) => {
                line_start..end + 1
            }
            _ => range,
        }
    };
    union(ranges.into_iter().map(whole).collect())
}
