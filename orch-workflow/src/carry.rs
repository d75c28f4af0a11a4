//! The bounded hand-off text of earlier steps.
//!
//! An answer is read into the sections of a hand-off once, when its step settles; the blocks of the steps that a
//! prompt depends on are put together when the prompt is rendered. So adding a block costs the block alone.
//! Lengths are Unicode scalar values, and no character is ever split.
//!
//! What a worker answered stands in a fence that nothing in it can close: no answer can say something in the name of
//! another step, or hide what others have said.

use std::{borrow::Cow, fmt};

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

const TITLE_MARK: &str = "### ";
const SECTION_MARK: &str = "#### ";
const BETWEEN: &str = "\n\n";

/// A fence has so many backticks, unless there are as many in a row in what it holds.
const FENCE: &str = "```";

/// The hand-off of one step, within the caps of its sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// One line.
    title: String,
    sections: Vec<Body<'static>>,
    /// More backticks than there are in a row in any section, and so in any part of one.
    fence: Cow<'static, str>,
    /// The length of the whole block as text.
    chars: usize,
}

/// A section, or the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Body<'t> {
    section: Section,
    text: Cow<'t, str>,
    /// The length of `text`.
    chars: usize,
    cut: bool,
}

impl Block {
    /// Reads an answer into the sections of a hand-off. An answer without headings is all summary.
    #[must_use]
    pub fn read(title: &str, answer: &str) -> Self {
        let handoff = Handoff::parse(answer);
        let texts = CARRIED.map(|(section, cap)| match section {
            Section::Summary => (section, cap, summary(&handoff)),
            other => (section, cap, Cow::Borrowed(handoff.section(other).unwrap_or_default())),
        });
        let said = texts.iter().filter(|(_, _, text)| !text.is_empty());
        let mut sections: Vec<_> =
            said.map(|(section, cap, text)| Body::whole(*section, text).within(*cap).into_owned()).collect();
        if sections.is_empty() {
            sections.push(Body::whole(Section::Summary, "None"));
        }
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let fence = fence(&sections);
        let mut block = Self { title, sections, fence, chars: 0 };
        block.chars = block.frame_chars() + chars_of(&block.sections);
        block
    }

    /// The sections that were cut at their caps.
    pub fn cut_sections(&self) -> impl Iterator<Item = &'static str> {
        self.sections.iter().filter(|body| body.cut).map(|body| body.section.title())
    }

    /// Adds the block to a text, in at most `max` characters: sections shrink first, in proportion to their caps; then
    /// the whole.
    fn push_within(&self, max: usize, text: &mut String) {
        if self.chars <= max {
            return self.push(&self.sections, text);
        }
        let room = max.saturating_sub(self.frame_chars());
        if room == 0 {
            return text.push_str(&shorten(&format!("{TITLE_MARK}{}", self.title), max));
        }
        let smaller: Vec<_> = self.sections.iter().map(|body| body.within(body.share_of(max))).collect();
        if chars_of(&smaller) <= room {
            return self.push(&smaller, text);
        }
        let share = (max / (smaller.len() * 2)).max(SMALLEST_SECTION);
        let sections: Vec<_> = smaller.iter().map(Body::to_text).collect();
        let sections: Vec<_> = sections.iter().map(|text| shorten(text, share)).collect();
        self.push_framed(text, |text| text.push_str(&shorten(&sections.join(BETWEEN), room)));
    }

    /// Adds the block with these sections to a text.
    fn push(&self, sections: &[Body<'_>], text: &mut String) {
        self.push_framed(text, |text| {
            for (number, body) in sections.iter().enumerate() {
                text.push_str(if number == 0 { "" } else { BETWEEN });
                body.push(text);
            }
        });
    }

    /// The step's title, and below it in the fence what `push_body` adds.
    fn push_framed(&self, text: &mut String, push_body: impl FnOnce(&mut String)) {
        [TITLE_MARK, &self.title, "\n", &self.fence, "\n"].iter().for_each(|part| text.push_str(part));
        push_body(text);
        ["\n", &self.fence].iter().for_each(|part| text.push_str(part));
    }

    /// The length of what stands around the sections.
    fn frame_chars(&self) -> usize {
        TITLE_MARK.len() + self.title.chars().count() + 2 * ("\n".len() + self.fence.len()) + "\n".len()
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.chars);
        self.push(&self.sections, &mut text);
        f.write_str(&text)
    }
}

impl<'t> Body<'t> {
    fn whole(section: Section, text: &'t str) -> Self {
        Self { section, text: Cow::Borrowed(text), chars: text.chars().count(), cut: false }
    }

