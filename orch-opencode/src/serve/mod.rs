//! Starts a real `opencode serve`, waits until it can be used, and ends it with everything it started.
//!
//! * [`find`] looks the program up;
//! * [`Environment`] is what the server inherits, and what it must not;
//! * [`Serve`] starts a server and [`Server`] is one that runs;
//! * [`sweep`] ends what an owner that was killed left behind.
//!
//! Facts about the host behind this (observed on 1.18.33): the listening line comes before the first request can be
//! answered, because plugins may still be installed; `SIGTERM` is swallowed meanwhile; tools run in process groups of
//! their own and survive their server.

mod environment;
mod find;
mod output;
mod private;
mod process;
mod ready;
mod record;
mod start;
mod stop;
mod version;

pub use environment::{Environment, GUARD_VARIABLE, WITHOUT_PROJECT_VARIABLE};
pub use find::{absolute_entries, find};
pub use record::{Swept, sweep};
pub use start::{Progress, Serve, Server};
pub use stop::{Ended, StopReport};
pub use version::Versions;
