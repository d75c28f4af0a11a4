//! The tracker against recorded hosts, lost events and made-up transcripts.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test helper that cannot go on fails its test")]

mod disorder;
mod follower;
mod probing;
mod replica;
mod scenarios;
mod transcripts;
