//! A page: what a view says, laid out for a terminal of any width or written as Markdown.
//!
//! Both forms come from the same blocks, so that they cannot say different things. Every text that enters a page is
//! stripped of what could steer a terminal.

mod columns;
mod markdown;
mod terminal;

use crate::text::{plain, printable};

pub use self::columns::{columns, cut, padded};

/// The longest text of one line before it is laid out.
const LINE_CHARS: usize = 2_000;

/// Headings, facts, tables and texts, in the order in which they are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    Heading {
        level: u8,
        text: String,
    },
    Line(String),
    Facts(Vec<(String, String)>),
    Table {
        head: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    Items(Vec<String>),
    /// Lines to be typed, each with what it does.
    Commands(Vec<(String, String)>),
    /// Somebody's own words, set apart.
    Quote(String),
    /// Somebody's own words as they are: Markdown, most of the time.
    Text(String),
}

/// How a page is laid out for a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Layout {
    /// How many columns there are; lines and tables are fitted to them. `None` for a pipe or a file, which have no
    /// edge: nothing is wrapped or cut there.
    pub columns: Option<usize>,
}

impl Layout {
    /// No edge.
    #[must_use]
    pub fn endless() -> Self {
        Self::default()
    }

    /// A terminal that is so many columns wide.
    #[must_use]
    pub fn terminal(columns: usize) -> Self {
        Self { columns: Some(columns) }
    }
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The page as plain text, ending in a line break unless it is empty.
    #[must_use]
    pub fn text(&self, layout: Layout) -> String {
        terminal::render(&self.blocks, layout)
    }

    /// The page as Markdown, ending in a line break unless it is empty.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::render(&self.blocks)
    }

    /// Adds a heading; level 1 is the largest.
    pub fn heading(&mut self, level: u8, text: &str) -> &mut Self {
        self.add(Block::Heading { level: level.clamp(1, 6), text: plain(text, LINE_CHARS) })
    }

    /// Adds one line, wrapped where it is too long.
    pub fn line(&mut self, text: &str) -> &mut Self {
        self.add(Block::Line(plain(text, LINE_CHARS)))
    }

    /// Adds names with their values. Empty values are left out.
    pub fn facts<'a>(&mut self, facts: impl IntoIterator<Item = (&'a str, String)>) -> &mut Self {
        let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
        let facts: Vec<_> =
            facts.map(|(name, value)| (plain(name, LINE_CHARS), plain(&value, LINE_CHARS))).collect();
        if facts.is_empty() { self } else { self.add(Block::Facts(facts)) }
    }

    /// Adds a table, unless it has no rows.
    pub fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> &mut Self {
        let cells = |row: Vec<String>| row.iter().map(|cell| plain(cell, LINE_CHARS)).collect();
        let rows: Vec<_> = rows.into_iter().map(cells).collect();
        if rows.is_empty() {
            return self;
        }
        self.add(Block::Table { head: head.iter().map(|name| (*name).to_owned()).collect(), rows })
    }

    /// Adds a list, unless it is empty.
    pub fn items(&mut self, items: impl IntoIterator<Item = String>) -> &mut Self {
        let items: Vec<_> = items.into_iter().map(|item| plain(&item, LINE_CHARS)).collect();
        if items.is_empty() { self } else { self.add(Block::Items(items)) }
    }

    /// Adds lines that can be typed, each with what it does.
    pub fn commands(&mut self, commands: impl IntoIterator<Item = (String, String)>) -> &mut Self {
        let clean =
            |(command, effect): (String, String)| (plain(&command, LINE_CHARS), plain(&effect, LINE_CHARS));
        let commands: Vec<_> = commands.into_iter().map(clean).collect();
        if commands.is_empty() { self } else { self.add(Block::Commands(commands)) }
    }

    /// Adds somebody's words, set apart from ours, unless there are none.
    pub fn quote(&mut self, text: &str) -> &mut Self {
        let text = printable(text);
        if text.trim().is_empty() { self } else { self.add(Block::Quote(text.trim_end().to_owned())) }
    }

    /// Adds somebody's words as they are, unless there are none.
    pub fn body(&mut self, text: &str) -> &mut Self {
        let text = printable(text);
        if text.trim().is_empty() { self } else { self.add(Block::Text(text.trim_end().to_owned())) }
    }

    fn add(&mut self, block: Block) -> &mut Self {
        self.blocks.push(block);
        self
    }
}
