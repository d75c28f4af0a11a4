//! orch-workflow
