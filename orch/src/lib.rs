//! Deterministic, gated, multi-worker workflows on OpenCode.
//!
//! An [`Orchestrator`] ties the layers together: the configuration, a host, the workers on it, the engine with its
//! store, and what people see of it. Everything it does can be had from the crates below it, one by one; they are
//! re-exported here as [`config`], [`opencode`], [`workflow`], [`workers`] and [`ux`].
//!
#![cfg_attr(feature = "sqlite", doc = "```no_run")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use orch::prelude::*;
//!
//! # async fn embed() -> Result<(), orch::Error> {
//! let orchestrator = Orchestrator::builder("/path/to/project")
//!     .host(Host::server("http://127.0.0.1:4096").password("secret"))
//!     .store_at("/path/to/state")
//!     .build()
//!     .await?;
//!
//! let mut run = orchestrator.run(RunRequest::new("build", "add a --version flag")).await?;
//! while let Some(gate) = run.wait().await?.gate {
//!     println!("{}: {}", gate.step, gate.message);
//!     let decision = DecisionRequest::new(Decision::Continue, "me").at(gate.id);
//!     match orchestrator.decide(run.id(), decision).await?.run {
//!         Some(driven_on) => run = driven_on,
//!         None => break, // another process was faster
//!     }
//! }
//! orchestrator.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The library prints nothing and reads no environment; it emits `tracing`. Dropping an orchestrator stops driving
//! its runs and ends every process that it started; what was in flight can be continued by any process.

mod builder;
mod conversation;
mod definition;
mod error;
mod fork;
mod orchestrator;
mod preflight;
pub mod prelude;
mod request;
mod show;
mod task;

pub use orch_config as config;
pub use orch_opencode as opencode;
pub use orch_ux as ux;
pub use orch_workers as workers;
pub use orch_workflow as workflow;

pub use orch_workers::{Host, Shutdown};
pub use orch_workflow::{
    attachment::{Attachment, AttachmentError},
    attempt::{Outcome, RunId},
    decision::{Answer, Decision, DecisionKind, DecisionRequest, Gate, GateId, GateReason},
    driver::{EventStream, Received, Requested, Run, Runs},
    event::{Event, EventBody},
    record::RunStatus,
    view::RunView,
};

#[cfg(feature = "sqlite")]
pub use self::builder::project_state;
pub use self::{
    builder::Builder,
    conversation::Shown,
    error::{Disposition, Error, ErrorKind},
    fork::{Definition, ForkRequest},
    orchestrator::Orchestrator,
    request::{Parent, RunRequest},
    task::{Assignee, TaskRequest, route},
};

/// The README's example has to compile like any other.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So has the example of the page about workflows.
#[cfg(doctest)]
#[doc = include_str!("../../docs/workflows.md")]
struct Workflows;

/// And so has every block of the guide.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;
