//! Every case observed on the predecessor is run by somebody.
//!
//! The cases are split among the crates that know what they are about: each one runs every case of its own
//! `tests/fixtures/predecessor-cases.json` (or `spawn.json`) and counts them. What none of them can see is a case that
//! is in nobody's file; `predecessor-cases.txt` lists them all.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, and so do its helpers")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The files, and the test that runs every case in them.
const FIXTURES: &[(&str, &str)] = &[
    ("orch-config/tests/fixtures/predecessor-cases.json", "orch-config/tests/it/predecessor.rs"),
    ("orch-workflow/tests/fixtures/predecessor-cases.json", "orch-workflow/tests/it/machine/predecessor.rs"),
    ("orch-workers/tests/fixtures/predecessor-cases.json", "orch-workers/tests/it/predecessor.rs"),
    ("orch/tests/fixtures/predecessor-cases.json", "orch/tests/it/tasks.rs"),
    ("orch-workers/tests/fixtures/spawn.json", "orch-workers/tests/it/pool.rs"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `area id` of every case in a crate's file.
fn cases(fixture: &str) -> BTreeSet<String> {
    let fixture: serde_json::Value = serde_json::from_str(&read(fixture)).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let cases = fixture["cases"].as_array().unwrap().iter();
    cases.map(|case| format!("{} {}", text(&case["area"]), text(&case["id"]))).collect()
}

#[test]
fn every_case_is_in_the_file_of_a_crate_that_runs_it() {
    let listed: BTreeSet<String> =
        read("xtask/tests/predecessor-cases.txt").lines().map(str::to_owned).collect();
    let run: BTreeSet<String> = FIXTURES.iter().flat_map(|(fixture, _)| cases(fixture)).collect();
    assert_eq!(run, listed);
    for (fixture, test) in FIXTURES {
        let file = Path::new(fixture).file_name().unwrap().to_str().unwrap();
        assert!(read(test).contains(file), "{test} does not read {file}");
    }
}

#[test]
fn no_area_has_lost_a_case() {
    let mut areas: BTreeMap<String, usize> = BTreeMap::new();
    for case in read("xtask/tests/predecessor-cases.txt").lines() {
        *areas.entry(case.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    let expected = [
        ("boomerang", 2),
        ("carry", 17),
        ("gate", 48),
        ("gate-default", 8),
        ("limits", 4),
        ("load", 13),
        ("model", 10),
        ("parse", 16),
        ("profile", 27),
        ("route", 7),
        ("sequence", 7),
        ("skill-name", 4),
        ("skill-permission", 3),
        ("spawn", 3),
        ("template", 8),
        ("timeout", 5),
        ("validate", 3),
    ];
    assert_eq!(areas, expected.map(|(area, count)| (area.to_owned(), count)).into());
}
