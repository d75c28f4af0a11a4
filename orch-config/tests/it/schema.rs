//! The published schema: current, complete, and of one mind with the reader.

use std::{fs, path::Path};

use orch_config::{Config, Severity, Trust, code, parse};
use serde_json::{Value, json};

use crate::support::Project;

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

/// Every object is closed, and every key is explained: a description, and a default, an example, the words it may be, or
/// the keys of the object that it is. A key that must be there needs no default.
#[test]
fn every_key_is_explained_and_no_other_is_allowed() {
    let schema = committed();
    let mut seen = 0;
    tour(&schema, "$", &mut |object, place| {
        let Some(properties) = object.get("properties").and_then(Value::as_object) else { return };
        assert_eq!(object.get("additionalProperties"), Some(&Value::Bool(false)), "{place}");
        for (key, property) in properties {
            let described = property["description"].as_str().is_some_and(|text| text.len() > 5);
            assert!(described, "{place}.{key}");
            assert!(is_explained(&schema, object, key, property), "{place}.{key}: {property:#}");
            seen += 1;
        }
    });
    assert!(seen > 150, "{seen}");
    assert!(!orch_config::schema::json().contains("x-orch"));
}

fn is_explained(schema: &Value, object: &Value, key: &str, property: &Value) -> bool {
    let required =
        object["required"].as_array().is_some_and(|keys| keys.iter().any(|required| required == key));
    let has = |keyword: &str| property.get(keyword).is_some();
    let target = resolved(schema, property);
    let explained_inside = ["properties", "oneOf"].iter().any(|keyword| target.get(keyword).is_some());
    required || has("deprecated") || has("default") || has("examples") || explained_inside
}

/// Every word is explained, every default and example is valid, and what the loader remarks is marked.
#[test]
fn words_are_explained_and_defaults_and_examples_are_valid() {
    let schema = committed();
    let (mut word_count, mut checked) = (0, 0);
    tour(&schema, "$", &mut |object, place| {
        assert!(object.get("enum").is_none(), "{place} has words without explanations");
        for word in object.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            assert!(word["description"].as_str().is_some_and(|text| text.len() > 3), "{place}: {word}");
            word_count += 1;
        }
        let examples = object.get("examples").and_then(Value::as_array).into_iter().flatten();
        for value in examples.chain(object.get("default")) {
            let mut part = object.clone();
            part["$defs"] = schema["$defs"].clone();
            let validator = jsonschema::validator_for(&part).unwrap();
            assert!(validator.is_valid(value), "{place}: {value}");
            checked += 1;
        }
        if let Some(text) = object.get("description").and_then(Value::as_str) {
            let unsupported = text.starts_with("Not supported by this version");
            assert!(!unsupported || object["deprecated"] == true, "{place}: {text}");
        }
    });
    assert!(word_count > 25 && checked > 90, "{word_count} {checked}");
}

/// Every retired or unsupported key of the schema is remarked by the loader, and nothing else is.
#[test]
fn what_is_deprecated_is_what_the_loader_remarks() {
    let schema = committed();
    for (key, property) in schema["properties"].as_object().unwrap() {
        let value = sample(&schema, property);
        let file = json!({ (key.as_str()): value });
        let found = match parse(file.to_string().as_bytes(), None, Trust::Trusted) {
            Ok(loaded) => loaded.warnings,
            Err(error) => error.diagnostics,
        };
        let remarked = found.iter().any(|found| {
            found.severity == Severity::Warning
                && [code::NOT_SUPPORTED, code::RETIRED_KEY].contains(&found.code)
        });
        assert_eq!(remarked, property["deprecated"] == true, "{key}: {found}");
    }
}

/// Any value of the right form.
fn sample(schema: &Value, property: &Value) -> Value {
    let target = resolved(schema, property);
    let given = property.get("default").or_else(|| property["examples"].get(0));
    given.cloned().unwrap_or_else(|| match target["type"].as_str() {
        Some("array") => json!([]),
        Some("string") => json!("x"),
        _ => json!({}),
    })
}

fn resolved<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    let pointer = property["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.map_or(property, |pointer| schema.pointer(pointer).unwrap())
}

/// Shows every schema in a schema to `see`. What has no effect needs no more than its own explanation.
fn tour(schema: &Value, place: &str, see: &mut impl FnMut(&Value, &str)) {
    if schema.is_object() {
        see(schema, place);
    }
    let (properties, definitions) = (schema.get("properties"), schema.get("$defs"));
    for (key, inner) in [properties, definitions].into_iter().flatten().filter_map(Value::as_object).flatten()
    {
        if inner.get("deprecated").is_none() {
            tour(inner, &format!("{place}.{key}"), see);
        }
    }
    for inner in ["items", "additionalProperties"].iter().filter_map(|key| schema.get(key)) {
        tour(inner, &format!("{place}[]"), see);
    }
    for form in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        tour(form, place, see);
    }
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
    let mut config = parse(file.to_string().as_bytes(), None, Trust::Trusted).unwrap().config;
    config.trust = Trust::Untrusted;
    assert_eq!(config, Config::builtin());

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

/// Every block of the documentation that is marked as this file's language is a whole file, and right.
#[test]
fn the_examples_of_the_documentation_are_right() {
    let validator = jsonschema::validator_for(&committed()).unwrap();
    let mut checked = Vec::new();
    for (page, text) in pages() {
        for block in text.split("```jsonc\n").skip(1).map(|block| block.split("```").next().unwrap()) {
            // What only a person's own file may have is shown as one.
            let loaded = if block.contains("\"trust\"") {
                Project::new().global(block).load()
            } else {
                parse(block.as_bytes(), None, Trust::Trusted)
            };
            let loaded = loaded.unwrap_or_else(|error| panic!("{page}: {error}\n{block}"));
            assert_eq!(loaded.warnings.to_string(), "", "{page}: {block}");
            let value: Value =
                jsonc_parser::parse_to_serde_value(block, &jsonc_parser::ParseOptions::default()).unwrap();
            assert!(validator.is_valid(&value), "{page}: {block}");
            checked.push(page.clone());
        }
    }
    assert!(checked.iter().filter(|page| *page == "configuration.md").count() >= 4, "{checked:?}");
}

/// No other block shows a configuration without being checked as one.
#[test]
fn no_configuration_in_the_documentation_escapes_the_check() {
    for (page, text) in pages() {
        for block in text.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap()) {
            let value: Result<Value, _> = serde_json::from_str(block);
            let keys = ["profiles", "workflows", "workers", "trust", "$schema"];
            let configuration = value.is_ok_and(|value| keys.iter().any(|key| value.get(key).is_some()));
            assert!(!configuration, "{page}: mark this block as jsonc:\n{block}");
        }
    }
}

fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|page| page.extension().is_some_and(|extension| extension == "md"));
    let name = |page: &Path| page.file_name().unwrap().to_string_lossy().into_owned();
    let mut pages: Vec<_> = pages
        .chain([root.join("README.md")])
        .map(|page| (name(&page), fs::read_to_string(&page).unwrap()))
        .collect();
    pages.sort();
    pages
}
