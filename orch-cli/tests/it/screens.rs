//! The screens in `docs/tui.md`: each has a name, under which a test that sees the real one holds the page against it.

use std::{fs, path::PathBuf};

/// What stands before a screen, in the page's own words invisible.
const NAME: &str = "<!-- screen: ";

fn page() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/tui.md")).unwrap()
}

/// The screens of the page with their names; one without a name has none.
fn documented(page: &str) -> Vec<(Option<&str>, Vec<&str>)> {
    let blocks: Vec<_> = page.split("```text\n").collect();
    // Each block has the text before the next screen behind its own.
    blocks.iter().zip(&blocks[1..]).map(|(before, block)| (name(before), lines(block))).collect()
}

fn name(before: &str) -> Option<&str> {
    before.trim_end().lines().next_back()?.strip_prefix(NAME)?.strip_suffix(" -->")
}

fn lines(block: &str) -> Vec<&str> {
    let (screen, _) = block.split_once("```").unwrap_or((block, ""));
    screen.lines().filter(|line| !line.trim().is_empty()).collect()
}

/// Whether what a terminal shows is the screen of this name in the page, if that has it: each line is there, in this order.
pub(crate) fn is_documented(name: &str, shown: &str) -> bool {
    let page = page();
    let screens = documented(&page);
    let Some((_, lines)) = screens.iter().find(|(known, _)| *known == Some(name)) else { return true };
    has_in_order(shown, lines)
}

/// Whether what a terminal shows is the page of this name: everything of it is there, however the lines are wrapped, which
/// changes with the length of a number.
pub(crate) fn is_documented_page(name: &str, shown: &str) -> bool {
    let page = page();
    let screens = documented(&page);
    let Some((_, lines)) = screens.iter().find(|(known, _)| *known == Some(name)) else { return true };
    Page::of(shown).has(&Page::of(&lines.join("\n")))
}

/// What a page says that fills a terminal, in one piece whatever was wrapped.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    /// Those of its tables that say something.
    pub(crate) cells: Vec<String>,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn of(screen: &str) -> Self {
        let (mut cells, mut text) = (Vec::new(), String::new());
        let mut row: Vec<String> = Vec::new();
        for line in screen.lines().map(str::trim) {
            if let Some(inner) = line.strip_prefix('│').and_then(|line| line.strip_suffix('│')) {
                // A word that is too long for its column goes on in the next line, all others with their space.
                let pieces = inner.split('│');
                row.resize(row.len().max(pieces.clone().count()), String::new());
                row.iter_mut().zip(pieces).for_each(|(cell, piece)| cell.push_str(piece));
            } else if line.starts_with(['┌', '├', '└']) {
                cells.extend(row.drain(..).map(|cell| bare(&cell)).filter(|cell| !cell.is_empty()));
            } else {
                text.push(' ');
                text.push_str(line);
            }
        }
        Self { cells, text: bare(&text) }
    }

    /// Whether all of the other page is here.
    fn has(&self, other: &Self) -> bool {
        let has_cells =
            other.cells.is_empty() || self.cells.windows(other.cells.len()).any(|cells| cells == other.cells);
        has_cells && self.text.contains(&other.text)
    }
}

/// A text without spaces, marks of Markdown, and what is another thing each time.
pub(crate) fn bare(text: &str) -> String {
    let unmarked: String = text.chars().filter(|char| !"\\`*│".contains(*char)).collect();
    let mut bare = String::new();
    for char in steady(&unmarked).chars().filter(|char| !char.is_whitespace()) {
        // An id that was wrapped is one thing.
        if char != '#' || !bare.ends_with('#') {
            bare.push(char);
        }
    }
    bare.replace("#min#s", "#s").replace("#ms", "#s")
}

fn has_in_order(shown: &str, lines: &[&str]) -> bool {
    let mut shown = shown.lines().map(steady);
    lines.iter().all(|line| {
        let line = steady(line);
        shown.any(|shown| shown.contains(&line))
    })
}

/// A line without what is another thing each time: ids, numbers, times, and how wide the columns are that hold them.
fn steady(line: &str) -> String {
    let (mut steady, mut word) = (String::new(), String::new());
    for char in line.trim().chars().chain([' ']) {
        if char.is_ascii_alphanumeric() || "_.:/$".contains(char) {
            word.push(char);
            continue;
        }
        let varies = word.contains(|char: char| char.is_ascii_digit());
        steady.push_str(if varies { "#" } else { &word });
        word.clear();
        if !(" ─▀".contains(char) && steady.ends_with(char)) {
            steady.push(char);
        }
    }
    steady.replace("# min # s", "# s").trim_end().to_owned()
}

#[test]
fn every_screen_of_the_page_is_held_against_a_real_one() {
    let mut open = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/live")];
    let mut tests = String::new();
    while let Some(path) = open.pop() {
        match path.is_dir() {
            true => open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path())),
            false => tests.push_str(&fs::read_to_string(path).unwrap()),
        }
    }
    let page = page();
    let screens = documented(&page);
    assert!(screens.len() > 10, "{}", screens.len());
    for (name, lines) in screens {
        let name = name.unwrap_or_else(|| panic!("a screen has no name:\n{}", lines.join("\n")));
        assert!(tests.contains(&format!("\"{name}\"")), "no test keeps a screen {name}");
    }
}

#[test]
fn a_screen_is_known_again_by_all_of_its_lines_whatever_the_numbers_are() {
    let documented = ["ship  run_01m8483ymzb7", "✓ Draw  10 s  $0.0000", "│a   │3.9 s │", "└────┴──────┘"];
    let shown = |lines: &[&str]| has_in_order(&lines.join("\n"), &documented);
    let real =
        ["  ┃ ship  run_01zz", "", "  ✓ Draw  1 min 2 s  $1.5000", "│a │11.25 s │", "└──┴────────┘", "more"];
    assert!(shown(&real));
    for gone in [0, 2, 3, 4] {
        let mut less = real.to_vec();
        less.remove(gone);
        assert!(!shown(&less), "without {}", real[gone]);
    }
    let mut turned = real.to_vec();
    turned.swap(0, 2);
    assert!(!shown(&turned));
    assert!(!shown(&real.map(|line| line.replace("Draw", "Drew")).each_ref().map(String::as_str)));
}

#[test]
fn a_page_is_known_again_however_it_is_wrapped() {
    let documented =
        ["a boat for all, 8.5 s", "at work", "", "┌──┬──┐", "│a │3.9 s at│", "│  │ ses_1a │", "└──┴──┘"];
    let real = [
        "a boat for all,",
        "1 min 12 s at work",
        "┌──┬──┐",
        "│a │1 min 9 s│",
        "│  │ at ses_9│",
        "│  │B       │",
        "├──┼──┤",
        "│b │    │",
        "└──┴──┘",
        "more",
    ];
    let has = |shown: &[&str]| Page::of(&shown.join("\n")).has(&Page::of(&documented.join("\n")));
    assert!(has(&real), "{:?} {:?}", Page::of(&real.join("\n")), Page::of(&documented.join("\n")));
    for gone in [0, 1, 3, 4] {
        let mut less = real.to_vec();
        less.remove(gone);
        assert!(!has(&less), "without {}", real[gone]);
    }
}
