//! The gate-driven workflow machine of orch: what happens next, and why, with every step of it durable.
//!
//! This crate knows no OpenCode and no worker. It turns a validated [`plan::Plan`] into attempts, gates and
//! decisions, keeps the journal, and asks a [`port::StepExecutor`] to do the actual work.
//!
//! * [`attempt`], [`attachment`], [`port`], [`handoff`] and [`status`] are the vocabulary that workers share (available
//!   without any feature);
//! * [`machine`] is pure: no clock, no randomness, no input or output;
//! * [`store`] keeps journals; [`driver`] (feature `runtime`) runs one machine on one tokio task.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// Says that the driver has come to one of the places of `failpoint`. Without that feature it is nothing at all.
#[cfg(feature = "runtime")]
macro_rules! failpoint {
    ($place:ident($($what:expr),+)) => {
        #[cfg(feature = "failpoints")]
        $crate::failpoint::$place($($what),+);
    };
}

pub mod attachment;
pub mod attempt;
pub mod carry;
pub mod decision;
pub mod event;
pub mod gate;
pub mod handoff;
pub mod history;
pub mod machine;
pub mod plan;
pub mod port;
pub mod record;
pub mod status;
pub mod store;
pub mod template;
pub mod view;

#[cfg(feature = "runtime")]
pub mod driver;
#[cfg(feature = "failpoints")]
pub mod failpoint;
#[cfg(feature = "testing")]
pub mod testing;
