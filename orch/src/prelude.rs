//! What most embedders need.

pub use crate::{
    Answer, Builder, Decision, DecisionKind, DecisionRequest, Error, Event, EventBody, EventStream, Gate,
    Host, Orchestrator, Outcome, Received, Requested, Run, RunId, RunRequest, RunStatus, RunView,
    config::{
        Config,
        policy::{Execution, Intervene, Policy, PolicyPatch},
    },
};
