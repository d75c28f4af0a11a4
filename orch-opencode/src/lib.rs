//! orch-opencode
