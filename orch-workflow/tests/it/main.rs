//! What the crate promises, seen from outside.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod documentation;
mod driver;
mod explorer;
mod golden;
mod history;
mod machine;
mod store;
