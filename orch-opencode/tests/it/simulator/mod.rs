#![expect(clippy::unwrap_used, clippy::panic, reason = "a test helper that cannot go on fails its test")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

mod client;
#[cfg(feature = "http")]
mod conformance;
mod faults;
mod host;
mod live;
mod model;
mod paused;
mod scenarios;
