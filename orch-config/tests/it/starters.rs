//! The files that `orch config init` writes.

use orch_config::{Config, Trust, parse, schema, starter};
use serde_json::Value;

const STARTERS: [(&str, &str, Trust); 2] =
    [("project", starter::PROJECT, Trust::Untrusted), ("global", starter::GLOBAL, Trust::Trusted)];

fn valid(text: &str) -> bool {
    let options = jsonc_parser::ParseOptions::default();
    let value: Value = jsonc_parser::parse_to_serde_value(text, &options).unwrap();
    jsonschema::validator_for(&schema::value()).unwrap().is_valid(&value)
}

#[test]
fn they_load_without_a_warning_pass_the_schema_and_change_nothing() {
    for (name, text, trust) in STARTERS {
        let loaded = parse(text.as_bytes(), None, trust).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(loaded.warnings.to_string(), "", "{name}");
        let mut builtin = Config::builtin();
        builtin.trust = trust;
        assert_eq!(loaded.config, builtin, "{name}");
        assert!(valid(text), "{name}");
        assert!(text.contains(schema::URL), "{name}");
    }
}

/// Whoever takes the slashes away gets something that works.
#[test]
fn what_they_suggest_is_right() {
    for (name, text, trust) in STARTERS {
        let uncommented: Vec<String> = text.lines().map(uncomment).collect();
        let uncommented = uncommented.join("\n");
        let loaded =
            parse(uncommented.as_bytes(), None, trust).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(loaded.warnings.to_string(), "", "{name}");
        assert_ne!(loaded.config, Config::builtin(), "{name}");
        assert!(valid(&uncommented), "{name}");
    }
}

/// A comment that begins like JSON is JSON.
fn uncomment(line: &str) -> String {
    let (indent, comment) = line.split_at(line.len() - line.trim_start().len());
    match comment.strip_prefix("// ").map(str::trim_start) {
        Some(json) if json.starts_with(['{', '}', '[', ']', '"']) => format!("{indent}{json}"),
        _ => line.to_owned(),
    }
}
