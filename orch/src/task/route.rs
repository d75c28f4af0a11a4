//! Which worker suits a task, by its words.

use orch_workflow::attachment::Attachment;

/// The worker that a task goes to when nobody says which: `vision` when there is an image to look at, else the first
/// whose words are in the text, else `coder`.
#[must_use]
pub fn route(task: &str, attachments: &[Attachment]) -> &'static str {
    if attachments.iter().any(Attachment::is_image) {
        return "vision";
    }
    let text = task.to_ascii_lowercase();
    let words: Vec<_> = text
        .split(|char: char| !char.is_ascii_alphanumeric() && char != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let suits = |(_, known): &&(&str, &[&str])| known.iter().any(|word| words.contains(word));
    ROUTES.iter().find(suits).map_or("coder", |(worker, _)| worker)
}

/// The first that suits has it: a plan is made before anything is searched for.
const ROUTES: &[(&str, &[&str])] = &[
    (
        "docs",
        &["api", "cite", "doc", "docs", "documentation", "example", "examples", "reference", "research"],
    ),
    ("architect", &["approach", "architect", "architecture", "design", "plan", "tradeoff"]),
    ("explorer", &["explore", "find", "grep", "locate", "ripgrep", "scan", "search", "where"]),
];
