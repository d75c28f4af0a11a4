//! What the crate promises, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod store;
