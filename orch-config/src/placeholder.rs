//! What a prompt's template refers to.
//!
//! `{task}`, `{carry}`, `{steps.<id>.text}` and `{steps.<id>.output.<path>}` are replaced when the step runs; every other
//! brace stays as it is, so only what looks like a misspelt placeholder is remarked.

use crate::{
    code,
    diagnostic::Severity::{self, Error, Warning},
    expression::{Known, UnknownStep, unknown_output},
    snippet,
};

pub(crate) type Problem = (&'static str, Severity, String, Option<String>);

/// What is wrong with the placeholders of a prompt, given what is known of the steps that are over by then.
pub(crate) fn problems(prompt: &str, known: &Known<'_>) -> Vec<Problem> {
    let snippet = snippet(prompt).into_iter();
    snippet.chain(candidates(prompt).filter_map(|inner| problem(inner, known))).collect()
}

/// A configuration that was built in code names a snippet: those of files are in place by now.
pub(crate) fn snippet(prompt: &str) -> Option<Problem> {
    snippet::is_in(prompt).then(|| {
        let message = "`{{snippet:…}}` is only put in when a file is read".to_owned();
        (code::SNIPPET, Error, message, Some("write the text itself".to_owned()))
    })
}

fn problem(inner: &str, known: &Known<'_>) -> Option<Problem> {
    match inner.strip_prefix("steps.") {
        None if matches!(inner, "task" | "carry") => None,
        None => near_miss(inner),
        Some(reference) => step_reference(inner, reference, known),
    }
}

fn near_miss(inner: &str) -> Option<Problem> {
    let near = crate::suggest(inner, ["task", "carry"]).filter(|near| *near != inner)?;
    let message = format!("`{{{inner}}}` is no placeholder and stays as it is");
    Some((code::UNKNOWN_PLACEHOLDER, Warning, message, Some(format!("did you mean `{{{near}}}`?"))))
}

/// `plan.text`, `review.output`, `review.output.findings.0`.
fn step_reference(inner: &str, reference: &str, known: &Known<'_>) -> Option<Problem> {
    let (step, path) = match reference.split_once(".output.").filter(|(_, path)| !path.is_empty()) {
        Some((step, path)) => (step, Some(path)),
        None => match reference.strip_suffix(".output") {
            Some(step) => (step, Some("")),
            None => (reference.strip_suffix(".text").unwrap_or_default(), None),
        },
    };
    if step.is_empty() {
        let message = format!("`{{{inner}}}` is no placeholder and stays as it is");
        let help = "write `{steps.<id>.text}` or `{steps.<id>.output.<path>}`".to_owned();
        return Some((code::UNKNOWN_PLACEHOLDER, Warning, message, Some(help)));
    }
    match known(step) {
        Err(UnknownStep { message, help }) => {
            Some((code::UNKNOWN_STEP, Error, format!("`{{{inner}}}`: {message}"), help))
        }
        Ok(schema) => {
            let path: Vec<_> = path?.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect();
            let (message, help) = unknown_output(step, &path, schema)?;
            Some((code::UNKNOWN_OUTPUT, Error, format!("`{{{inner}}}`: {message}"), help))
        }
    }
}

/// Texts in braces that could be meant as placeholders: one line, no blanks, not escaped.
fn candidates(prompt: &str) -> impl Iterator<Item = &str> {
    prompt.match_indices('{').filter_map(|(at, _)| {
        let escaped = prompt[..at].ends_with(['\\', '{']);
        let rest = &prompt[at + 1..];
        let inner = &rest[..rest.find('}')?];
        let word = !inner.is_empty()
            && !inner.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '"' | ':' | ','));
        (!escaped && word).then_some(inner)
    })
}
