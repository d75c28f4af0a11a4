//! Prompt templates: one pass, values never scanned again.
