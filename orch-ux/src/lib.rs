//! What people see of runs: events in, actions out.

pub mod action;
pub mod choice;
pub mod command;
pub mod context;
pub mod delivery;
pub mod error;
pub mod frontend;
mod notice;
pub mod policy;
pub mod reactor;
pub mod step_line;
pub mod text;
mod throttle;
mod toast;
pub mod view;
