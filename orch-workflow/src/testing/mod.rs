//! Fakes for the tests of those who embed or extend the engine: a host that follows a script and outlives the
//! engines that use it, and a store that fails on demand.

mod host;
mod store;
mod turn;

pub use host::{ScriptedExecutor, ScriptedHost};
pub use store::{FaultyStore, StoreFault};
pub use turn::{Fault, Turn};
