//! Workers against the simulated host, and against a real one where it is there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test helper that cannot go on fails its test")]

mod asks;
mod bench;
mod children;
mod conversation;
mod custom;
mod failures;
mod heritage;
mod hosts;
mod live;
mod live_settings;
mod outcomes;
mod pool;
mod predecessor;
mod servers;
mod skills;
mod suite;
mod watchdogs;
mod world;
