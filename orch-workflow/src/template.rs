//! Prompt templates: one pass, values never scanned again.
//!
//! Known placeholders are `{task}`, `{carry}`, `{steps.<id>.text}`, `{steps.<id>.output}` and
//! `{steps.<id>.output.<path>}`; `\{task}` is the literal text. Every other brace stays as it is, because prompts
//! contain JSON and code.

use serde_json::Value;

/// Something in a template that is replaced by a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder<'t> {
    /// The run's task.
    Task,
    /// The hand-offs of earlier steps.
    Carry,
    /// The answer of a step.
    StepText {
        /// The step's id.
        step: &'t str,
    },
    /// The structured output of a step, or a part of it.
    StepOutput {
        /// The step's id.
        step: &'t str,
        /// Keys and indices, separated by dots; empty for the whole output.
        path: &'t str,
    },
}

/// Where the values come from. `None` means that there is no such value.
pub trait Values {
    /// The run's task.
    fn task(&self) -> &str;
    /// The hand-offs of earlier steps.
    fn carry(&self) -> &str;
    /// The answer of a step.
    fn text(&self, step: &str) -> Option<&str>;
    /// The structured output of a step.
    fn output(&self, step: &str) -> Option<&Value>;
}

/// Replaces every placeholder by its value. Values are never looked into.
///
/// # Errors
/// A placeholder names a step or a part of an output that is not there.
pub fn render(template: &str, values: &impl Values) -> Result<String, MissingValue> {
    let mut rendered = String::with_capacity(template.len());
    for part in Parts::of(template) {
        match part {
            Part::Literal(text) => rendered.push_str(text),
            Part::Value(placeholder, written) => {
                push_value(&mut rendered, placeholder, values)
                    .ok_or_else(|| MissingValue { placeholder: written.to_owned() })?;
            }
        }
    }
    Ok(rendered)
}

/// A placeholder has no value at run time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing to put in for {placeholder}: no earlier step has such a value")]
pub struct MissingValue {
    /// The placeholder, braces included.
    pub placeholder: String,
}

/// The placeholders of a template, in order.
pub fn placeholders(template: &str) -> impl Iterator<Item = Placeholder<'_>> {
    Parts::of(template).filter_map(|part| match part {
        Part::Value(placeholder, _) => Some(placeholder),
        Part::Literal(_) => None,
    })
}

/// Something in braces that will stay as it is, though it looks like a misspelt placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// As written, braces included.
    pub found: String,
    /// What was probably meant, braces included.
    pub meant: String,
}

/// The probable misspellings in a template: `{taks}`, `{ task }`, `{step.plan.text}`.
#[must_use]
pub fn near_misses(template: &str) -> Vec<NearMiss> {
    let mut misses = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let escaped = rest[..open].ends_with('\\');
        rest = &rest[open..];
        if let Some(inner) = braced(rest)
            && !escaped
            && parse(inner).is_none()
            && let Some(meant) = meant_by(inner)
        {
            misses.push(NearMiss { found: format!("{{{inner}}}"), meant: format!("{{{meant}}}") });
        }
        rest = &rest[1..];
    }
    misses
}

fn meant_by(inner: &str) -> Option<String> {
    let word = inner.trim().to_ascii_lowercase();
    for known in ["task", "carry"] {
        if strsim::osa_distance(&word, known) <= 1 {
            return Some(known.to_owned());
        }
    }
    let mut parts = inner.trim().splitn(2, '.');
    let (head, tail) = (parts.next()?, parts.next()?);
    if strsim::osa_distance(&head.to_ascii_lowercase(), "steps") > 1 {
        return None;
    }
    let step = tail.split('.').next()?;
    Some(format!("steps.{step}.text"))
}

fn push_value(out: &mut String, placeholder: Placeholder<'_>, values: &impl Values) -> Option<()> {
    match placeholder {
        Placeholder::Task => out.push_str(values.task()),
        Placeholder::Carry => out.push_str(values.carry()),
        Placeholder::StepText { step } => out.push_str(values.text(step)?),
        Placeholder::StepOutput { step, path } => match part_of(values.output(step)?, path)? {
            Value::String(text) => out.push_str(text),
            other => out.push_str(&other.to_string()),
        },
    }
    Some(())
}

fn part_of<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|key| !key.is_empty()).try_fold(value, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        other => other.get(key),
    })
}

enum Part<'t> {
    Literal(&'t str),
    Value(Placeholder<'t>, &'t str),
}

/// Cuts a template into literal text and placeholders, left to right, once.
struct Parts<'t> {
    rest: &'t str,
}

impl<'t> Parts<'t> {
    fn of(template: &'t str) -> Self {
        Self { rest: template }
    }

    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }
}

impl<'t> Iterator for Parts<'t> {
    type Item = Part<'t>;

    fn next(&mut self) -> Option<Part<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(at) = self.rest[from..].find('{').map(|at| from + at) {
            let known = braced(&self.rest[at..]).and_then(|inner| Some((parse(inner)?, inner.len() + 2)));
            let escaped = self.rest[..at].ends_with('\\');
            let length = known.as_ref().map(|(_, length)| *length);
            match (known, length.or_else(|| snippet(&self.rest[at..]).filter(|_| escaped))) {
                (Some((placeholder, length)), _) if at == 0 => {
                    return Some(Part::Value(placeholder, self.take(length)));
                }
                (_, Some(length)) if escaped => {
                    // The text before the backslash, or, once that is out, the placeholder as it is written.
                    if at > 1 {
                        return Some(Part::Literal(self.take(at - 1)));
                    }
                    self.take(1);
                    return Some(Part::Literal(self.take(length)));
                }
                (Some(_), _) => return Some(Part::Literal(self.take(at))),
                (None, _) => from = at + 1,
            }
        }
        Some(Part::Literal(self.take(self.rest.len())))
    }
}

/// The length of the `{{snippet:name}}` that `text` begins with. Such a text is put in when the configuration is read,
/// unless it is escaped; then it comes as far as this, and the backslash has done its work.
fn snippet(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("{{")?;
    let name = inner.trim_start_matches(' ').strip_prefix("snippet:")?;
    let end = name.find("}}").filter(|end| !name[..*end].contains(['\n', '{']))?;
    Some(text.len() - name.len() + end + 2)
}

/// What stands between the brace that `text` begins with and the next closing one, on one line.
fn braced(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?;
    let end = inner.find(['}', '{', '\n'])?;
    inner[end..].starts_with('}').then(|| &inner[..end])
}

fn parse(inner: &str) -> Option<Placeholder<'_>> {
    match inner {
        "task" => return Some(Placeholder::Task),
        "carry" => return Some(Placeholder::Carry),
        _ => {}
    }
    let steps = inner.strip_prefix("steps.")?;
    if let Some((step, path)) = steps.split_once(".output.") {
        return (!step.is_empty() && !path.is_empty()).then_some(Placeholder::StepOutput { step, path });
    }
    let named = |step: &&str| !step.is_empty();
    if let Some(step) = steps.strip_suffix(".output").filter(named) {
        return Some(Placeholder::StepOutput { step, path: "" });
    }
    let step = steps.strip_suffix(".text").filter(named)?;
    Some(Placeholder::StepText { step })
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
