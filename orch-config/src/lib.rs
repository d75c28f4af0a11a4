//! Vocabulary, `orchestrator.json` and its JSON Schema.

pub mod id;
pub mod kind;
pub mod policy;
pub mod retry;
