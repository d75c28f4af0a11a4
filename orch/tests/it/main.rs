//! The facade as an embedding program sees it, on the simulated host.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod canary;
mod conversation;
mod corners;
#[cfg(all(target_os = "linux", feature = "sqlite"))]
mod data;
#[cfg(feature = "sqlite")]
mod durable;
mod events;
mod examples;
#[cfg(feature = "sqlite")]
mod history;
#[cfg(target_os = "linux")]
mod processes;
mod refusals;
mod runs;
mod sessions;
mod tasks;
mod watching;
mod workers;
mod world;
