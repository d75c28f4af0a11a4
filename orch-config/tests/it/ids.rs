//! What can be an id: the reader and the published schema are of one mind about it.

use orch_config::{id::ProfileId, schema};
use serde_json::{Value, json};

use crate::support::problems;

/// The published schema of an id.
fn published() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&schema::json()).unwrap();
    jsonschema::validator_for(&schema["$defs"]["Profile"]["properties"]["id"]).unwrap()
}

#[test]
fn what_cannot_be_seen_or_leads_somewhere_is_no_id() {
    let published = published();
    for (id, is_one) in [
        ("coder", true),
        ("译 者.2", true),
        ("می\u{200c}خواهم", true),
        ("...", true),
        ("", false),
        (" ", false),
        (".", false),
        ("..", false),
        ("../x", false),
        ("a\\b", false),
        ("a\nb", false),
        ("a\u{7f}", false),
        ("a\u{85}b", false),
        ("a\u{2028}b", false),
        ("user\u{202e}nimda", false),
        ("ad\u{200b}min", false),
        ("\u{feff}admin", false),
        ("ad\u{ad}min", false),
    ] {
        assert_eq!(ProfileId::new(id).is_ok(), is_one, "{id:?}");
        assert_eq!(published.is_valid(&json!(id)), is_one, "{id:?} in the schema");
        let found = problems(&json!({ "profiles": [{ "id": id, "systemPrompt": "p" }] }).to_string());
        assert_eq!(found.is_empty(), is_one, "{id:?}: {found:?}");
        assert!(is_one || found[0].ends_with("error invalid-id $.profiles[0].id"), "{id:?}: {found:?}");
    }
}

/// The tags beyond, which no notation of a pattern has everywhere, are refused by the reader alone.
#[test]
fn reader_and_schema_agree_about_every_character() {
    let published = published();
    for char in (0..=0xffff).filter_map(char::from_u32) {
        let id = format!("a{char}b");
        assert_eq!(ProfileId::new(&*id).is_ok(), published.is_valid(&json!(id)), "{char:?}");
    }
    assert!(('\u{e0000}'..='\u{e007f}').all(|tag| ProfileId::new(format!("a{tag}b")).is_err()));
}
