//! Conditions of a plan, put to the run as it stands.

use orch_config::expression::{Expression, Scope, StepFacts};

use crate::{
    attempt::{AttemptError, ErrorCode, Outcome},
    machine::{
        graph::Node,
        state::{State, Step},
    },
    view::StepStatus,
};

/// Whether the `when` of a node holds; one that has none always does.
pub(crate) fn wanted(state: &State, node: Node) -> Result<bool, AttemptError> {
    let (when, iteration) = match node {
        Node::Step(step) => (&state.planned(step).when, state.steps[step].iteration),
        Node::Group(group) => (&state.plan().groups[group].when, 1),
    };
    when.as_ref().map_or(Ok(true), |when| holds(state, "when", when, iteration))
}

/// Whether the pass that a group has come to the end of was its last, by its `until`.
pub(crate) fn satisfied(state: &State, group: usize) -> Result<bool, AttemptError> {
    holds(state, "until", &state.plan().groups[group].until, state.groups[group].iteration)
}

fn holds(state: &State, key: &str, condition: &Expression, iteration: u32) -> Result<bool, AttemptError> {
    condition.evaluate(&scope(state, condition, iteration)).map_err(|error| {
        let message = format!("its condition {key} ({condition}) cannot be answered: {error}");
        AttemptError::new(ErrorCode::Template, message)
    })
}

/// What the condition can see. Steps that it surely does not mention are left out: their results may be large.
fn scope(state: &State, condition: &Expression, iteration: u32) -> Scope {
    let text = condition.as_str();
    let mentions = |id: &str| text.contains(id) || text.contains('\\');
    let mut scope = Scope::new(state.started.task.as_str(), iteration);
    for (planned, step) in state.plan().steps.iter().zip(state.steps.iter()) {
        if mentions(planned.id.as_str()) {
            scope.insert(planned.id.as_str(), facts(step));
        }
    }
    scope
}

fn facts(step: &Step) -> StepFacts {
    let mut facts = StepFacts::new(word(step.status));
    // What a person has put in place of an answer carries none of its remarks.
    if step.outcome == Some(Outcome::Warning) {
        let warnings = match &step.reused {
            Some(reused) => reused.warnings.as_slice(),
            None => step.this_pass().last().map(|attempt| attempt.warnings.as_slice()).unwrap_or_default(),
        };
        facts.warnings = warnings.iter().map(|warning| warning.code.as_str().to_owned()).collect();
    }
    facts.output = step.output.as_deref().cloned().unwrap_or_default();
    facts.text_chars = step.text.chars().count() as u64;
    facts.attempts = match &step.reused {
        Some(reused) => reused.attempts,
        None => u32::try_from(step.this_pass().len()).unwrap_or(u32::MAX),
    };
    facts
}

fn word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pending | StepStatus::Ready => "pending",
        StepStatus::Running => "running",
        StepStatus::Gated => "gated",
        StepStatus::Backoff => "backoff",
        StepStatus::InDoubt => "in-doubt",
        StepStatus::Done => "done",
        StepStatus::Failed => "failed",
        StepStatus::Skipped => "skipped",
    }
}
