//! orch
