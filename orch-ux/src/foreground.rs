//! Steps in which a person takes part: whose session is shown, and which answer is for the parent.

use orch_config::{id::StepId, kind::ExecutionMode};
use orch_workflow::{
    attempt::Outcome,
    decision::{DecisionKind, GateId, GateReason},
    event::{EventBody, StepProgress},
    record::TurnPurpose,
};

/// Where the run has moved the view to, folded from its events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage {
    /// The step in the foreground; there is one at a time.
    step: Option<StepId>,
    /// Its session, while it is the one that is shown.
    shown: Option<String>,
    talk: Talk,
    /// The gate of that step, if one is open.
    gate: Option<(GateId, GateReason)>,
    /// What the event that was observed last asks for.
    pub(crate) cue: Cue,
}

/// How far the conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Talk {
    /// The worker works, or the person talks to it.
    #[default]
    Going,
    /// The person has finished with it. Unless it is asked for a hand-off, nothing more is heard of the step.
    Over,
    /// The worker was asked for the hand-off.
    HandingOff,
}

/// What an event asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cue {
    /// Where the view goes.
    pub(crate) view: Option<View>,
    /// Whether the answer that the event tells is the hand-off.
    pub(crate) is_hand_off: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// To the session of a worker.
    Worker(String),
    /// Back to the parent.
    Parent,
}

impl Stage {
    pub(crate) fn observe(&mut self, body: &EventBody) {
        self.cue = Cue::default();
        match body {
            EventBody::StepStarted { step, execution: ExecutionMode::Foreground, .. } => {
                self.step = Some(step.clone());
                self.talk = Talk::Going;
            }
            // Something else goes on, so that the step was done without a hand-off.
            EventBody::StepStarted { .. } if self.talk == Talk::Over => self.come_back(),
            EventBody::StepProgress { step, progress, .. } if self.is_ours(step) => match progress {
                StepProgress::Placed { session, .. } => self.go_to(session),
                StepProgress::Turn { purpose: TurnPurpose::HandOff, .. } => self.talk = Talk::HandingOff,
                _ => {}
            },
            // Who has to repair something is left where it can be repaired.
            EventBody::StepSettled { step, outcome: Outcome::Ok | Outcome::Warning, .. }
                if self.is_ours(step) =>
            {
                self.cue.is_hand_off = self.talk == Talk::HandingOff;
                self.come_back();
            }
            EventBody::GateOpened { gate } if self.is_ours(&gate.step) => {
                self.gate = Some((gate.id.clone(), gate.reason));
            }
            EventBody::GateResolved { gate, decision, .. } => self.answered(gate, *decision),
            EventBody::RunFinished { .. } => self.come_back(),
            _ => {}
        }
    }

    fn is_ours(&self, step: &StepId) -> bool {
        self.step.as_ref() == Some(step)
    }

    fn answered(&mut self, gate: &GateId, decision: DecisionKind) {
        let Some((_, reason)) = self.gate.take_if(|(open, _)| open == gate) else { return };
        match decision {
            DecisionKind::Continue if reason == GateReason::Interactive => self.talk = Talk::Over,
            DecisionKind::Continue | DecisionKind::Retry => {}
            DecisionKind::Skip | DecisionKind::Replace | DecisionKind::Abort => self.come_back(),
        }
    }

    fn go_to(&mut self, session: &str) {
        if self.shown.as_deref() != Some(session) {
            self.shown = Some(session.to_owned());
            self.cue.view = Some(View::Worker(session.to_owned()));
        }
    }

    fn come_back(&mut self) {
        self.talk = Talk::Going;
        if self.shown.take().is_some() {
            self.cue.view = Some(View::Parent);
        }
    }
}
