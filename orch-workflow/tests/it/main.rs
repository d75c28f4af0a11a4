//! Integration tests of the workflow crate.

mod store;
