//! What `kind` and `backend` come to, for every combination.

use orch_config::kind::WorkerKind::{self, Agent, Server, Subagent};
use orch_config::{Trust, code, parse};

/// `backend`, `kind`, and the result for a custom profile; none is a conflict.
const TABLE: [(Option<&str>, Option<&str>, Option<WorkerKind>); 12] = [
    (None, None, Some(Server)),
    (None, Some("server"), Some(Server)),
    (None, Some("agent"), Some(Agent)),
    (None, Some("subagent"), Some(Subagent)),
    (Some("server"), None, Some(Server)),
    (Some("server"), Some("server"), Some(Server)),
    (Some("server"), Some("agent"), None),
    (Some("server"), Some("subagent"), None),
    (Some("agent"), None, Some(Agent)),
    (Some("agent"), Some("server"), None),
    (Some("agent"), Some("agent"), Some(Agent)),
    (Some("agent"), Some("subagent"), Some(Subagent)),
];

#[test]
fn every_combination_resolves_by_the_table() {
    for (id, own) in [("custom", Server), ("coder", Server), ("reviewer", Subagent)] {
        for (backend, kind, expected) in TABLE {
            let expected = if backend.is_none() && kind.is_none() { Some(own) } else { expected };
            let mut profile = serde_json::json!({ "id": id });
            if let Some(backend) = backend {
                profile["backend"] = backend.into();
            }
            if let Some(kind) = kind {
                profile["kind"] = kind.into();
            }
            let file = serde_json::json!({ "profiles": [profile] }).to_string();
            let result = parse(file.as_bytes(), None, Trust::Untrusted);
            match expected {
                Some(expected) => {
                    assert_eq!(result.unwrap().config.profile(id).unwrap().kind, expected, "{file}")
                }
                None => {
                    assert_eq!(result.expect_err("a conflict").code(), code::KIND_BACKEND_CONFLICT, "{file}")
                }
            }
        }
    }
}
