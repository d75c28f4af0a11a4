//! `docs/errors.md` explains every code that any crate can say, and none that no crate says.
//!
//! The codes are read from the sources of the error types themselves: a list beside them could be forgotten.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const PAGE: &str = include_str!("../../docs/errors.md");

/// Texts that begin like a code and are none: where the codes of the configuration are put together, whose list is
/// taken as it is, and the target of a log line.
const NO_CODES: [&str; 2] = ["orch::config::", "orch::failpoint"];

#[test]
fn the_page_lists_the_codes_of_every_crate() {
    let said = codes();
    let areas: BTreeSet<_> = said.iter().filter_map(|code| code.split("::").nth(1)).collect();
    let expected = [
        "cli", "config", "doctor", "host", "install", "mcp", "plan", "plugin", "run", "serve", "state",
        "store", "task", "ux", "workers",
    ];
    assert_eq!(areas.into_iter().collect::<Vec<_>>(), expected);

    let listed: Vec<_> = explained().map(|(code, _)| code.to_owned()).collect();
    let page: BTreeSet<_> = listed.iter().cloned().collect();
    let missing: Vec<_> = said.difference(&page).collect();
    assert!(missing.is_empty(), "not on the page: {missing:#?}");
    let stale: Vec<_> = page.difference(&said).collect();
    assert!(stale.is_empty(), "on the page, and said by nobody: {stale:#?}");
    assert_eq!(listed.len(), page.len(), "a code is on the page twice");
}

#[test]
fn every_code_has_its_cause_and_its_cure() {
    for (code, text) in explained() {
        let sentences = text.split_inclusive(['.', ':', ';']).filter(|part| part.trim().len() > 10).count();
        assert!(sentences >= 2, "{code} has no cause or no cure: {text:?}");
    }
}

/// What the page says about each code.
fn explained() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.split("\n### `").skip(1).map(|part| {
        let (code, text) = part.split_once("`\n").unwrap();
        (code, text.split("\n## ").next().unwrap_or(text).trim())
    })
}

/// The codes in the sources of every crate, tests left out.
fn codes() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut codes: BTreeSet<String> = orch_config::code::ALL.iter().map(|code| (*code).to_owned()).collect();
    for name in
        ["orch", "orch-cli", "orch-config", "orch-opencode", "orch-ux", "orch-workers", "orch-workflow"]
    {
        let files = sources(&root.join(name).join("src"));
        assert!(!files.is_empty(), "{name} has sources");
        for file in files {
            for literal in literals(&fs::read_to_string(&file).unwrap()) {
                assert!(is_code(&literal), "{}: {literal:?} begins like a code", file.display());
                codes.insert(literal);
            }
        }
    }
    codes
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "tests" {
            found.extend(sources(&path));
        } else if (name.ends_with(".rs") || name.ends_with(".js")) && name != "tests.rs" {
            found.push(path);
        }
    }
    found
}

/// The texts of a source that begin like a code. What is only built for tests comes last in a file.
fn literals(source: &str) -> Vec<String> {
    let shipped = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(source);
    let code = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
    let after = code.flat_map(|line| line.split("\"orch::").skip(1));
    let texts = after.map(|rest| format!("orch::{}", rest.split('"').next().unwrap_or(rest)));
    texts.filter(|text| !NO_CODES.contains(&text.as_str())).collect()
}

/// `orch::area::what-is-wrong`.
fn is_code(text: &str) -> bool {
    let parts: Vec<_> = text.split("::").collect();
    let word = |part: &&str| {
        !part.is_empty()
            && part.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
    };
    parts.len() == 3 && parts.iter().all(word)
}

#[test]
fn a_code_is_found_wherever_it_is_written() {
    let source = "/// \"orch::doc::comment\"\nSelf::A => \"orch::a::b-c\",\nf(\"orch::d::e\", \"orch::failpoint\");\n\
                  #[cfg(test)]\nmod tests {\n\"orch::only::tests\"";
    assert_eq!(literals(source), ["orch::a::b-c", "orch::d::e"]);
    assert!(!is_code("orch::host::{name}") && !is_code("orch::host") && !is_code("orch::host::"));
}
