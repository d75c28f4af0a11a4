//! `{{snippet:name}}` in a template: a text that several prompts share, put in when the file is read.
//!
//! Only what a person wrote into a template is looked at. A snippet's own text is put in as it is, and what a run puts
//! into the template later, the task or an answer, is never scanned.

use indexmap::IndexSet;

use crate::prompt::Found;

/// A template with its snippets in place.
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// What was put in.
    pub(crate) snippets: Vec<Found>,
    /// Those that cannot be used, which are left out.
    pub(crate) problems: IndexSet<String>,
}

/// Replaces the snippets of a template. None if it has none: most do not, and are left as they are.
pub(crate) fn expand(template: &str, find: impl Fn(&str) -> Result<Found, String>) -> Option<Expanded> {
    let mut references = References { template, from: 0 }.peekable();
    references.peek()?;
    let mut expanded = Expanded {
        text: String::with_capacity(template.len()),
        snippets: Vec::new(),
        problems: IndexSet::new(),
    };
    let mut copied = 0;
    for Reference { start, end, name } in references {
        expanded.text.push_str(&template[copied..start]);
        copied = end;
        match text(name, &find) {
            Ok(found) => {
                expanded.text.push_str(found.text.trim_end());
                expanded.snippets.push(found);
            }
            Err(reason) => {
                expanded.problems.insert(format!("the snippet {name:?} {reason}"));
            }
        }
    }
    expanded.text.push_str(&template[copied..]);
    Some(expanded)
}

fn text(name: &str, find: impl Fn(&str) -> Result<Found, String>) -> Result<Found, String> {
    let stem = name.strip_suffix(".md").unwrap_or(name);
    if stem.is_empty() || stem.contains("..") || stem.starts_with('/') {
        return Err("leads out of its folder".to_owned());
    }
    let found = find(&format!("snippets/{stem}.md"))?;
    if is_in(&found.text) {
        return Err("names a snippet itself: snippets do not nest".to_owned());
    }
    Ok(found)
}

/// Whether a template names a snippet.
pub(crate) fn is_in(template: &str) -> bool {
    References { template, from: 0 }.next().is_some()
}

struct Reference<'t> {
    start: usize,
    end: usize,
    name: &'t str,
}

/// `{{snippet:name}}` and `{{ snippet:name.md }}`, on one line; not after a backslash.
struct References<'t> {
    template: &'t str,
    from: usize,
}

impl<'t> Iterator for References<'t> {
    type Item = Reference<'t>;

    fn next(&mut self) -> Option<Reference<'t>> {
        // One byte is found faster than two, and most templates have few braces.
        while let Some(start) = self.template[self.from..].find('{').map(|at| self.from + at) {
            self.from = start + 1;
            if !self.template[self.from..].starts_with('{') || self.template[..start].ends_with('\\') {
                continue;
            }
            let inside = &self.template[start + 2..];
            let Some(name) = inside.trim_start_matches(' ').strip_prefix("snippet:") else { continue };
            let Some(length) = name.find("}}").filter(|length| !name[..*length].contains(['\n', '{'])) else {
                continue;
            };
            let end = self.template.len() - name.len() + length + 2;
            self.from = end;
            return Some(Reference { start, end, name: name[..length].trim() });
        }
        None
    }
}
