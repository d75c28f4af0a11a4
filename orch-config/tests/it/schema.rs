//! The published schema: current, complete, and of one mind with the reader.

use std::{fs, path::Path};

use orch_config::{Config, Severity, Trust, code, parse};
use serde_json::{Value, json};

fn committed() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/orchestrator.schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The committed schema is the one that the types generate.
#[test]
fn the_committed_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/orchestrator.schema.json");
    let committed = fs::read_to_string(path).unwrap();
    assert!(committed == orch_config::schema::json(), "run `cargo xtask schema` and commit the result");
}

/// Every object is closed, and every key is described.
#[test]
fn every_key_is_described_and_no_other_is_allowed() {
    fn visit(schema: &Value, place: &str) {
        match schema {
            Value::Object(object) => {
                if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                    assert_eq!(object.get("additionalProperties"), Some(&Value::Bool(false)), "{place}");
                    for (key, property) in properties {
                        let described = property["description"].as_str().is_some_and(|text| text.len() > 5);
                        assert!(described, "{place}.{key}");
                    }
                }
                // Examples are values, not schemas.
                for (key, inner) in object.iter().filter(|(key, _)| *key != "examples") {
                    visit(inner, &format!("{place}.{key}"));
                }
            }
            Value::Array(items) => items.iter().for_each(|inner| visit(inner, place)),
            _ => {}
        }
    }
    visit(&committed(), "$");
    assert!(!orch_config::schema::json().contains("x-orch"));
}

/// The defaults that the schema shows are the ones that are in force.
#[test]
fn the_defaults_shown_are_the_defaults() {
    let schema = committed();
    let defaults = |properties: &Value| {
        let properties = properties.as_object().unwrap().iter();
        let said = properties.filter(|(_, property)| property.get("deprecated").is_none());
        said.filter_map(|(key, property)| Some((key.clone(), property.get("default")?.clone())))
            .collect::<serde_json::Map<_, _>>()
    };
    let definition = |name: &str| Value::Object(defaults(&schema["$defs"][name]["properties"]));
    let with = |mut object: Value, more: Value| {
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };

    let mut file = Value::Object(defaults(&schema["properties"]));
    for (key, name) in [("ui", "Ui"), ("opencode", "Opencode")] {
        file[key] = definition(name);
    }
    file["security"] = json!({ "workflows": definition("Limits") });
    let boomerang = definition("Boomerang");
    let workflows =
        json!({ "ui": definition("Policy"), "limits": definition("Limits"), "roocodeBoomerang": boomerang });
    file["workflows"] = with(definition("Workflows"), workflows);
    assert_eq!(parse(file.to_string().as_bytes(), None, Trust::Trusted).unwrap().config, Config::builtin());

    let profile = with(definition("Profile"), json!({ "id": "w", "restart": definition("Restart") }));
    let step = with(
        definition("Step"),
        json!({ "id": "s", "workerId": "w", "prompt": "p", "retry": definition("Retry") }),
    );
    let file = |profile: Value, step: Value| {
        let file = json!({ "profiles": [profile], "workflows": { "definitions": [{ "id": "x", "steps": [step] }] } });
        parse(file.to_string().as_bytes(), None, Trust::Trusted).unwrap().config
    };
    let plain = file(json!({ "id": "w" }), json!({ "id": "s", "workerId": "w", "prompt": "p" }));
    assert_eq!(file(profile, step), plain);
}

fn fixtures(folder: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut fixtures: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            (path.display().to_string(), serde_json::from_str(&text).unwrap())
        })
        .collect();
    fixtures.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(!fixtures.is_empty());
    fixtures
}

#[test]
fn valid_files_pass_the_reader_and_the_schema() {
    let validator = jsonschema::validator_for(&committed()).unwrap();
    for (name, file) in fixtures("valid") {
        if let Err(error) = validator.validate(&file) {
            panic!("{name}: {error} at {}", error.instance_path());
        }
        parse(file.to_string().as_bytes(), None, Trust::Trusted)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn invalid_files_fail_both() {
    let validator = jsonschema::validator_for(&committed()).unwrap();
    for (name, file) in fixtures("invalid") {
        assert!(!validator.is_valid(&file), "{name} passes the schema");
        assert!(parse(file.to_string().as_bytes(), None, Trust::Trusted).is_err(), "{name} loads");
    }
}

#[test]
fn files_with_unknown_keys_fail_the_schema_and_load_with_a_warning() {
    let validator = jsonschema::validator_for(&committed()).unwrap();
    for (name, file) in fixtures("unknown-keys") {
        assert!(!validator.is_valid(&file), "{name}");
        let loaded = parse(file.to_string().as_bytes(), None, Trust::Trusted).unwrap();
        let warnings: Vec<_> =
            loaded.warnings.iter().map(|warning| (warning.code, warning.severity)).collect();
        assert_eq!(warnings, [(code::UNKNOWN_KEY, Severity::Warning)], "{name}");
    }
}

/// Every complete example of the documentation is right.
#[test]
fn the_examples_of_the_documentation_are_right() {
    let validator = jsonschema::validator_for(&committed()).unwrap();
    let page = include_str!("../../../docs/configuration.md");
    let blocks: Vec<_> =
        page.split("```jsonc\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 4);
    for block in blocks {
        let loaded =
            parse(block.as_bytes(), None, Trust::Trusted).unwrap_or_else(|error| panic!("{error}\n{block}"));
        assert_eq!(loaded.warnings.to_string(), "", "{block}");
        let value: Value =
            jsonc_parser::parse_to_serde_value(block, &jsonc_parser::ParseOptions::default()).unwrap();
        assert!(validator.is_valid(&value), "{block}");
    }
}
