//! Vocabulary, `orchestrator.json` and its JSON Schema.
//!
//! A [`Config`] is what files, defaults and overrides come to: policies, worker profiles, workflows. Parsing is a
//! pure function of bytes; only [`load`] touches files, and nothing here reads the environment, prints, waits or
//! talks to a network.

mod builtin;
pub mod config;
pub mod diagnostic;
pub mod id;
pub mod kind;
pub mod permission;
pub mod policy;
pub mod profile;
pub mod retry;
pub mod settings;
pub mod suggest;
pub mod workflow;

pub use self::{
    config::Config,
    diagnostic::{Diagnostic, Diagnostics, Severity},
    profile::Profile,
    suggest::suggest,
    workflow::{Limits, StepDefinition, WorkflowDefinition},
};
