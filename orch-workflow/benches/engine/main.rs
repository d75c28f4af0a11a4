//! The engine's share of a run, each figure beside what it is measured against in the same process.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark prints its figures and fails by panicking"
)]

mod durable;
mod idle;
mod many;
mod memory;
mod pure;
mod story;
mod table;

/// What measures one part of the engine.
type Part = fn() -> Vec<table::Row>;

fn main() {
    // `cargo bench --bench engine -- pure` measures only what is asked for.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    // Memory first, while nothing that was freed is there to be used again.
    let parts: [(&str, Part); 4] =
        [("memory", memory::rows), ("pure", pure::rows), ("durable", durable::rows), ("many", many::rows)];
    let rows: Vec<_> = parts.iter().filter(|(name, _)| wanted(name)).flat_map(|(_, rows)| rows()).collect();
    table::print(&rows);
}
