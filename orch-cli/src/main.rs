//! orch-cli
fn main() {}
