//! The engine's share of a run, each figure beside what it is measured against in the same process.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark prints its figures and fails by panicking"
)]

mod durable;
mod many;
mod pure;
mod table;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let rows = [pure::rows(), durable::rows(), many::rows()].concat();
    table::print(&rows);
}
