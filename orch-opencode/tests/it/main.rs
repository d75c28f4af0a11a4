//! Integration tests of the OpenCode adapter.

#![cfg_attr(
    feature = "http",
    expect(
        clippy::unwrap_used,
        clippy::expect_used,
        reason = "a test helper that cannot go on fails its test"
    )
)]

#[cfg(feature = "http")]
mod drift;
#[cfg(feature = "http")]
mod events;
#[cfg(feature = "http")]
mod http;
#[cfg(all(feature = "http", feature = "simulator"))]
mod live;
#[cfg(feature = "http")]
mod package;
#[cfg(feature = "http")]
mod scripted_server;
#[cfg(feature = "http")]
mod serve;
#[cfg(feature = "simulator")]
mod simulator;

/// The real OpenCode for live tests, from `ORCH_TEST_OPENCODE`. Without it they say that they are skipped; with
/// `ORCH_TEST_LIVE=1` that is a failure.
#[cfg(feature = "http")]
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
