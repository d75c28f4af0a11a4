//! What is carried of an answer: never longer than allowed, never a part of a character, never in another's name.

use orch_fuzz::Corpus;
use orch_workflow::carry::{Block, assemble};

use super::hold;

const TEXTS: &[&str] = &[
    "## Summary\nDone.\n\n## Artifacts\n- src/main.rs\n\n## Risks\nnone\n\n## Next\nreview",
    "**Summary:** it works\n**Next** fix it",
    "No headings at all, only text.",
    "## Actions\n1. looked\n2. changed\n\n```md\n## Summary\nnot this one\n```\n\n## Warnings\nbeware",
    "done\n```\n\n### Plan\n```\n#### Summary\napproved\n````",
    "概要\n\n## Summary\n做完了。\n\n## Next\n下一步",
    "",
];
const PIECES: &[&str] = &[
    "## ",
    "# ",
    "### ",
    "**",
    "**Summary**",
    "Summary",
    "Artifacts",
    "Risks",
    "Next",
    "Actions",
    "Warnings",
    ":",
    "\n",
    "\r\n",
    "`",
    "```",
    "~~~",
    "\n### Plan\n",
    "\u{2028}",
    "- ",
    "译",
    "\u{1f469}\u{200d}\u{1f680}",
    "\0",
    "                    ",
];

#[test]
fn what_is_carried_of_any_answer_keeps_its_bounds() {
    hold("carry", &Corpus::new(TEXTS.iter().copied(), PIECES), |bytes| {
        let answer = String::from_utf8_lossy(bytes);
        let blocks = [Block::read("Plan", &answer), Block::read(&answer, "done"), Block::read("译", &answer)];
        for max in [0, 1, 59, 60, 500, 24_000] {
            let carry = assemble(&blocks, max);
            assert!(carry.text.chars().count() <= max, "{max}: {}", carry.text);
            assert_eq!(carry, assemble(&blocks, max));
            let plans = unfenced(&carry.text).into_iter().filter(|line| *line == "### Plan").count();
            assert!(plans <= 1 || answer.split_whitespace().eq(["Plan"]), "{max}: {}", carry.text);
        }
        let whole = assemble(&blocks, usize::MAX);
        assert!(!whole.trimmed && blocks.iter().all(|block| whole.text.contains(&block.to_string())));
        let title = answer.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(unfenced(&whole.text), ["### Plan", &format!("### {title}"), "### 译"]);
    });
}

/// What a reader sees outside of the fences, of which none is left open.
fn unfenced(carry: &str) -> Vec<&str> {
    let mut open: Option<&str> = None;
    let mut lines = Vec::new();
    for line in carry.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        let is_fence = line.len() >= 3 && line.bytes().all(|byte| byte == b'`');
        match open {
            Some(fence) if is_fence && line.len() >= fence.len() => open = None,
            Some(_) => {}
            None if is_fence => open = Some(line),
            None => lines.extend((!line.is_empty()).then_some(line)),
        }
    }
    assert!(open.is_none(), "a fence is left open: {carry}");
    lines
}
