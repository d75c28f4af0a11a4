//! Workers: whoever does a step's prompt, on an OpenCode host or anywhere else.
//!
//! [`Worker`] is the trait; [`OpenCodeWorker`] implements it for the three kinds, which differ only in whose host
//! they use and in how a session comes to be; [`Pool`] holds the workers of one program and is the engine's
//! [`StepExecutor`](orch_workflow::port::StepExecutor). This crate knows no gate, no journal and no workflow.
//!
//! ```no_run
//! # async fn example(dispatch: orch_workflow::port::Dispatch) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use orch_config::Config;
//! use orch_opencode::HttpOpenCode;
//! use orch_workers::Pool;
//! use orch_workflow::port::StepExecutor;
//!
//! let host = HttpOpenCode::builder("http://127.0.0.1:4096", "/home/me/project").build()?;
//! let pool = Pool::builder(Arc::new(Config::builtin()), Arc::new(host)).create_parent(true).build();
//! let placement = pool.place(&dispatch).await?; // make it durable here
//! let mut task = pool.send(&placement.locator, &dispatch).await?;
//! while let Some(update) = task.next().await {
//!     println!("{update:?}");
//! }
//! # Ok(())
//! # }
//! ```

mod asks;
mod backend;
mod claim;
mod connector;
mod error;
mod host;
mod leftovers;
mod locator;
mod orphans;
mod permission;
mod pool;
pub mod preflight;
mod progress;
pub mod route;
mod shutdown;
mod supervise;
#[cfg(feature = "testing")]
pub mod testing;
mod verdict;
pub mod worker;

pub use backend::OpenCodeWorker;
pub use connector::{Connection, Connector, Shutdown};
pub use error::{Error, ErrorKind};
pub use host::Host;
pub use orphans::end_orphans;
pub use pool::{Conversation, Need, Pool, PoolBuilder};
pub use shutdown::{Ended, ShutdownReport};
pub use worker::Worker;
