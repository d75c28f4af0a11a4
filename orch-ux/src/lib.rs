//! orch-ux