    /// The beginning that has at most so many characters, with a remark if it is not all.
    fn within(&self, cap: usize) -> Body<'_> {
        let length = self.chars + if self.cut { CUT_CHARS } else { 0 };
        let (text, chars, cut) = if length <= cap {
            (self.text.as_ref(), self.chars, self.cut)
        } else {
            let text = first(&self.text, cap.saturating_sub(CUT_CHARS)).trim_end();
            (text, text.chars().count(), true)
        };
        Body { section: self.section, text: Cow::Borrowed(text), chars, cut }
    }

    /// Its cap in a block of at most `max` characters.
    fn share_of(&self, max: usize) -> usize {
        let own = CARRIED.iter().find(|(section, _)| *section == self.section);
        own.map_or(SMALLEST_SECTION, |(_, cap)| (cap * max / ALL_CAPS).max(SMALLEST_SECTION))
    }

    fn into_owned(self) -> Body<'static> {
        Body { text: Cow::Owned(self.text.into_owned()), ..self }
    }

    fn push(&self, text: &mut String) {
        let cut = if self.cut { CUT } else { "" };
        [SECTION_MARK, self.section.title(), "\n", &self.text, cut]
            .iter()
            .for_each(|part| text.push_str(part));
    }

    fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.pushed_chars());
        self.push(&mut text);
        text
    }

    /// The length of what is pushed.
    fn pushed_chars(&self) -> usize {
        let cut = if self.cut { CUT_CHARS } else { 0 };
        SECTION_MARK.len() + self.section.title().len() + "\n".len() + self.chars + cut
    }
}

/// The length of these sections one below the other.
fn chars_of(sections: &[Body<'_>]) -> usize {
    let between = BETWEEN.len() * sections.len().saturating_sub(1);
    sections.iter().map(Body::pushed_chars).sum::<usize>() + between
}

/// The carry that a prompt gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Carry {
    /// Its text, never longer than the limit.
    pub text: String,
    /// Whether blocks had to shrink to fit the limit.
    pub trimmed: bool,
}

/// Puts blocks together, oldest first. When they exceed `max` characters, each keeps a small share and what
/// exceeds it shrinks in proportion: none is dropped as long as there is room for its title.
#[must_use]
pub fn assemble<'b>(blocks: impl IntoIterator<Item = &'b Block>, max: usize) -> Carry {
    let blocks: Vec<_> = blocks.into_iter().collect();
    let total: usize = blocks.iter().map(|block| block.chars).sum();
    let between = BETWEEN.len() * blocks.len().saturating_sub(1);
    let room = max.saturating_sub(between);
    let share = room / (4 * blocks.len().max(1));
    let kept: usize = blocks.iter().map(|block| block.chars.min(share)).sum();
    let excess = (total - kept).max(1);
    let trimmed = total + between > max;
    let mut text = String::with_capacity(max.min(total + between));
    for (number, block) in blocks.iter().enumerate() {
        text.push_str(if number == 0 { "" } else { BETWEEN });
        let own = block.chars.min(share);
        let within = if trimmed { own + (block.chars - own) * (room - kept) / excess } else { block.chars };
        block.push_within(within, &mut text);
    }
    if trimmed {
        text.truncate(first(&text, max).len());
    }
    Carry { text, trimmed }
}

/// The summary of an answer; what stands before the first heading belongs to it.
fn summary<'h>(handoff: &'h Handoff<'_>) -> Cow<'h, str> {
    match (handoff.preamble.as_ref(), handoff.section(Section::Summary).unwrap_or_default()) {
        ("", "") => Cow::Borrowed(handoff.section(Section::Actions).unwrap_or_default()),
        (text, "") | ("", text) => Cow::Borrowed(text),
        (preamble, summary) => Cow::Owned([preamble, summary].join(BETWEEN)),
    }
}

/// The fence that nothing in these sections can close.
fn fence(sections: &[Body<'_>]) -> Cow<'static, str> {
    let longest = sections.iter().map(|body| longest_row(&body.text)).max().unwrap_or_default();
    if longest < FENCE.len() { Cow::Borrowed(FENCE) } else { Cow::Owned("`".repeat(longest + 1)) }
}

/// How many backticks there are at most in a row.
fn longest_row(text: &str) -> usize {
    let (mut longest, mut row) = (0, 0);
    for byte in text.bytes() {
        row = if byte == b'`' { row + 1 } else { 0 };
        longest = longest.max(row);
    }
    longest
}

/// At most `max` characters, the last of them saying that there was more.
fn shorten(text: &str, max: usize) -> Cow<'_, str> {
    let text = text.trim();
    if text.chars().count() <= max {
        return Cow::Borrowed(text);
    }
    if max <= CUT_CHARS {
        return Cow::Borrowed(first(text, max));
    }
    Cow::Owned([first(text, max - CUT_CHARS).trim_end(), CUT].concat())
}

fn first(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
#[path = "carry_tests.rs"]
mod tests;
