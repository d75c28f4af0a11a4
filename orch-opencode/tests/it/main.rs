//! Integration tests of the OpenCode adapter.

#[cfg(feature = "http")]
mod events;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod scripted_server;
