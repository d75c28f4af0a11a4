//! A predecessor's file in today's form.

use std::{fs, path::Path};

use orch_config::{Trust, code, migrate::migrate, parse};
use serde_json::{Value, json};

fn migrated(text: &str) -> String {
    migrate(text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}")).text
}

/// What each text becomes.
const CASES: &[(&str, &str, &str)] = &[
    ("nothing", "{}", "{}"),
    ("today's form", "{ /* mine */ \"basePort\": 1, }\n", "{ /* mine */ \"basePort\": 1, }\n"),
    (
        "an older spelling",
        r#"{"profiles": [{"id": "w", "backend": "agent"}]}"#,
        r#"{"profiles": [{"id": "w", "kind": "agent"}]}"#,
    ),
    (
        "an older spelling beside the newer one",
        r#"{"profiles": [{"id": "w", "backend": "agent", "kind": "subagent"}]}"#,
        r#"{"profiles": [{"id": "w", "kind": "subagent"}]}"#,
    ),
    (
        "two spellings that contradict each other",
        r#"{"profiles": [{"id": "w", "backend": "server", "kind": "subagent"}]}"#,
        r#"{"profiles": [{"id": "w", "backend": "server", "kind": "subagent"}]}"#,
    ),
    (
        "a word that is none",
        r#"{"profiles": [{"id": "w", "backend": "elsewhere"}]}"#,
        r#"{"profiles": [{"id": "w", "backend": "elsewhere"}]}"#,
    ),
    (
        "a provider of its own",
        r#"{"workers": [{"id": "w", "providerID": "p", "model": "m"}]}"#,
        r#"{"workers": [{"id": "w", "model": "p/m"}]}"#,
    ),
    (
        "a provider that the model names, or that no model has",
        r#"{"profiles": [{"id": "v", "model": "p/m", "providerID": "p"}, {"id": "w", "providerID": "p", "model": "node:fast"}, {"id": "x", "providerID": "p"}]}"#,
        r#"{"profiles": [{"id": "v", "model": "p/m"}, {"id": "w", "model": "node:fast"}, {"id": "x"}]}"#,
    ),
    (
        "the predecessor's schema",
        r#"{"$schema": "https://unpkg.com/opencode-orchestrator/schema/orchestrator.schema.json"}"#,
        r#"{"$schema": "https://raw.githubusercontent.com/orch-rs/orch/main/schema/orchestrator.schema.json"}"#,
    ),
    (
        "a schema of one's own",
        r#"{"$schema": "./schemas/orchestrator.schema.json"}"#,
        r#"{"$schema": "./schemas/orchestrator.schema.json"}"#,
    ),
    (
        "keys at the end, without a comma there",
        "{\n  \"basePort\": 1, // the port\n  \"spawnOnDemand\": [\n    \"a\"\n  ],\n  \"warmPool\": {}\n}\n",
        "{\n  \"basePort\": 1 // the port\n}\n",
    ),
    (
        "keys at the end, with a comma there",
        "{\n  \"basePort\": 1,\n  \"warmPool\": {}, // why\n}\n",
        "{\n  \"basePort\": 1,\n  // why\n}\n",
    ),
    ("a key at the beginning", "{ \"warmPool\": {}, \"basePort\": 1 }", "{ \"basePort\": 1 }"),
    ("the only key", "{\n\t\"warmPool\": {}\n}", "{\n}"),
    (
        "keys on one line",
        "{\n  \"warmPool\": 1, \"modelAliases\": 2,\n  \"basePort\": 1\n}",
        "{\n  \"basePort\": 1\n}",
    ),
    (
        "comments around what goes",
        "{\n  // before\n  \"warmPool\" /* a */ : /* b */ {} /* c */, /* d */\n  // after\n  \"basePort\": 1\n}",
        "{\n  // before\n  /* c */ /* d */\n  // after\n  \"basePort\": 1\n}",
    ),
    (
        "a step's model",
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [{"id": "s", "workerId": "coder", "model": "x", "prompt": "p"}]}], "boomerang": {}}}"#,
        r#"{"workflows": {"definitions": [{"id": "w", "steps": [{"id": "s", "workerId": "coder", "prompt": "p"}]}]}}"#,
    ),
    ("what may have an effect again", r#"{"memory": {"enabled": true}}"#, r#"{"memory": {"enabled": true}}"#),
    (
        "carriage returns and a mark",
        "\u{feff}{\r\n  \"warmPool\": 1,\r\n  \"basePort\": 1\r\n}\r\n",
        "\u{feff}{\r\n  \"basePort\": 1\r\n}\r\n",
    ),
];

