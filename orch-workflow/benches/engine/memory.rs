//! What a run keeps in memory while its worker is at work, as the system counts it.

use crate::{idle, table::Row};

const RUNS: usize = 1_000;

pub(crate) fn rows() -> Vec<Row> {
    let idle = idle::cost_of_a_run(RUNS, resident_kib);
    vec![
        Row::new("memory of an idle run", idle, "KiB").within(16.0).details(format!("among {RUNS} of them")),
        Row::new("… of all of them", idle * RUNS as f64 / 1_024.0, "MiB").within(64.0),
    ]
}

/// The memory of this process that is in use.
fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
