//! Configuration files: everything that reads them keeps its word.

use std::{fs, path::Path};

use orch_config::{
    Diagnostics, LoadError, Loaded, Severity, Trust, load::SourceFile, migrate::migrate, parse,
};
use orch_fuzz::{Corpus, files};

use super::hold;

/// What a damaged text is damaged with, beside single bytes.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "//",
    "/*",
    "*/",
    "\n",
    "\r\n",
    "null",
    "true",
    "1e999",
    "-1",
    "0.5",
    "\"id\"",
    "\"profiles\"",
    "\"workflows\"",
    "\"steps\"",
    "\"prompt\"",
    "\"backend\"",
    "\"kind\"",
    "{{snippet:handoff}}",
    "{task}",
    "{steps.",
    "\\ud800",
    "\u{feff}",
    "译",
    "\u{202e}",
    "\0",
];

#[test]
fn damaged_texts_keep_the_promises() {
    let corpus = corpus();
    assert!(corpus.texts().len() > 60, "{}", corpus.texts().len());
    hold("config", &corpus, keeps_its_promises);
}

/// A configuration or problems with places inside the text; what loads can be shown, explained, read again; what is
/// JSON can be migrated, and then stays as it is.
fn keeps_its_promises(bytes: &[u8]) {
    for trust in [Trust::Trusted, Trust::Untrusted] {
        match parse(bytes, Some(Path::new("o.json")), trust) {
            Ok(loaded) => loads(&loaded),
            Err(LoadError { diagnostics, files, .. }) => {
                assert!(diagnostics.has_errors());
                places(&diagnostics, &files);
            }
        }
    }
    let Ok(migrated) = migrate(bytes, None) else { return };
    let again = migrate(migrated.text.as_bytes(), None).expect("what was migrated is JSON");
    assert_eq!((&again.text, again.changes.len()), (&migrated.text, 0));
    if parse(bytes, None, Trust::Trusted).is_ok() {
        assert!(parse(migrated.text.as_bytes(), None, Trust::Trusted).is_ok(), "{}", migrated.text);
    }
}

fn loads(loaded: &Loaded) {
    assert!(!loaded.warnings.has_errors());
    places(&loaded.warnings, &loaded.files);
    assert!(loaded.settings().len() > 100);
    let shown = serde_json::to_vec(&loaded.config).unwrap();
    let mut again = parse(&shown, None, Trust::Trusted).unwrap_or_else(|error| panic!("{error}"));
    // No file says whether it is trusted.
    again.config.trust = loaded.config.trust;
    assert_eq!(again.config, loaded.config);
}

fn places(diagnostics: &Diagnostics, files: &[SourceFile]) {
    let text = files.first().map_or("", |file| file.text.as_str());
    for diagnostic in diagnostics {
        assert!(!diagnostic.message.is_empty() && diagnostic.code.starts_with("orch::config::"));
        // Bytes that are no text have no places, and what is remarked may be built in.
        let placed = diagnostic.span.is_some() || text.is_empty() || diagnostic.severity == Severity::Warning;
        assert!(placed, "{diagnostic}");
        let Some(span) = diagnostic.span.clone() else { continue };
        assert!(text.get(span.clone()).is_some(), "{diagnostic}: {span:?} of {}", text.len());
        let before = &text[..span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
        let place =
            diagnostic.line.zip(diagnostic.column).map(|(line, column)| (line as usize, column as usize));
        assert_eq!(place, Some((line, column)), "{diagnostic}");
    }
}

/// The seeds, the fixtures, and the files of the predecessor's cases.
fn corpus() -> Corpus {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixtures = root.join("../orch-config/tests/fixtures");
    let folders = ["valid", "invalid", "unknown-keys"].map(|folder| fixtures.join(folder));
    let folders = [root.join("corpus/config")].into_iter().chain(folders);
    let mut texts: Vec<_> = folders.flat_map(|folder| files(&folder).unwrap()).collect();
    let cases = fs::read_to_string(fixtures.join("predecessor-cases.json")).unwrap();
    let cases: serde_json::Value = serde_json::from_str(&cases).unwrap();
    let inputs = cases["cases"].as_array().unwrap().iter().filter(|case| case["area"] == "parse");
    texts.extend(inputs.map(|case| case["input"].to_string().into_bytes()));
    Corpus::new(texts, PIECES)
}
