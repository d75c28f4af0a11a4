//! The command on a real OpenCode with the scripted model: what is promised of it, row by row.
//!
//! Every test has a server of its own, started by hand with a password, and drives it with the binary alone. The
//! model's log is the witness: what it was not asked has not been dispatched.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test helper that cannot go on fails its test"
)]

mod agent;
mod asks;
mod attachments;
mod crashes;
mod demo;
mod foreground;
mod gates;
mod graph;
mod history;
mod interface;
mod interrupts;
#[cfg(feature = "failpoints")]
mod kills;
mod kinds;
mod mistakes;
mod offer;
mod person;
mod plugin;
mod processes;
mod recursion;
mod repair;
#[cfg(target_os = "linux")]
mod secrets;
mod server;
mod tasks;
mod trust;
mod tui;
mod world;

/// The real OpenCode for live tests, from `ORCH_TEST_OPENCODE`. Without it they say that they are skipped; with
/// `ORCH_TEST_LIVE=1` that is a failure.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn live_binary() -> Option<String> {
    let binary = std::env::var("ORCH_TEST_OPENCODE").ok().filter(|path| !path.is_empty());
    if binary.is_none() {
        assert!(
            std::env::var_os("ORCH_TEST_LIVE").is_none(),
            "ORCH_TEST_LIVE is set, ORCH_TEST_OPENCODE is not"
        );
        eprintln!("skipped: set ORCH_TEST_OPENCODE to the path of an opencode binary");
    }
    binary
}
