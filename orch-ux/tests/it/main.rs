//! What people see of runs, and what they do not.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod dashboard;
mod delivery;
mod docs;
mod opencode;
mod page;
mod reactor;
mod simulator;
mod support;
mod trace;
mod view;
mod why;
