//! Pages as plain text in columns.

use textwrap::Options;

use super::{
    Block, Layout,
    columns::{columns, cut, padded, widths},
};

const GAP: usize = 2;
const INDENT: &str = "  ";
/// Narrower than this a wrapped text cannot be read.
const LEAST: usize = 16;

pub(super) fn render(blocks: &[Block], layout: Layout) -> String {
    let mut text = String::new();
    let mut before: Option<&Block> = None;
    for block in blocks {
        if before.is_some_and(|before| is_apart(before, block)) {
            text.push('\n');
        }
        for line in lines(block, layout) {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        before = Some(block);
    }
    text
}

/// Whether an empty line stands between two blocks: a heading belongs to what follows it, lines to each other.
fn is_apart(before: &Block, block: &Block) -> bool {
    match (before, block) {
        (Block::Heading { .. }, Block::Heading { .. }) => true,
        (Block::Heading { .. }, _) | (Block::Line(_), Block::Line(_) | Block::Quote(_) | Block::Items(_)) => {
            false
        }
        _ => true,
    }
}

fn lines(block: &Block, layout: Layout) -> Vec<String> {
    match block {
        Block::Heading { text, .. } | Block::Line(text) => wrapped(text, layout, "", INDENT),
        Block::Facts(facts) => {
            let width = facts.iter().map(|(name, _)| columns(name)).max().unwrap_or(0);
            let hanging = " ".repeat(width + GAP);
            facts
                .iter()
                .flat_map(|(name, value)| {
                    let first = format!("{}{}", padded(name, width), " ".repeat(GAP));
                    wrapped(value, layout, &first, &hanging)
                })
                .collect()
        }
        Block::Table { head, rows } => table(head, rows, layout),
        Block::Items(items) => items.iter().flat_map(|item| wrapped(item, layout, "- ", INDENT)).collect(),
        Block::Commands(commands) => self::commands(commands, layout),
        Block::Quote(text) => text.lines().flat_map(|line| wrapped(line, layout, INDENT, INDENT)).collect(),
        Block::Text(text) => text.lines().flat_map(|line| wrapped(line, layout, "", "")).collect(),
    }
}

fn wrapped(text: &str, layout: Layout, first: &str, rest: &str) -> Vec<String> {
    let Some(width) = layout.columns else { return vec![format!("{first}{text}")] };
    if text.is_empty() {
        return vec![first.to_owned()];
    }
    let options = Options::new(width.max(LEAST)).initial_indent(first).subsequent_indent(rest);
    textwrap::wrap(text, options).into_iter().map(|line| line.into_owned()).collect()
}

fn table(head: &[String], rows: &[Vec<String>], layout: Layout) -> Vec<String> {
    let all = || std::iter::once(head).chain(rows.iter().map(Vec::as_slice));
    let widths = widths(all(), GAP, layout.columns);
    let line = |row: &[String]| {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, &width)| padded(&cut(cell, width), width)).collect();
        cells.join(&" ".repeat(GAP))
    };
    all().map(line).collect()
}

/// In columns where they fit, else what it does below each command. A command is never cut or broken: it is to be
/// copied.
fn commands(commands: &[(String, String)], layout: Layout) -> Vec<String> {
    let width = commands.iter().map(|(command, _)| columns(command)).max().unwrap_or(0);
    let widest = commands.iter().map(|(_, effect)| columns(effect)).max().unwrap_or(0);
    let fits = layout.columns.is_none_or(|columns| INDENT.len() + width + GAP + widest <= columns);
    let below = format!("{INDENT}{INDENT}");
    commands
        .iter()
        .flat_map(|(command, effect)| {
            if fits {
                return vec![format!("{INDENT}{}{}{effect}", padded(command, width), " ".repeat(GAP))];
            }
            let mut lines = vec![format!("{INDENT}{command}")];
            lines.extend(wrapped(effect, layout, &below, &below));
            lines
        })
        .collect()
}
