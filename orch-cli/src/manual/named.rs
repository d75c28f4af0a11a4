//! Every command line that anything says is one that can be typed: in the documentation, in errors and their help, in
//! notices, in comments, in the plugin. So is every slash command.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Command;
use orch::ux::plugin;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below these that end so.
fn files(below: &[&str], ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = below.iter().map(|path| root().join(path)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// The calls of `orch` in a text: between backticks, and as lines of blocks of shell commands.
fn calls(text: &str) -> Vec<String> {
    let mut calls = Vec::new();
    let mut shell = false;
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            shell = !shell && matches!(language.trim(), "sh" | "bash" | "console" | "shell");
            continue;
        }
        let bare = line.trim_start().trim_start_matches("$ ");
        if shell && bare.starts_with("orch ") {
            calls.push(bare.to_owned());
        }
        let spans = line.split('`').skip(1).step_by(2);
        calls.extend(spans.filter(|span| span.starts_with("orch ")).map(str::to_owned));
    }
    calls
}

/// What is wrong with a call, if anything: an unknown command or an unknown flag.
fn mistake(root: &Command, call: &str) -> Option<String> {
    let mut at = root;
    for word in call.split_whitespace().skip(1) {
        let word = word.trim_matches(|char| "()[],.;:…'\"".contains(char));
        // What follows `--` is for another program.
        if word == "--" || word.starts_with(['#', '>', '|', '{']) {
            return None;
        }
        if let Some(flag) = word.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap_or(flag);
            let known = at.get_arguments().any(|argument| argument.get_long() == Some(flag));
            if !flag.is_empty() && !known {
                return Some(format!("`{} {word}`: no such flag", at.get_name()));
            }
        } else if word.starts_with(|char: char| char.is_ascii_uppercase()) {
            // `COMMAND` stands for any of them.
            return None;
        } else if at.has_subcommands() && !word.is_empty() && !word.starts_with(['<', '-']) {
            match at.find_subcommand(word) {
                Some(sub) => at = sub,
                None => return Some(format!("`{} {word}`: no such command", at.get_name())),
            }
        }
    }
    None
}

fn check(files: Vec<PathBuf>, least: usize) {
    let mut command = super::command();
    command.build();
    let mut count = 0;
    let mut mistakes = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for call in calls(&text) {
            count += 1;
            mistakes.extend(
                mistake(&command, &call).map(|mistake| format!("{}: {mistake} in {call:?}", file.display())),
            );
        }
    }
    assert_eq!(mistakes, Vec::<String>::new());
    assert!(count >= least, "only {count} calls were found");
}

const PAGES: &[&str] = &["docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"];
const SOURCES: &[&str] = &[
    "orch",
    "orch-cli/src",
    "orch-config/src",
    "orch-opencode/src",
    "orch-ux/src",
    "orch-workers/src",
    "orch-workflow/src",
];

#[test]
fn every_command_in_the_documentation_exists() {
    check(files(PAGES, ".md"), 100);
}

#[test]
fn every_command_in_an_error_a_help_or_a_comment_exists() {
    check(files(SOURCES, ".rs"), 50);
}

#[test]
fn every_command_in_the_plugin_exists() {
    check(files(&["orch-ux/src/plugin"], ".js"), 2);
}

/// The slash commands in a text, without what they all begin with. A path holds none.
fn slashes(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, start) in text.match_indices("/orch-") {
        let before = text[..at].chars().next_back();
        let rest = &text[at + start.len()..];
        let end = rest.find(|char: char| !char.is_ascii_lowercase()).unwrap_or(rest.len());
        if end > 0 && before.is_none_or(|char| char.is_whitespace() || "`\"'(*".contains(char)) {
            found.push(&rest[..end]);
        }
    }
    found
}

#[test]
fn every_slash_command_that_is_named_is_one_of_the_plugin() {
    let named = [(PAGES, ".md", 20), (SOURCES, ".rs", 1), (&["orch-ux/src/plugin"][..], ".js", 3)];
    for (below, ending, least) in named {
        let mut count = 0;
        for file in files(below, ending) {
            let text = fs::read_to_string(&file).unwrap();
            for name in slashes(&text) {
                count += 1;
                assert!(plugin::COMMANDS.contains(&name), "{}: /orch-{name} is no command", file.display());
            }
        }
        assert!(count >= least, "only {count} slash commands were found in {ending}");
    }
}

#[test]
fn a_slash_command_is_told_from_a_path() {
    let [run, gate, frob] = ["run", "gate", "frob"].map(|name| format!("/orch-{name}"));
    assert_eq!(slashes(&format!("{run}, `{gate}` ({frob})")), ["run", "gate", "frob"]);
    let others = "../orch-cli https://github.com/orch-rs /orch-NAME `/orch-${name}`";
    assert_eq!(slashes(others), Vec::<&str>::new());
}

#[test]
fn a_wrong_call_is_found() {
    let mut command = super::command();
    command.build();
    assert!(mistake(&command, "orch frobnicate run_1").is_some());
    assert!(mistake(&command, "orch show run_1 --sideways").is_some());
    assert!(mistake(&command, "orch config shw").is_some());
    assert!(mistake(&command, "orch tui --continue").is_some());
    assert_eq!(mistake(&command, "orch tui -- --continue"), None);
    assert_eq!(mistake(&command, "orch config show --origin"), None);
    assert_eq!(mistake(&command, "orch run <workflow> <task> --json"), None);
}
