//! Who may depend on whom. The table is the one in `docs/architecture.md`.
//!
//! An arrow is a normal or build dependency between two crates of the workspace. A test may look at anything
//! *below* its crate, so a dev-dependency may also point where a chain of allowed arrows leads, with any
//! features; never up and never sideways.

use std::collections::BTreeSet;
use std::fmt;

use cargo_metadata::{DependencyKind, Metadata};

use crate::error::Error;

/// Every crate of the workspace, and the crates that it may use.
const ALLOWED: &[(&str, &[Arrow])] = &[
    ("orch-config", &[]),
    ("orch-opencode", &[]),
    ("orch-workflow", &[whole("orch-config")]),
    ("orch-workers", &[whole("orch-config"), whole("orch-opencode"), bare("orch-workflow")]),
    ("orch-ux", &[whole("orch-config"), whole("orch-opencode"), bare("orch-workflow")]),
    (
        "orch",
        &[
            whole("orch-config"),
            whole("orch-opencode"),
            whole("orch-workflow"),
            whole("orch-workers"),
            whole("orch-ux"),
        ],
    ),
    ("orch-cli", &[whole("orch")]),
    ("orch-fuzz", &[whole("orch-config"), whole("orch-opencode"), whole("orch-workflow")]),
    ("xtask", &[whole("orch-config")]),
];

struct Arrow {
    to: &'static str,
    reach: Reach,
}

#[derive(PartialEq, Eq)]
enum Reach {
    /// With whatever features are needed.
    Whole,
    /// The vocabulary only: default features off and none turned on.
    Bare,
}

const fn whole(to: &'static str) -> Arrow {
    Arrow { to, reach: Reach::Whole }
}

const fn bare(to: &'static str) -> Arrow {
    Arrow { to, reach: Reach::Bare }
}

/// Fails with every arrow that the table does not have.
pub(crate) fn check(metadata: &Metadata) -> Result<(), Error> {
    let violations = Graph::of(metadata).violations();
    if violations.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = violations.iter().map(|violation| format!("  {violation}")).collect();
    Err(Error::Check(format!(
        "the crates do not point where docs/architecture.md says:\n{}",
        lines.join("\n")
    )))
}

/// The workspace's crates and the dependencies between them, nothing else.
#[derive(Default)]
struct Graph {
    crates: BTreeSet<String>,
    edges: Vec<Edge>,
}

struct Edge {
    from: String,
    to: String,
    dev: bool,
    default_features: bool,
    features: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Violation {
    Unlisted { name: String },
    Gone { name: &'static str },
    Forbidden { from: String, to: String },
    Above { from: String, to: String },
    NotBare { from: String, to: String },
}

impl Graph {
    fn of(metadata: &Metadata) -> Self {
        let members = metadata.workspace_packages();
        let crates: BTreeSet<String> = members.iter().map(|package| package.name.to_string()).collect();
        let edges = members
            .iter()
            .flat_map(|package| {
                package.dependencies.iter().map(|dependency| (package.name.to_string(), dependency))
            })
            .filter(|(_, dependency)| crates.contains(&dependency.name))
            .map(|(from, dependency)| Edge {
                from,
                to: dependency.name.clone(),
                dev: dependency.kind == DependencyKind::Development,
                default_features: dependency.uses_default_features,
                features: dependency.features.clone(),
            })
            .collect();
        Self { crates, edges }
    }

    fn violations(&self) -> Vec<Violation> {
        let unlisted = self.crates.iter().filter(|name| allowed(name).is_none());
        let gone = ALLOWED.iter().filter(|(name, _)| !self.crates.contains(*name));
        unlisted
            .map(|name| Violation::Unlisted { name: name.clone() })
            .chain(gone.map(|(name, _)| Violation::Gone { name }))
            .chain(self.edges.iter().filter_map(Edge::violation))
            .collect()
    }
}

impl Edge {
    fn violation(&self) -> Option<Violation> {
        let arrows = allowed(&self.from)?;
        let (from, to) = (self.from.clone(), self.to.clone());
        if self.dev {
            // A crate's tests may name the crate itself, to turn on its features.
            return (from != to && !below(&from).contains(to.as_str()))
                .then_some(Violation::Above { from, to });
        }
        match arrows.iter().find(|arrow| arrow.to == to) {
            None => Some(Violation::Forbidden { from, to }),
            Some(arrow)
                if arrow.reach == Reach::Bare && (self.default_features || !self.features.is_empty()) =>
            {
                Some(Violation::NotBare { from, to })
            }
            Some(_) => None,
        }
    }
}

fn allowed(name: &str) -> Option<&'static [Arrow]> {
    ALLOWED.iter().find(|(from, _)| *from == name).map(|(_, arrows)| *arrows)
}

/// Every crate that a chain of allowed arrows reaches.
fn below(name: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Arrow> = allowed(name).into_iter().flatten().collect();
    while let Some(arrow) = open.pop() {
        if found.insert(arrow.to) {
            open.extend(allowed(arrow.to).into_iter().flatten());
        }
    }
    found
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlisted { name } => {
                write!(
                    f,
                    "{name} is not in the table: say in xtask/src/arrows.rs and docs/architecture.md what it may use"
                )
            }
            Self::Gone { name } => write!(f, "{name} is in the table and not in the workspace"),
            Self::Forbidden { from, to } => write!(f, "{from} → {to} is not allowed"),
            Self::Above { from, to } => {
                write!(
                    f,
                    "{from} → {to} in tests is not allowed: a test may only look at what is below its crate"
                )
            }
            Self::NotBare { from, to } => {
                write!(f, "{from} → {to} must have default features off and none turned on")
            }
        }
    }
}

#[cfg(test)]
mod tests;
