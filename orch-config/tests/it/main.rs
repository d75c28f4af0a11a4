//! What the configuration promises, file by file.

#![cfg(test)]

mod builtins;
mod caps;
mod diagnostics;
mod expressions;
mod files;
mod ids;
mod kinds;
mod merge;
mod migrations;
mod origins;
mod predecessor;
mod prompts;
mod properties;
mod schema;
mod snippets;
mod starters;
mod support;
mod trust;
mod trust_records;
mod workflows;
