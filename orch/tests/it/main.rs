//! The facade as an embedding program sees it, on the simulated host.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

#[cfg(feature = "sqlite")]
mod corners;
mod durable;
mod events;
mod examples;
mod history;
#[cfg(target_os = "linux")]
mod processes;
mod refusals;
mod runs;
mod watching;
mod workers;
mod world;
