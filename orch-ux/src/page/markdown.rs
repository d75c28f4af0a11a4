//! Pages as Markdown.

use super::Block;

pub(super) fn render(blocks: &[Block]) -> String {
    let blocks: Vec<String> = blocks.iter().map(block).collect();
    match blocks.is_empty() {
        true => String::new(),
        false => blocks.join("\n\n") + "\n",
    }
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { level, text } => format!("{} {}", "#".repeat((*level).into()), escaped(text)),
        Block::Line(text) => escaped(text),
        Block::Facts(facts) => {
            list(facts.iter().map(|(name, value)| format!("**{}** {}", escaped(name), escaped(value))))
        }
        Block::Table { head, rows } => table(head, rows),
        Block::Items(items) => list(items.iter().map(|item| escaped(item))),
        Block::Commands(commands) => {
            list(commands.iter().map(|(command, effect)| format!("{}: {}", code(command), escaped(effect))))
        }
        Block::Quote(text) => {
            text.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
        }
        Block::Text(text) => text.clone(),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n")
}

fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<_> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {} |", cells.join(" | "))
    };
    let mut lines = vec![line(head), format!("|{}", " --- |".repeat(head.len()))];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

/// Text that means what it looks like: nothing in it becomes a link, code, emphasis or the end of a cell.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '#') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

/// Text as Markdown code; a step's name may hold backticks itself.
pub(crate) fn code(text: &str) -> String {
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}
