//! What people see of runs: events in, actions out.
//!
//! [`reactor::Reactor`] turns run events into [`action::UxAction`]s; it is pure, so that every text can be read in
//! a test. [`delivery::Delivery`] brings them to a [`frontend::Frontend`] and never waits for it: nothing that a
//! frontend does, or fails to do, reaches a run. [`view`] renders a run as text, [`command`] knows what a text may
//! tell a person to type.
//!
//! This crate opens no gate, makes no decision and keeps nothing. It never prints.
//!
//! ```
//! use orch_ux::{action::UxAction, policy::UxPolicy, reactor::Reactor};
//!
//! let mut reactor = Reactor::new(UxPolicy::default());
//! let event = serde_json::from_value(serde_json::json!({
//!     "seq": 9, "at": 1_760_000_000_000_u64, "run": "run_1", "type": "run.finished", "status": "success",
//! }))?;
//! let actions = reactor.react(&event);
//! assert!(matches!(&actions[1], UxAction::Toast(toast) if toast.message.ends_with("(orch output run_1)")));
//! # Ok::<(), serde_json::Error>(())
//! ```

pub mod action;
pub mod agent;
pub mod choice;
pub mod command;
pub mod context;
pub mod delivery;
pub mod error;
mod foreground;
pub mod frontend;
mod notice;
pub mod opencode;
pub mod page;
pub mod plugin;
pub mod policy;
pub mod reactor;
pub mod step_line;
pub mod text;
mod throttle;
mod toast;
pub mod view;
pub mod why;
