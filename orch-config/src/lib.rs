//! Vocabulary, `orchestrator.json` and its JSON Schema.
//!
//! A [`Config`] is what files, defaults and overrides come to: policies, worker profiles, workflows. Parsing is a
//! pure function of bytes; only [`load()`], the records of trust and [`private`] touch files, and nothing here reads the environment, prints, waits or
//! talks to a network.

pub mod budget;
pub mod builder;
mod builtin;
mod check;
pub mod code;
pub mod config;
pub mod diagnostic;
mod document;
pub mod expression;
mod file;
pub mod id;
mod issue;
pub mod jsonc;
pub mod kind;
pub mod load;
#[cfg(feature = "measure")]
#[doc(hidden)]
pub mod measure;
pub mod migrate;
mod model;
mod model_reference;
pub mod origin;
pub mod output;
mod path;
pub mod permission;
mod place;
mod placeholder;
pub mod policy;
pub mod private;
pub mod profile;
mod prompt;
mod resolve;
pub mod retry;
pub mod schema;
pub mod settings;
mod show;
mod skill;
mod snippet;
mod source_text;
pub mod starter;
pub mod suggest;
pub mod text;
pub mod trust;
pub mod workflow;

pub use self::{
    config::Config,
    diagnostic::{Diagnostic, Diagnostics, Severity},
    load::{LoadError, LoadOptions, Loaded, load, parse},
    model_reference::{ModelReference, ModelTag, UnknownModelTag},
    origin::{Origin, Setting},
    profile::Profile,
    skill::{InvalidSkillName, SkillName},
    source_text::SourceText,
    suggest::suggest,
    trust::{Trust, TrustRecords},
    workflow::{GroupDefinition, Limits, Node, StepDefinition, WorkflowDefinition},
};
