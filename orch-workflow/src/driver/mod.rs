//! Runs machines: one Tokio task owns one [`Machine`](crate::machine::Machine).
//!
//! The task turns what happens (results, time, people) into inputs, makes the records of each batch durable, only
//! then publishes them and carries out the effects, and keeps the run's lease. Everything a worker does goes on
//! beside it, so a slow or broken worker never holds a run up.
//!
//! ```text
//!  Engine ── start, resume, request ──► task: machine ─ append ─► RunStore
//!    ▲                                    │  ▲
//!    └── Run, views, EventStream ◄────────┘  └── results ── work ──► StepExecutor
//! ```

mod activity;
mod clock;
mod engine;
mod error;
mod events;
mod fork;
mod launch;
mod ledger;
mod pulse;
mod requests;
mod route;
mod run;
mod task;
mod views;
mod work;

pub use engine::{Definitions, Engine, EngineBuilder};
pub use error::{Disposition, EngineError, EngineErrorKind};
pub use events::{Announcer, EventStream, Received};
pub use launch::NewRun;
pub use requests::Requested;
pub use run::Run;
pub use views::Runs;
