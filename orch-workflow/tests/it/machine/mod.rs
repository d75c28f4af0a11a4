//! The machine alone: no clock, no store, no worker.

mod budgets;
mod crashes;
mod decisions;
mod definition;
mod gates;
mod groups;
mod interactive;
mod journal;
mod outputs;
mod parallel;
mod plans;
mod predecessor;
mod properties;
mod requests;
mod retries;
pub(crate) mod story;
mod time;
