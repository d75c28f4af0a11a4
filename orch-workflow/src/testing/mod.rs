//! For the tests of those who embed or extend the engine: a host that follows a script and outlives the engines that
//! use it, a store that fails on demand, and explorers that let the process die at every point of a run: of a plan in
//! the pure machine, and of an executor in the engine.

pub mod engine;
pub mod explorer;
mod host;
mod laws;
mod store;
mod turn;

pub use engine::EngineExplorer;
pub use explorer::{Explored, Explorer, Reply};
pub use host::{ScriptedExecutor, ScriptedHost};
pub use laws::{Broken, Laws};
pub use store::{FaultyStore, StoreFault};
pub use turn::{Fault, Turn};
