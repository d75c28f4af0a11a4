//! What the `orch` command promises to people and programs: the real binary, on a simulated host and on a real one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, and so do its helpers")]

mod attachments;
mod canary;
mod configuration;
mod contract;
mod crashes;
mod decisions;
mod events;
mod gates;
mod graph;
mod history;
mod install;
mod interrupts;
#[cfg(feature = "failpoints")]
mod kills;
mod live;
mod look;
mod manual;
mod mcp;
mod newcomer;
mod offer;
mod orphans;
mod output;
mod poll;
mod private;
mod processes;
mod proxy;
mod quickstart;
mod screens;
mod serve;
mod terminal;
mod transcripts;
mod trust;
mod tui;
mod world;
