//! The published schema.

use std::{fs, path::Path};

/// The committed schema is the one that the types generate.
#[test]
fn the_committed_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/orchestrator.schema.json");
    let committed = fs::read_to_string(path).unwrap();
    assert!(committed == orch_config::schema::json(), "run `cargo xtask schema` and commit the result");
}
