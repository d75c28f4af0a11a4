//! What most embedders need.

pub use crate::{
    Answer, Attachment, Builder, Decision, DecisionKind, DecisionRequest, Definition, Disposition, Error,
    ErrorKind, Event, EventBody, EventStream, ForkRequest, Gate, GateReason, Host, Orchestrator, Outcome,
    Parent, Received, Requested, Run, RunId, RunRequest, RunStatus, RunView, Runs,
    config::{
        Config,
        builder::{Group, Step, Workflow},
        policy::{Execution, Intervene, Policy, PolicyPatch},
    },
};
