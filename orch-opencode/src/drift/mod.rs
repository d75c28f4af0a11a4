//! What a host says it offers, beside what we rely on.
//!
//! A host describes itself in an OpenAPI document. [`compare`] looks up every operation and field that this crate
//! sends and reads in it, so that a newer host whose interface has moved is known before a run depends on it. The table
//! of what is relied on stands in one place, and tests hold it against the calls that are really made.
//!
//! ```
//! use orch_opencode::drift::{Standing, compare};
//!
//! let document = serde_json::json!({ "openapi": "3.1.0", "paths": {} });
//! assert!(compare(&document).iter().all(|capability| capability.standing == Standing::Missing));
//! ```

mod document;
mod relied;

use serde::Serialize;
use serde_json::Value;

use self::document::Document;
pub use self::relied::{Operation, operations};

/// Something that this crate does with a host, and how far the host is described to support it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Capability {
    /// A few words: `prompts`, `permissions`.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub purpose: &'static str,
    /// How far it is there.
    pub standing: Standing,
    /// What differs, each in words.
    pub differences: Vec<String>,
}

/// How far something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Everything that is relied on is described.
    Works,
    /// Something that can be done without is not there.
    Degraded,
    /// Something that cannot be done without is not there.
    Missing,
}

/// Holds a host's OpenAPI document against everything that is relied on, one entry for each capability.
///
/// The document is taken at its word, and looked at for names: that a field has another type now, or that something below
/// the top of a body must be sent now, is not noticed. A document that is none has nothing.
#[must_use]
pub fn compare(document: &Value) -> Vec<Capability> {
    let document = Document::new(document);
    relied::capabilities()
        .map(|relied| {
            let mut found = Found::default();
            for operation in relied.operations {
                found.look_up(&document, operation);
            }
            for (event, fields) in relied.events {
                found.look_for_event(&document, event, fields);
            }
            let Found { standing, differences } = found;
            Capability { name: relied.name, purpose: relied.purpose, standing, differences }
        })
        .collect()
}

struct Found {
    standing: Standing,
    differences: Vec<String>,
}

impl Default for Found {
    fn default() -> Self {
        Self { standing: Standing::Works, differences: Vec::new() }
    }
}

impl Found {
    fn differs(&mut self, standing: Standing, difference: String) {
        self.standing = self.standing.max(standing);
        self.differences.push(difference);
    }

    fn look_up(&mut self, document: &Document<'_>, operation: &Operation) {
        let Operation { method, path, query, sends, needs, reads } = operation;
        let name = format!("{method} {path}");
        let Some(described) = document.operation(method, path) else {
            return self.differs(Standing::Missing, format!("{name} is not there"));
        };
        for parameter in *query {
            if !document.takes(described, parameter) {
                self.differs(Standing::Degraded, format!("{name} takes no parameter {parameter}"));
            }
        }
        for field in *sends {
            if !document.accepts(described, field) {
                self.differs(Standing::Missing, format!("{name} takes no {field}"));
            }
        }
        let (parameters, fields) = document.demands(described);
        for parameter in parameters.into_iter().filter(|wanted| !query.contains(wanted)) {
            self.differs(Standing::Missing, format!("{name} wants a parameter {parameter}"));
        }
        let sent =
            |wanted: &&str| sends.iter().any(|field| field.split(['.', '[', '{']).next() == Some(*wanted));
        for field in fields.into_iter().filter(|wanted| !sent(wanted)) {
            self.differs(Standing::Missing, format!("{name} wants a {field}"));
        }
        for (fields, standing) in [(needs, Standing::Missing), (reads, Standing::Degraded)] {
            for field in *fields {
                if !document.answers(described, field) {
                    self.differs(standing, format!("{name} answers no {field}"));
                }
            }
        }
    }

    fn look_for_event(&mut self, document: &Document<'_>, event: &str, fields: &[&str]) {
        let Some(properties) = document.event(event) else {
            return self.differs(Standing::Missing, format!("there is no event {event}"));
        };
        for field in fields {
            if !document.has(properties, field) {
                self.differs(Standing::Missing, format!("the event {event} has no {field}"));
            }
        }
    }
}
