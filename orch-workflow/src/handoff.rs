//! The sections that a worker structures its answer with: the one notion that carry and warnings share.

use std::borrow::Cow;

/// A section with a meaning. Everything under another heading is text of the section it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// What was found or done.
    Summary,
    /// What was done, in detail.
    Actions,
    /// What came of it: files, commits, links.
    Artifacts,
    /// What may go wrong.
    Risks,
    /// What is to be done next.
    Next,
    /// What deserves a second look before anybody goes on.
    Warnings,
}

impl Section {
    /// Every section, in the order in which a hand-off has them.
    pub const ALL: [Self; 6] =
        [Self::Summary, Self::Actions, Self::Artifacts, Self::Risks, Self::Next, Self::Warnings];

    /// Its heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Summary => "Summary",
            Self::Actions => "Actions",
            Self::Artifacts => "Artifacts",
            Self::Risks => "Risks",
            Self::Next => "Next",
            Self::Warnings => "Warnings",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.title().eq_ignore_ascii_case(name))
    }
}

/// An answer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handoff<'a> {
    /// The text before the first section; the whole answer when it has none.
    pub preamble: Cow<'a, str>,
    /// The sections that occur, in the order of their first occurrence, repeated ones joined by a line break.
    pub sections: Vec<(Section, Cow<'a, str>)>,
}

impl<'a> Handoff<'a> {
    /// Takes an answer apart at its headings: `#` to `####`, `**Bold**` or `Name:`, in any case. Text after the colon
    /// on the same line belongs to the section; a heading inside a code fence is text. Lines end with a line feed,
    /// whatever they ended with in the answer.
    #[must_use]
    pub fn parse(answer: &'a str) -> Self {
        let mut handoff = Self::default();
        let mut fence: Option<&str> = None;
        let mut current: Option<Section> = None;
        // What belongs to the current section reaches from here to the line that is looked at.
        let (mut begin, mut end) = (0, 0);
        for line in answer.split_inclusive('\n') {
            let start = end;
            end += line.len();
            let heading = if fence.is_none() { heading(line) } else { None };
            fence = fence_after(fence, line);
            if let Some((section, rest)) = heading {
                handoff.add(current, &answer[begin..start]);
                current = Some(section);
                let behind = line.len() - line.trim_end().len();
                begin = if rest.is_empty() { end } else { end - behind - rest.len() };
            }
        }
        handoff.add(current, &answer[begin..]);
        let texts = handoff.sections.iter_mut().map(|(_, text)| text).chain([&mut handoff.preamble]);
        texts.for_each(trim);
        handoff
    }

    /// Adds lines to a section, or to what stands before the first.
    fn add(&mut self, section: Option<Section>, lines: &'a str) {
        let Some(section) = section else {
            self.preamble = unix_lines(lines);
            return;
        };
        match self.sections.iter_mut().find(|(known, _)| *known == section) {
            Some((_, text)) => text.to_mut().push_str(&unix_lines(lines)),
            None => self.sections.push((section, unix_lines(lines))),
        }
    }

    /// The text of a section, if it occurs and says anything.
    #[must_use]
    pub fn section(&self, wanted: Section) -> Option<&str> {
        let text =
            self.sections.iter().find(|(section, _)| *section == wanted).map(|(_, text)| text.as_ref());
        text.filter(|text| !text.is_empty())
    }

    /// What the worker itself warns of. A section that says "none" says nothing; another heading ends it, and so does
    /// the block of a structured answer.
    #[must_use]
    pub fn declared_warnings(&self) -> Option<&str> {
        const NOTHING: [&str; 7] = ["", "none", "no warnings", "nothing", "no", "n/a", "na"];
        let text = self.section(Section::Warnings)?;
        let ends = ["\n#", "\n```json"].iter().filter_map(|mark| text.find(mark));
        let text = text[..ends.min().unwrap_or(text.len())].trim();
        let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
        let nothing = NOTHING.iter().any(|nothing| bare.eq_ignore_ascii_case(nothing));
        (!nothing && !text.starts_with('#') && !text.starts_with("```json")).then_some(text)
    }
}

fn unix_lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) }
}

fn trim(text: &mut Cow<'_, str>) {
    *text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
}

/// The section that a line opens, and the text that follows on the same line.
fn heading(line: &str) -> Option<(Section, &str)> {
    let line = line.trim();
    let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
    let is_markdown = (1..=4).contains(&hashes) && line[hashes..].starts_with([' ', '\t']);
    let body = if is_markdown { line[hashes..].trim() } else { line };
    if let Some((name, rest)) = body.strip_prefix("**").and_then(|rest| rest.split_once("**")) {
        let (name, rest) = match name.strip_suffix(':') {
            Some(name) => (name, rest),
            None if rest.is_empty() => (name, rest),
            None => (name, rest.strip_prefix(':')?),
        };
        return Section::named(name.trim()).map(|section| (section, rest.trim()));
    }
    match body.split_once(':') {
        Some((name, rest)) => Section::named(name.trim()).map(|section| (section, rest.trim())),
        None if is_markdown => Section::named(body).map(|section| (section, "")),
        None => None,
    }
}

/// The fence that is open after this line.
fn fence_after<'a>(open: Option<&'a str>, line: &'a str) -> Option<&'a str> {
    let line = line.trim_start();
    let mark = ["```", "~~~"].into_iter().find(|mark| line.starts_with(mark));
    match (open, mark) {
        (None, mark) => mark,
        (Some(open), Some(mark)) if open == mark => None,
        (open, _) => open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_come_in_three_shapes_and_any_case() {
        for text in [
            "## Summary\nbody",
            "# SUMMARY\nbody",
            "#### summary:\nbody",
            "**Summary**\nbody",
            "**Summary:** body",
            "**Summary**: body",
            "Summary: body",
            "summary:\n\n  body  \n",
        ] {
            assert_eq!(Handoff::parse(text).section(Section::Summary), Some("body"), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_heading_is_text() {
        for text in ["##### Summary\nx", "#Summary\nx", "Summary\nx", "**Summary** of it\nx", "My summary: x"]
        {
            let handoff = Handoff::parse(text);
            assert_eq!(handoff, Handoff { preamble: text.into(), sections: vec![] }, "{text:?}");
        }
    }

    #[test]
    fn fences_unknown_headings_and_preamble_keep_their_text() {
        let text =
            "before\n## Summary\n```\n# Next\n~~~\n```\ndone\n## Details\nmore\n## Next\nb\n## Summary\nc";
        let handoff = Handoff::parse(text);
        assert_eq!(handoff.preamble, "before");
        assert_eq!(
            handoff.sections,
            [
                (Section::Summary, "```\n# Next\n~~~\n```\ndone\n## Details\nmore\nc".into()),
                (Section::Next, "b".into()),
            ]
        );
    }

    #[test]
    fn only_a_warnings_section_that_says_something_declares_a_warning() {
        let table = [
            ("## Warnings\n- the tests are flaky", Some("- the tests are flaky")),
            ("Warnings: disk is full", Some("disk is full")),
            ("**Warnings**\nold API\n## Details\nlong", Some("old API")),
            ("## Warnings\nNone.", None),
            ("## Warnings\n- none", None),
            ("## Warnings\n\n## Next\nx", None),
            ("## Warnings\n## Details\nlong", None),
            ("no warnings: all good", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(Handoff::parse(text).declared_warnings(), expected, "{text:?}");
        }
    }
}
