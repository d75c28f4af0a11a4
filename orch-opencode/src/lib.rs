//! orch-opencode

#[cfg(feature = "simulator")]
pub mod simulator;
