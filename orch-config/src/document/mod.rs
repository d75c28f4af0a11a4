//! One file: from bytes to the typed model, or to everything that is wrong with it.

mod edit;
mod position;
mod scan;
mod walk;

use std::{ops::Range, path::PathBuf};

use jsonc_parser::{CollectOptions, ast, parse_to_ast};

pub(crate) use self::{
    edit::Edits,
    position::{Spot, span},
    scan::too_large,
    walk::{alternative, fragment, resolve},
};
use crate::{
    SourceText, code,
    diagnostic::{Diagnostic, Severity},
    issue::{self, Issue},
    jsonc::OPTIONS,
    model::Root,
    path::Path,
};

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// How deeply objects and arrays may be nested.
pub const MAX_DEPTH: usize = 128;

/// The text of a file, so that problems in it can be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) file: Option<PathBuf>,
    pub(crate) text: SourceText,
}

/// What a file came to.
#[derive(Debug)]
pub(crate) struct Read {
    /// The text, if it is text at all.
    pub(crate) document: Document,
    /// Everything in it that could be understood.
    pub(crate) root: Root,
    /// Everything in it that could not.
    pub(crate) problems: Vec<Diagnostic>,
}

/// Reads a file's bytes. Plain JSON without a flaw goes straight into the types; anything else is looked at again with
/// positions, and then every problem is found, not only the first.
pub(crate) fn read(bytes: Vec<u8>, file: Option<PathBuf>) -> Read {
    let document = match Document::open(bytes, file) {
        Ok(document) => document,
        Err(hopeless) => return *hopeless,
    };
    if let Ok(root) = serde_json::from_str(&document.text) {
        return Read { document, root, problems: Vec::new() };
    }
    match document.examine() {
        Ok((root, problems)) => Read { document, root, problems },
        Err(flaw) => Read::hopeless(document, flaw),
    }
}

/// A file that is not even JSON.
pub(crate) struct Flaw {
    code: &'static str,
    message: String,
    help: Option<&'static str>,
    span: Option<Range<usize>>,
    text: String,
}

impl Read {
    fn hopeless(document: Document, flaw: Flaw) -> Self {
        let diagnostic = Diagnostic {
            help: flaw.help.map(str::to_owned),
            ..document.place(flaw.span, Diagnostic::new(flaw.code, Severity::Error, flaw.message))
        };
        Self { document, root: Root::default(), problems: vec![diagnostic] }
    }
}

impl Document {
    /// The text of a file's bytes, whatever it says.
    pub(crate) fn open(bytes: Vec<u8>, file: Option<PathBuf>) -> Result<Self, Box<Read>> {
        match scan::decode(bytes) {
            Ok(text) => Ok(Self { file, text: text.into() }),
            Err(flaw) => Err(Box::new(Read::hopeless(Self { file, text: flaw.text.clone().into() }, flaw))),
        }
    }

    /// The slow way: the whole tree with positions, walked along the schema.
    fn examine(&self) -> Result<(Root, Vec<Diagnostic>), Flaw> {
        let tree = self.tree()?;
        let mut walked = walk::walk(&tree);
        issue::limit(&mut walked.problems, |(issue, _)| issue);
        let mut problems: Vec<_> = walked
            .problems
            .into_iter()
            .map(|(issue, span)| self.place(Some(span), issue.unplaced()))
            .collect();
        match serde_path_to_error::deserialize(walked.value) {
            Ok(root) => Ok((root, problems)),
            Err(error) if problems.iter().all(|problem| problem.severity != Severity::Error) => {
                let path = position::path(error.path());
                let issue = Issue::error(code::INVALID_VALUE, path.clone(), error.inner().to_string());
                let spot = position::find(&tree, &path);
                problems.push(self.place(spot.map(|spot| spot.span), issue.unplaced()));
                Ok((Root::default(), problems))
            }
            Err(_) => Ok((Root::default(), problems)),
        }
    }

    /// The values of the file with their places.
    pub(crate) fn tree(&self) -> Result<ast::Value<'_>, Flaw> {
        if let Some(offset) = scan::too_deep(&self.text) {
            return Err(Flaw {
                code: code::TOO_DEEP,
                message: format!("objects and arrays are nested more than {MAX_DEPTH} deep"),
                help: None,
                span: Some(offset..offset + 1),
                text: String::new(),
            });
        }
        let flaw = |message: String, span| Flaw {
            code: code::MALFORMED,
            message,
            help: None,
            span: Some(span),
            text: String::new(),
        };
        match parse_to_ast(&self.text, &CollectOptions::default(), &OPTIONS) {
            Ok(parsed) => parsed.value.ok_or_else(|| Flaw {
                help: Some("write at least {}"),
                ..flaw("the file is empty".to_owned(), 0..0)
            }),
            Err(error) => {
                let range = error.range();
                let message = error.kind().to_string();
                Err(flaw(format!("this is not JSON: {}", lower_first(&message)), range.start..range.end))
            }
        }
    }

    /// Where a place of the configuration is in the tree of a file, if the file says anything about it.
    pub(crate) fn find(tree: &ast::Value<'_>, path: &Path) -> Option<Spot> {
        position::alternatives(path).iter().find_map(|path| position::find(tree, path))
    }

    /// Where a place is in the tree of a file, spelt just so.
    pub(crate) fn find_in(tree: &ast::Value<'_>, path: &Path) -> Option<Spot> {
        position::find(tree, path)
    }

    /// The keys of the object at a place, in the order they are written.
    pub(crate) fn keys_in<'a>(tree: &'a ast::Value<'_>, path: &Path) -> Vec<&'a str> {
        position::keys(tree, path)
    }

    /// Line and column of an offset in the text, both from 1.
    pub(crate) fn line_and_column(&self, offset: usize) -> (u32, u32) {
        position::line_and_column(&self.text, offset)
    }

    /// Where a byte of a string's value is, given where the string is.
    pub(crate) fn within(&self, string: &Range<usize>, offset: usize) -> Option<Range<usize>> {
        let start = string.start + position::written_at(self.text.get(string.clone())?, offset)?;
        let length = self.text.get(start..)?.chars().next().map_or(0, char::len_utf8);
        Some(start..start + length)
    }

    /// The problem, with this file and the position of `span` in it.
    pub(crate) fn place(&self, span: Option<Range<usize>>, diagnostic: Diagnostic) -> Diagnostic {
        let position = span.as_ref().map(|span| position::line_and_column(&self.text, span.start));
        Diagnostic {
            file: self.file.clone(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            span,
            ..diagnostic
        }
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
