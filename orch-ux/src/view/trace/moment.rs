//! One line for each thing that happened.

use orch_config::id::StepId;
use orch_workflow::{
    attempt::Timestamp,
    event::{Event, EventBody, StepProgress},
    port::AskKind,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::text::{duration, pass, plain, word};

const ID_CHARS: usize = 64;
const SENTENCE_CHARS: usize = 300;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Moment {
    /// The number of its event.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The same, in milliseconds since the run started.
    pub after_ms: u64,
    /// The type of its event.
    #[serde(rename = "type")]
    pub kind: String,
    /// The step or group that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// What happened, as one clean line.
    pub what: String,
}

/// Puts events into words.
pub(super) struct Teller {
    start: Timestamp,
    /// The step of every gate, because a gate is answered by its id alone.
    gates: Vec<(String, StepId)>,
    /// The step of every ask.
    asks: Vec<(String, StepId)>,
}

impl Teller {
    pub(super) fn new(start: Timestamp) -> Self {
        Self { start, gates: Vec::new(), asks: Vec::new() }
    }

    /// The moment of an event; `None` for live progress.
    pub(super) fn tell(&mut self, event: &Event) -> Option<Moment> {
        if event.live {
            return None;
        }
        let (step, what) = self.words(&event.body);
        Some(Moment {
            seq: event.seq,
            at: event.at,
            after_ms: event.at.ms_since(self.start),
            kind: event.body.name().to_owned(),
            step,
            what: plain(&what, SENTENCE_CHARS),
        })
    }

    fn words(&mut self, body: &EventBody) -> (Option<StepId>, String) {
        match body {
            EventBody::RunStarted { workflow, forked_from, .. } => {
                let from = forked_from
                    .as_ref()
                    .map_or_else(String::new, |from| format!(", forked from {}", from.run));
                (None, format!("the run of {workflow} started{from}"))
            }
            EventBody::RunRequested { request, by } => (None, format!("{by} asked to {request} the run")),
            EventBody::RunPaused => (None, "the run rests".to_owned()),
            EventBody::RunResumed => (None, "the run goes on".to_owned()),
            EventBody::RunFinished { status, error, .. } => {
                let why = error.as_ref().map_or_else(String::new, |error| format!(": {}", error.message));
                (None, format!("the run ended as {}{why}", status.as_str()))
            }
            EventBody::StepStarted { step, dispatch, worker, kind, prompt, .. } => {
                let pass = if dispatch.iteration > 1 {
                    format!(" of the {}", pass(dispatch.iteration))
                } else {
                    String::new()
                };
                let prompt = prompt.chars().count();
                let what = format!(
                    "attempt {}{pass} began on {worker} ({kind}), a prompt of {prompt} characters",
                    dispatch.attempt
                );
                (Some(step.clone()), what)
            }
            EventBody::CarryTrimmed { step, message, .. } => (Some(step.clone()), message.clone()),
            EventBody::StepProgress { step, progress, .. } => (Some(step.clone()), moved_on(progress)),
            EventBody::StepSettled { step, outcome, error, active_ms, text, .. } => {
                let why = match error {
                    Some(error) => format!(", {}: {}", word(&error.code), error.message),
                    None => format!(", an answer of {} characters", text.chars().count()),
                };
                (
                    Some(step.clone()),
                    format!("settled as {} after {}{why}", word(outcome), duration(*active_ms)),
                )
            }
            EventBody::StepSkipped { step, condition, .. } => {
                (Some(step.clone()), format!("left out, because it does not hold: {condition}"))
            }
            EventBody::StepReused { step, from, .. } => {
                let from = from.as_ref().map_or_else(String::new, |from| format!(" of {from}"));
                (Some(step.clone()), format!("has the result{from}, and was not at work"))
            }
            EventBody::GroupIteration { group, iteration, .. } => {
                (Some(group.clone()), format!("{} began", pass(*iteration)))
            }
            EventBody::GroupFinished { group, end, .. } => {
                (Some(group.clone()), format!("done: {}", word(end)))
            }
            EventBody::GateOpened { gate } => {
                self.gates.push((gate.id.0.clone(), gate.step.clone()));
                (
                    Some(gate.step.clone()),
                    format!("gate {} opened ({}): {}", gate.id, word(&gate.reason), gate.message),
                )
            }
            EventBody::GateResolved { gate, decision, by, .. } => {
                let step = self.gates.iter().find(|(id, _)| *id == gate.0).map(|(_, step)| step.clone());
                (step, format!("gate {gate} answered with {} by {by}", word(decision)))
            }
            EventBody::AskOpened { step, ask } => {
                self.asks.push((ask.id.0.clone(), step.clone()));
                let kind = match ask.kind {
                    AskKind::Permission => "permission",
                    AskKind::Question => "question",
                };
                (Some(step.clone()), format!("{kind} {} opened: {}", plain(&ask.id.0, ID_CHARS), ask.summary))
            }
            EventBody::AskResolved { step, ask, by } => {
                let kind =
                    if self.asks.iter().any(|(id, _)| *id == ask.0) { "ask" } else { "an earlier ask" };
                (Some(step.clone()), format!("{kind} {} answered by {by}", plain(&ask.0, ID_CHARS)))
            }
            EventBody::BudgetLow { step, message, .. } => (Some(step.clone()), message.clone()),
            EventBody::Error { step, error } => {
                (step.clone(), format!("the run fails, {}: {}", word(&error.code), error.message))
            }
            EventBody::Warning { step, warning } => {
                (Some(step.clone()), format!("{}: {}", word(&warning.code), warning.message))
            }
            other => (None, other.name().to_owned()),
        }
    }
}

fn moved_on(progress: &StepProgress) -> String {
    match progress {
        StepProgress::Placed { session, .. } => format!("goes to session {session}"),
        StepProgress::Turn { purpose, .. } => format!("a further prompt for its {}", word(purpose)),
        StepProgress::Answered { text } => {
            format!("answered with {} characters, and goes on", text.chars().count())
        }
        StepProgress::Used { tokens, cost_usd } => {
            format!("{} tokens read and {} written so far, ${cost_usd:.4}", tokens.input, tokens.output)
        }
        StepProgress::Stopping { reason } => format!("is being stopped: {reason}"),
        StepProgress::InDoubt { reason } => format!("in doubt: {reason}"),
        StepProgress::Backoff { error, .. } => format!("waits before its next attempt: {}", error.message),
        StepProgress::Waiting { reason, .. } => format!("waits: {reason}"),
        other => word(other),
    }
}
