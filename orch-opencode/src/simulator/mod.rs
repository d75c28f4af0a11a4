//! An OpenCode without OpenCode: for tests of whatever talks to a host, and for demonstrations.
//!
//! * [`ScriptedModel`] is a model for a *real* OpenCode: no key, no network, every answer known in advance.
//! * A [`Script`] says what the model answers.
//!
//! Everything listens on loopback ports that the system picks and ends when it is dropped.

mod ids;
mod loopback;
mod model;
mod script;

pub use model::ScriptedModel;
pub use script::{Answer, CallEnd, CallKind, Finish, Hold, ModelCall, Reply, Script, ToolCall, Usage, When};
