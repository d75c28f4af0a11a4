//! An OpenCode without OpenCode: for tests of whatever talks to a host, and for demonstrations.
//!
//! * [`Simulator`] is the host itself, in this process: same routes, same events, same quirks, and faults on demand.
//! * [`ScriptedModel`] is a model for a *real* OpenCode: no key, no network, every answer known in advance.
//! * A [`Script`] says what the model answers; both take the same.
//!
//! Everything listens on loopback ports that the system picks and ends when it is dropped.

mod demo;
mod host;
mod id;
mod loopback;
mod model;
mod script;

pub use demo::{DEMO_TASK, demo_script};
pub use host::{
    AgentMode, EventFault, Faults, HttpFault, SeenPrompt, SeenRequest, SimulatedAgent, SimulatedProvider,
    SimulatedSession, SimulatedStatus, Simulator, SimulatorOptions, TuiCall,
};
pub use model::ScriptedModel;
pub use script::{Answer, CallEnd, CallKind, Finish, Hold, ModelCall, Reply, Script, ToolCall, Usage, When};
