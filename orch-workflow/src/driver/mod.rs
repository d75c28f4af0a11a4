//! Runs one machine on one tokio task.
