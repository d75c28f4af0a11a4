//! The bounded hand-off text of earlier steps.
//!
//! An answer is read into the sections of a hand-off once, when its step settles; the blocks of the steps that a
//! prompt depends on are put together when the prompt is rendered. So adding a block costs the block alone.
//! Lengths are Unicode scalar values, and no character is ever split.
//!
//! What a worker answered stands in a fence that nothing in it can close: no answer can say something in the name of
//! another step, or hide what others have said.

use std::fmt;

use crate::handoff::{Handoff, Section};

/// The sections that are carried, in order, each with its longest text. What was done one by one (`Actions`) is
/// carried only in place of a missing summary.
const CARRIED: [(Section, usize); 4] =
    [(Section::Summary, 900), (Section::Artifacts, 1600), (Section::Risks, 900), (Section::Next, 900)];
/// All caps together and an allowance for headings: a limit above this leaves every section its cap.
const ALL_CAPS: usize = 4500;
/// No section shrinks below this, unless the whole block has to be cut.
const SMALLEST_SECTION: usize = 60;
const CUT: &str = "\n...(truncated)";
const CUT_CHARS: usize = 15;

/// A fence has so many backticks, unless there are as many in a row in what it holds.
const FENCE: usize = 3;

/// The hand-off of one step, within the caps of its sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// One line.
    title: String,
    sections: Vec<Body>,
    /// The length of the whole block as text.
    chars: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Body {
    section: Section,
    text: String,
    chars: usize,
    cut: bool,
}

impl Block {
    /// Reads an answer into the sections of a hand-off. An answer without headings is all summary.
    #[must_use]
    pub fn read(title: &str, answer: &str) -> Self {
        let handoff = Handoff::parse(answer);
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut block = Self { title, sections: Vec::with_capacity(4), chars: 0 };
        for (section, cap) in CARRIED {
            let text = match section {
                Section::Summary => summary(&handoff),
                other => handoff.section(other).unwrap_or_default().to_owned(),
            };
            if !text.is_empty() {
                block.sections.push(Body::within(section, &text, cap));
            }
        }
        if block.sections.is_empty() {
            block.sections.push(Body::within(Section::Summary, "None", usize::MAX));
        }
        block.chars = block.to_string().chars().count();
        block
    }

    /// The sections that were cut at their caps.
    pub fn cut_sections(&self) -> impl Iterator<Item = &'static str> {
        self.sections.iter().filter(|body| body.cut).map(|body| body.section.title())
    }

    /// The block in at most `max` characters: sections first, in proportion to their caps; then the whole.
    fn shrunk_to(&self, max: usize) -> String {
        if self.chars <= max {
            return self.to_string();
        }
        let mut smaller = self.clone();
        for body in &mut smaller.sections {
            let cap = CARRIED
                .iter()
                .find(|(section, _)| *section == body.section)
                .map_or(SMALLEST_SECTION, |(_, cap)| (cap * max / ALL_CAPS).max(SMALLEST_SECTION));
            *body = body.shrunk_to(cap);
        }
        let text = smaller.to_string();
        if text.chars().count() <= max {
            return text;
        }
        let share = (max / (smaller.sections.len() * 2)).max(SMALLEST_SECTION);
        let sections: Vec<_> =
            smaller.sections.iter().map(|body| shorten(&body.to_string(), share)).collect();
        let body = sections.join("\n\n");
        let frame = self.framed("", fence(&body)).chars().count();
        match max.checked_sub(frame) {
            Some(room) if room > 0 => self.framed(&shorten(&body, room), fence(&body)),
            _ => shorten(&format!("### {}", self.title), max),
        }
    }

    /// The sections under the step's title, in a fence of so many backticks.
    fn framed(&self, body: &str, fence: usize) -> String {
        let fence = "`".repeat(fence);
        format!("### {}\n{fence}\n{body}\n{fence}", self.title)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections: Vec<_> = self.sections.iter().map(ToString::to_string).collect();
        let body = sections.join("\n\n");
        f.write_str(&self.framed(&body, fence(&body)))
    }
}

impl Body {
    fn within(section: Section, text: &str, cap: usize) -> Self {
        let chars = text.chars().count();
        Self { section, text: text.to_owned(), chars, cut: false }.shrunk_to(cap)
    }

    fn shrunk_to(&self, cap: usize) -> Self {
        let length = self.chars + if self.cut { CUT_CHARS } else { 0 };
        if length <= cap {
            return self.clone();
        }
        let text = first(&self.text, cap.saturating_sub(CUT_CHARS)).trim_end().to_owned();
        Self { section: self.section, chars: text.chars().count(), text, cut: true }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#### {}\n{}{}", self.section.title(), self.text, if self.cut { CUT } else { "" })
    }
}

/// The carry that a prompt gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Carry {
    /// Its text, never longer than the limit.
    pub text: String,
    /// Whether blocks had to shrink to fit the limit.
    pub trimmed: bool,
}

const BETWEEN_BLOCKS: &str = "\n\n";

/// Puts blocks together, oldest first. When they exceed `max` characters, each keeps a small share and what
/// exceeds it shrinks in proportion: none is dropped as long as there is room for its title.
#[must_use]
pub fn assemble<'b>(blocks: impl IntoIterator<Item = &'b Block>, max: usize) -> Carry {
    let blocks: Vec<_> = blocks.into_iter().collect();
    let total: usize = blocks.iter().map(|block| block.chars).sum();
    let between = BETWEEN_BLOCKS.len() * blocks.len().saturating_sub(1);
    if total + between <= max {
        let texts: Vec<_> = blocks.iter().map(ToString::to_string).collect();
        return Carry { text: texts.join(BETWEEN_BLOCKS), trimmed: false };
    }
    let room = max.saturating_sub(between);
    let share = room / (4 * blocks.len().max(1));
    let kept: usize = blocks.iter().map(|block| block.chars.min(share)).sum();
    let excess = (total - kept).max(1);
    let texts: Vec<_> = blocks
        .iter()
        .map(|block| {
            let own = block.chars.min(share);
            block.shrunk_to(own + (block.chars - own) * (room - kept) / excess)
        })
        .collect();
    Carry { text: first(&texts.join(BETWEEN_BLOCKS), max).to_owned(), trimmed: true }
}

/// The summary of an answer; what stands before the first heading belongs to it.
fn summary(handoff: &Handoff) -> String {
    let parts = [Some(handoff.preamble.as_str()), handoff.section(Section::Summary)];
    let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return handoff.section(Section::Actions).unwrap_or_default().to_owned();
    }
    parts.join("\n\n")
}

/// How many backticks a fence around this text needs: more than there are in a row in it.
fn fence(text: &str) -> usize {
    let (mut longest, mut row) = (0, 0);
    for byte in text.bytes() {
        row = if byte == b'`' { row + 1 } else { 0 };
        longest = longest.max(row);
    }
    FENCE.max(longest + 1)
}

/// At most `max` characters, the last of them saying that there was more.
fn shorten(text: &str, max: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= max {
        return text.to_owned();
    }
    if max <= CUT_CHARS {
        return first(text, max).to_owned();
    }
    format!("{}{CUT}", first(text, max - CUT_CHARS).trim_end())
}

fn first(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
#[path = "carry_tests.rs"]
mod tests;
