//! A real host over HTTP.

mod address;
mod ancestry;
mod calls;
mod client;
mod events;
mod reply;
#[cfg(feature = "tls")]
mod tls;
mod transport;

pub use client::{HttpOpenCode, HttpOpenCodeBuilder};
