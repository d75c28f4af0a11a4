//! For the tests of those who embed or extend the engine: a host that follows a script and outlives the engines that
//! use it, a store that fails on demand, and an explorer that lets the process die at every point of a run.

pub mod explorer;
mod host;
mod laws;
mod store;
mod turn;

pub use explorer::{Explored, Explorer, Reply};
pub use host::{ScriptedExecutor, ScriptedHost};
pub use laws::{Broken, Laws};
pub use store::{FaultyStore, StoreFault};
pub use turn::{Fault, Turn};
