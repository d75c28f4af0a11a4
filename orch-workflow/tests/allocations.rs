//! What the engine costs in allocations and in memory, as counts.
//!
//! In a binary of its own, because it counts everything that its process allocates, and one test after the other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../benches/engine/idle.rs"]
mod idle;
#[path = "../benches/engine/story.rs"]
mod story;

use std::{
    alloc::System,
    sync::{Mutex, PoisonError},
};

use orch_workflow::{
    attachment::{Attachment, MAX_BYTES},
    record::Record,
};
use serde_json::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ONE_AFTER_THE_OTHER: Mutex<()> = Mutex::new(());

/// About 49 when this was written: a place for what a new field may add, and none for another copy of everything.
const BOUND: f64 = 56.0;

/// What all transitions of a step allocate, records, dispatches and results included: how often, and how many bytes.
fn cost_of_a_step(steps: u32, carry: bool) -> (f64, f64) {
    let started = story::started("counted", story::plan(steps.try_into().unwrap(), carry));
    let region = Region::new(ALLOCATOR);
    let journal = story::drive(started, "## Summary\nthe keel is laid");
    let change = region.change();
    assert!(journal.len() > steps as usize);
    let each = |count: usize| count as f64 / f64::from(steps);
    (each(change.allocations + change.reallocations), each(change.bytes_allocated))
}

#[test]
fn a_step_costs_the_same_in_a_long_run_as_in_a_short_one() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let [(short, _), (long, _)] = [100, 1_000].map(|steps| cost_of_a_step(steps, false));
    assert!(short < BOUND, "{short} allocations a step");
    assert!(long < short * 1.2, "{long} allocations a step in a long run, {short} in a short one");
}

/// A hand-off is read once, when its step settles. Those of all that were before are not touched again.
#[test]
fn a_step_that_hands_over_costs_the_same_in_a_long_run_as_in_a_short_one() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let handing_over = |steps| {
        let ((times, bytes), (times_without, bytes_without)) =
            (cost_of_a_step(steps, true), cost_of_a_step(steps, false));
        (times - times_without, bytes - bytes_without)
    };
    let ((short, short_bytes), (long, long_bytes)) = (handing_over(100), handing_over(1_000));
    assert!(short > 0.0 && long < short * 1.2, "{long} allocations in a long run, {short} in a short one");
    assert!(long_bytes < short_bytes * 1.2, "{long_bytes} bytes in a long run, {short_bytes} in a short one");
}

fn allocations_of_reading(texts: &[String], read: impl Fn(&str) -> Record) -> (Vec<Record>, usize) {
    let mut records = Vec::with_capacity(texts.len());
    let region = Region::new(ALLOCATOR);
    records.extend(texts.iter().map(|text| read(text)));
    let change = region.change();
    (records, change.allocations + change.reallocations)
}

#[test]
fn a_record_is_read_without_holding_its_fields_twice() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let journal = story::drive(story::started("read", story::plan(100, false)), "done");
    let texts: Vec<_> = journal.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    let held = |text: &str| {
        let fields: Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(fields).unwrap()
    };
    let (through_values, twice) = allocations_of_reading(&texts[1..], held);
    let (records, once) = allocations_of_reading(&texts[1..], |text| serde_json::from_str(text).unwrap());
    assert_eq!(through_values, records, "read otherwise");
    assert!(once * 2 < twice, "{once} allocations, {twice} with the fields held in between");
    // The text of the dispatch, its two names, and what the record itself keeps.
    let most = 6 * records.len();
    assert!(once < most, "{once} allocations for {} records", records.len());
}

/// What is attached is kept once, in base64; what is too large is not kept at all.
#[test]
fn a_file_that_is_attached_costs_its_text_and_one_that_is_too_large_nothing() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let content = vec![b'x'; MAX_BYTES + 1];
    let costs = |bytes: usize| {
        let region = Region::new(ALLOCATOR);
        let attached = Attachment::new("notes.md", &content[..bytes]);
        (attached.is_ok(), region.change().bytes_allocated)
    };
    let (taken, cost) = costs(MAX_BYTES);
    assert!(taken && cost < MAX_BYTES / 3 * 4 + 1024, "{cost} bytes");
    let (taken, cost) = costs(MAX_BYTES + 1);
    assert!(!taken && cost < 1024, "{cost} bytes");
}

/// In KiB, worker's channel included, also in an unoptimised build.
const IDLE_BOUND: f64 = 16.0;

/// The store of this test keeps the journal in memory: that is the run's text.
#[test]
fn an_idle_run_keeps_a_bounded_share_of_memory_beside_its_text() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let region = Region::new(ALLOCATOR);
    let kept = || {
        let change = region.change();
        (change.bytes_allocated - change.bytes_deallocated) as f64 / 1024.0
    };
    let before = kept();
    let text = story::started("idle", story::plan(idle::STEPS, false));
    let text_kib = kept() - before;
    drop(text);
    let kib = idle::cost_of_a_run(200, kept) - text_kib;
    assert!(kib < IDLE_BOUND, "{kib:.1} KiB a run, beside {text_kib:.1} KiB of text");
}

/// In MiB, with their text, in an unoptimised build. What their workers keep beside it is measured by the benchmark `many` of
/// the command.
const THOUSAND_BOUND: f64 = 64.0;

#[test]
fn a_thousand_idle_runs_keep_a_bounded_memory() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let region = Region::new(ALLOCATOR);
    let kept = || {
        let change = region.change();
        (change.bytes_allocated - change.bytes_deallocated) as f64 / 1024.0 / 1024.0
    };
    let mib = idle::cost_of_a_run(1_000, kept) * 1_000.0;
    assert!(mib < THOUSAND_BOUND, "{mib:.1} MiB");
}