#[test]
fn retired_keys_go_and_the_rest_stays_as_it_is_written() {
    for (name, before, after) in CASES {
        assert_eq!(migrated(before), *after, "{name}");
    }
}

#[test]
fn what_was_migrated_stays_as_it_is() {
    for (name, before, _) in CASES {
        let once = migrated(before);
        let twice = migrate(once.as_bytes(), None).unwrap();
        assert_eq!((twice.text, twice.changes), (once, vec![]), "{name}");
    }
}

#[test]
fn every_change_is_told_with_its_place_and_its_cure() {
    let text = "{\n\"spawnOnDemand\": [],\n\"profiles\": [\n{\"id\": \"w\", \"sessionMode\": \"linked\",\n\"backend\": \"agent\"}]}";
    let changes = migrate(text.as_bytes(), None).unwrap().changes;
    assert_eq!(
        serde_json::to_value(changes).unwrap(),
        json!([
            { "line": 2, "path": "$.spawnOnDemand", "message": "removed: list the workers under `workers`" },
            {
                "line": 4,
                "path": "$.profiles[0].sessionMode",
                "message": "removed: use `kind`: a `subagent` works in a child session of the parent",
            },
            { "line": 5, "path": "$.profiles[0].backend", "message": "now called `kind`" },
        ])
    );
}

/// Every retired key of the schema goes, and nothing is remarked any more as retired.
#[test]
fn no_retired_key_is_left() {
    for (name, file) in files() {
        let before = format!("// a comment\n{file:#}");
        let after = migrated(&before);
        assert!(after.starts_with("// a comment\n"), "{name}");
        let warnings = match parse(after.as_bytes(), None, Trust::Trusted) {
            Ok(loaded) => loaded.warnings,
            Err(error) => error.diagnostics,
        };
        let retired = warnings.iter().filter(|warning| warning.code == code::RETIRED_KEY).count();
        // Only what contradicts itself keeps two spellings.
        let contradiction = warnings.has_errors();
        assert!(contradiction || !after.contains("\"backend\""), "{name}:\n{after}");
        assert_eq!(retired, 0, "{name}:\n{after}");
    }
}

/// Whatever loads means the same afterwards; a provider that moved into the model is the one exception.
#[test]
fn what_loads_means_the_same() {
    let mut compared = 0;
    for (name, file) in files() {
        let Ok(before) = parse(file.to_string().as_bytes(), None, Trust::Trusted) else { continue };
        let after = parse(migrated(&file.to_string()).as_bytes(), None, Trust::Trusted);
        assert_eq!(after.unwrap_or_else(|error| panic!("{name}: {error}")).config, before.config, "{name}");
        compared += 1;
    }
    assert!(compared > 35, "{compared}");
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (bytes, expected) in [
        (b"{\n  \"a\" 1\n}".as_slice(), code::MALFORMED),
        (b"\xff\xfe{\0}\0", code::NOT_UTF8),
        (&[b'['; 200], code::TOO_DEEP),
    ] {
        let error = migrate(bytes, Some(Path::new("o.json"))).expect_err("no JSON");
        assert_eq!((error.code(), error.files.len()), (expected, 1));
    }
}

/// The valid fixtures, and every file of the predecessor's cases.
fn files() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let read = |path: &Path| -> Value { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
    let mut files: Vec<_> = fs::read_dir(folder.join("valid"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), read(&path)))
        .collect();
    let cases = read(&folder.join("predecessor-cases.json"));
    for case in cases["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap().to_owned();
        match case["area"].as_str().unwrap() {
            "profile" => files.push((id, json!({ "profiles": [case["input"]] }))),
            "parse" => files.push((id, case["input"].clone())),
            "load" => {
                let written = case["input"]["files"].as_object().into_iter().flatten().map(|(_, file)| file);
                let objects = written.chain(case["input"].get("global")).filter(|file| file.is_object());
                files.extend(objects.map(|file| (id.clone(), file.clone())));
            }
            _ => {}
        }
    }
    assert!(files.len() > 40, "{}", files.len());
    files
}
