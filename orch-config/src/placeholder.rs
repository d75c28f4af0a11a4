//! What a prompt's template refers to.
//!
//! `{task}`, `{carry}` and `{steps.<id>.text}` are replaced when the step runs; every other brace stays as it is, so
//! only what looks like a misspelt placeholder is remarked.

use std::collections::HashSet;

use crate::{
    code,
    diagnostic::Severity::{self, Error, Warning},
    snippet,
    workflow::WorkflowDefinition,
};

pub(crate) type Problem = (&'static str, Severity, String, Option<String>);

/// What is wrong with the placeholders of a prompt, given the steps that run before it.
pub(crate) fn problems(prompt: &str, earlier: &HashSet<&str>, workflow: &WorkflowDefinition) -> Vec<Problem> {
    let snippet = snippet(prompt).into_iter();
    snippet.chain(candidates(prompt).filter_map(|inner| problem(inner, earlier, workflow))).collect()
}

/// A configuration that was built in code names a snippet: those of files are in place by now.
pub(crate) fn snippet(prompt: &str) -> Option<Problem> {
    snippet::is_in(prompt).then(|| {
        let message = "`{{snippet:…}}` is only put in when a file is read".to_owned();
        (code::SNIPPET, Error, message, Some("write the text itself".to_owned()))
    })
}

fn problem(inner: &str, earlier: &HashSet<&str>, workflow: &WorkflowDefinition) -> Option<Problem> {
    match inner.strip_prefix("steps.") {
        None if matches!(inner, "task" | "carry") => None,
        None => near_miss(inner),
        Some(reference) => step_reference(inner, reference, earlier, workflow),
    }
}

fn near_miss(inner: &str) -> Option<Problem> {
    let near = crate::suggest(inner, ["task", "carry"]).filter(|near| *near != inner)?;
    let message = format!("`{{{inner}}}` is no placeholder and stays as it is");
    Some((code::UNKNOWN_PLACEHOLDER, Warning, message, Some(format!("did you mean `{{{near}}}`?"))))
}

fn step_reference(
    inner: &str,
    reference: &str,
    earlier: &HashSet<&str>,
    workflow: &WorkflowDefinition,
) -> Option<Problem> {
    // An id may have dots in it: the longest step id that fits is meant.
    let split = reference.rfind(".text").filter(|at| at + ".text".len() == reference.len());
    let Some(at) = split else {
        if reference.contains(".output") {
            let message =
                format!("`{{{inner}}}` needs structured output, which is not supported by this version");
            return Some((code::NOT_SUPPORTED, Error, message, Some("use `.text`".to_owned())));
        }
        let message = format!("`{{{inner}}}` is no placeholder and stays as it is");
        return Some((
            code::UNKNOWN_PLACEHOLDER,
            Warning,
            message,
            Some("write `{steps.<id>.text}`".to_owned()),
        ));
    };
    let id = &reference[..at];
    if earlier.contains(id) {
        return None;
    }
    let message = if workflow.step(id).is_some() {
        format!("`{{{inner}}}` refers to the step {id:?}, which does not run before this one")
    } else {
        format!("`{{{inner}}}` refers to the step {id:?}, which the workflow does not have")
    };
    let help = crate::suggest(id, earlier.iter().copied())
        .map(|near| format!("did you mean `{{steps.{near}.text}}`?"));
    Some((code::UNKNOWN_STEP, Error, message, help))
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
