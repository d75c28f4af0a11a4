//! How a prompt really ended.
//!
//! Events are hints, snapshots are truth: an event only makes us look sooner, and every verdict is read off the
//! transcript and the status of the session. The decision itself is sans-IO ([`Tracker`]: snapshots and times in,
//! verdicts out); [`Follower`] looks at a host for it, and [`probe`] asks once, after a restart.
//!
//! An answer is ours when it names our message as its parent. "The last message" or "the session is idle" prove
//! nothing: a cold first prompt turns busy more than a second after it was accepted, and after an abort a session is
//! idle before its last message is final.

mod follow;
mod judge;
mod lineage;
mod meter;
mod probe;
mod turn;
mod watch;

#[cfg(all(test, feature = "http"))]
mod tests;

pub use follow::{Follower, Sign};
pub use probe::{Probed, probe};
pub use turn::{Settled, ToolFailure, Turn};
pub use watch::{Activity, Patience, Snapshot, Tracker, Verdict};
