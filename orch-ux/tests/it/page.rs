//! Pages on terminals of every width, and as Markdown.

use orch_ux::page::{Layout, Page, columns, cut};

fn page() -> Page {
    let mut page = Page::new();
    page.heading(1, "build, running");
    page.facts([("task", "add a flag that lists what is there".to_owned()), ("parent", String::new())]);
    page.heading(2, "Steps");
    page.table(
        &["step", "worker", "what"],
        [
            vec!["plan".to_owned(), "architect".to_owned(), "計画を立てる: 一覧の旗を追加する".to_owned()],
            vec![
                "implement".to_owned(),
                "coder".to_owned(),
                "a | b, <b>bold</b> 👩‍💻 \u{1b}[31mred".to_owned(),
            ],
        ],
    );
    page.line("Somebody said:")
        .quote("# A heading of theirs\n\nand 日本語の長い文章がここにあります。 And words.");
    page.items(["one".to_owned(), "two `three`".to_owned()]);
    page.commands([("orch show run_1".to_owned(), "see how it stands".to_owned())]);
    page
}

#[test]
fn a_page_without_an_edge() {
    insta::assert_snapshot!(page().text(Layout::endless()));
}

#[test]
fn a_page_on_a_narrow_terminal() {
    insta::assert_snapshot!(page().text(Layout::terminal(32)));
}

#[test]
fn a_page_as_markdown() {
    insta::assert_snapshot!(page().markdown());
}

#[test]
fn no_line_is_wider_than_the_terminal_but_a_command() {
    for width in 24..120 {
        for line in page().text(Layout::terminal(width)).lines() {
            assert!(columns(line) <= width, "{width}: {line:?} takes {}", columns(line));
        }
    }
}

#[test]
fn nothing_in_a_page_steers_a_terminal() {
    let mut page = Page::new();
    let hostile = "\u{1b}[2J\u{7}\u{202e}\rx";
    page.heading(1, hostile).line(hostile).quote(hostile).body(hostile);
    page.facts([(hostile, hostile.to_owned())]);
    page.table(&["a"], [vec![hostile.to_owned()]]);
    page.items([hostile.to_owned()]).commands([(hostile.to_owned(), hostile.to_owned())]);
    for text in [page.text(Layout::endless()), page.text(Layout::terminal(20)), page.markdown()] {
        assert!(text.contains('x'));
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{text:?}");
    }
}

#[test]
fn a_cut_counts_columns_and_splits_no_character() {
    assert_eq!(cut("計画を立てる", 12), "計画を立てる");
    assert_eq!(cut("計画を立てる", 11), "計画を立て…");
    assert_eq!(cut("計画を立てる", 4), "計…");
    assert_eq!(cut("計画", 1), "…");
    assert_eq!(cut("計画", 0), "");
    assert_eq!(cut("plan", 3), "pl…");
}
