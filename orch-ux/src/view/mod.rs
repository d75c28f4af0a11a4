//! What there is to see of runs, workers and sessions: as data, as text and as Markdown.
//!
//! Each view is made by a pure function from what the engine and the host say. Its data serialises to the stable JSON
//! of the command of the same name; its [`Page`](crate::page::Page) is the same content for people.

pub mod dashboard;
pub mod results;
mod summary;
pub mod task;
pub mod trace;
pub mod workers;

pub use self::summary::{output, step_lines, summary, summary_then};
