//! What a step costs in allocations: a bound, and no more of them in a long run than in a short one.
//!
//! In a binary of its own, because it counts everything that its process allocates.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../benches/engine/story.rs"]
mod story;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// About 72 when this was written: a place for what a new field may add, and none for another copy of everything.
const BOUND: f64 = 80.0;

/// Of all transitions of a step, records, dispatches and results included.
fn allocations_of_a_step(steps: u32) -> f64 {
    let started = story::started("counted", story::plan(steps.try_into().unwrap(), false));
    let region = Region::new(ALLOCATOR);
    let journal = story::drive(started, "done");
    let change = region.change();
    assert!(journal.len() > steps as usize);
    (change.allocations + change.reallocations) as f64 / f64::from(steps)
}

#[test]
fn a_step_costs_the_same_in_a_long_run_as_in_a_short_one() {
    let [short, long] = [100, 1_000].map(allocations_of_a_step);
    assert!(short < BOUND, "{short} allocations a step");
    assert!(long < short * 1.2, "{long} allocations a step in a long run, {short} in a short one");
}
