//! Bytes that nobody would write.
//!
//! Every run takes a text of the corpus or a fixture, damages it a few times and looks whether everything that reads
//! configurations keeps its word. The runs are the same each time; `ORCH_FUZZ_RUNS` and `ORCH_FUZZ_SEED` ask for more and
//! for others. A text that broke something once belongs into `tests/corpus/`.

use std::{fs, path::Path};

use orch_config::{
    Diagnostics, LoadError, Loaded, Severity, Trust, load::SourceFile, migrate::migrate, parse,
};

const RUNS: u64 = 1_500;

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
fn the_corpus_keeps_the_promises() {
    let corpus = corpus();
    assert!(corpus.len() > 60, "{}", corpus.len());
    corpus.iter().for_each(|bytes| keeps_its_promises(bytes));
}

#[test]
fn damaged_texts_keep_the_promises() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let (runs, seed) = (number("ORCH_FUZZ_RUNS").unwrap_or(RUNS), number("ORCH_FUZZ_SEED").unwrap_or(1));
    let corpus = corpus();
    for run in 0..runs {
        let mut chance = Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(run));
        let mut bytes = chance.of(&corpus).clone();
        for _ in 0..=chance.below(4) {
            damage(&mut bytes, &corpus, &mut chance);
        }
        let kept = std::panic::catch_unwind(|| keeps_its_promises(&bytes));
        assert!(kept.is_ok(), "seed {seed}, run {run}: {:?}", String::from_utf8_lossy(&bytes));
    }
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

fn damage(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let end = (at + chance.below(12)).min(bytes.len());
    match chance.below(6) {
        0 => bytes.insert(at, chance.byte()),
        1 => drop(bytes.drain(at..end)),
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
        3 => drop(bytes.splice(at..end, chance.of(PIECES).bytes())),
        4 => drop(bytes.splice(at..at, chance.of(PIECES).bytes())),
        _ => {
            let other = chance.of(corpus).clone();
            let from = chance.below(other.len() + 1);
            let to = (from + chance.below(80)).min(other.len());
            drop(bytes.splice(at..end, other[from..to].iter().copied()));
        }
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// The seeds, the fixtures, and the files of the predecessor's cases, always in the same order.
fn corpus() -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut corpus = Vec::new();
    for folder in ["corpus", "fixtures/valid", "fixtures/invalid", "fixtures/unknown-keys"] {
        let mut files: Vec<_> =
            fs::read_dir(tests.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        corpus.extend(files.iter().map(|file| fs::read(file).unwrap()));
    }
    let cases = fs::read_to_string(tests.join("fixtures/predecessor-cases.json")).unwrap();
    let cases: serde_json::Value = serde_json::from_str(&cases).unwrap();
    let inputs = cases["cases"].as_array().unwrap().iter().filter(|case| case["area"] == "parse");
    corpus.extend(inputs.map(|case| case["input"].to_string().into_bytes()));
    corpus
}
