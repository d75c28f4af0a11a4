//! orch-workers
