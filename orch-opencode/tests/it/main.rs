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
mod events;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod scripted_server;
#[cfg(feature = "simulator")]
mod simulator;
