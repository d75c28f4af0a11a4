//! `docs/events.md` is complete and true.

use std::{collections::BTreeSet, fs, path::PathBuf};

use orch_workflow::{
    event::{EventBody, StepProgress, Told},
    status::StatusBody,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn page() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/events.md");
    fs::read_to_string(path).unwrap()
}

fn examples() -> Vec<Value> {
    let page = page();
    let blocks = page.split("```json\n").skip(1);
    blocks.map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap()).collect()
}

/// The words that a tagged type knows, in its own words: it names them all when it meets another.
fn known_words<T: DeserializeOwned + std::fmt::Debug>(tag: &str) -> BTreeSet<String> {
    let message = serde_json::from_value::<T>(json!({ tag: "no such word" })).unwrap_err().to_string();
    let words: BTreeSet<_> = message.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert!(words.len() > 1, "{message}");
    words
}

/// Of events and of changes of status.
fn types() -> BTreeSet<String> {
    &known_words::<EventBody>("type") | &known_words::<StatusBody>("type")
}

fn words_at(path: &str) -> BTreeSet<String> {
    examples().iter().filter_map(|example| example.pointer(path)?.as_str().map(str::to_owned)).collect()
}

#[test]
fn every_example_is_an_event_down_to_its_last_field() {
    let examples = examples();
    assert!(examples.len() > 20);
    for example in examples {
        let event: Told = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(&event).unwrap(), example);
    }
}

#[test]
fn every_event_every_phase_and_every_sign_of_life_has_an_example() {
    assert_eq!(words_at("/type"), types());
    assert_eq!(words_at("/progress/phase"), known_words::<StepProgress>("phase"));
    assert_eq!(words_at("/progress/kind"), known_words::<orch_workflow::port::Progress>("kind"));
}

#[test]
fn every_event_has_its_section() {
    let page = page();
    for word in types() {
        assert!(page.contains(&format!("### `{word}`")), "{word}");
    }
}
