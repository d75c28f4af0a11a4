//! What happened, and what it took: a run from its journal, sessions from the host.
//!
//! A [`RunTrace`] needs no host. [`look_up`](RunTrace::look_up) adds the transcripts of the sessions that its workers
//! used, as far as the host has them.

mod moment;
mod page;
mod run;
mod session;

pub use self::{
    moment::Moment,
    page::Extent,
    run::{AttemptTrace, NotThere, RunTrace, run_trace},
    session::{MessageTrace, SessionTrace, Speaker, ToolTrace, session_trace},
};
