use std::{fs, path::PathBuf};

use orch_ux::command;
use orch_workflow::{event::Event, view::RunView};

pub(crate) const EVENTS: [&str; 9] =
    ["success", "gate", "stepwise", "failing", "asks", "hostile", "retries", "repeat", "talk"];
pub(crate) const RUNS: [&str; 7] =
    ["paused", "success", "running", "interrupted", "exhausted", "repeating", "budget"];

fn fixture(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The whole event stream of a run, as a frontend gets it.
pub(crate) fn events(name: &str) -> Vec<Event> {
    let lines = fixture(&format!("events/{name}.jsonl"));
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}")))
        .collect()
}

pub(crate) fn run(name: &str) -> RunView {
    serde_json::from_str(&fixture(&format!("runs/{name}.json"))).unwrap()
}

/// Fails unless every `orch …` in the text is a command of the registry; says how many there were.
pub(crate) fn assert_commands_exist(text: &str) -> usize {
    let mut count = 0;
    for (at, _) in text.match_indices("orch ") {
        let words: Vec<_> = text[at..].split(|c: char| !c.is_ascii_lowercase()).skip(1).take(2).collect();
        let known = command::find(&words.join(" ")).or_else(|| command::find(words[0]));
        assert!(known.is_some(), "no such command: {:?}", text[at..].lines().next());
        count += 1;
    }
    count
}
