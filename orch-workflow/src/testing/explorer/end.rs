//! What a run has come to, held against the same run without a crash.

use std::collections::HashSet;

use super::explored::Compared;
use crate::{
    attempt::{DispatchId, Settled, WarningCode},
    plan::Plan,
    record::{Record, RecordBody, RunStatus},
    testing::laws::Laws,
    view::RunView,
};

/// What must not depend on crashes: how the run and its steps ended, and which attempts there were.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    status: RunStatus,
    steps: Vec<String>,
}

/// What a run with crashes is compared with.
pub(crate) struct Expected {
    end: End,
    /// The prompts after which a gate was open.
    pub(crate) gated: HashSet<DispatchId>,
    /// The run ended before all was done: how far the steps had come depends on which were faster.
    raced: bool,
}

impl End {
    pub(crate) fn of(view: &RunView) -> Self {
        let steps = view.steps.iter().map(|step| {
            let attempts: Vec<_> = step
                .attempts
                .iter()
                .map(|attempt| {
                    let error = attempt.error.as_ref().map(|error| error.code);
                    let remarks = attempt.warnings.iter().map(|warning| warning.code);
                    let remarks: Vec<_> = remarks.filter(|code| *code != WarningCode::Reconciled).collect();
                    let DispatchId { step, iteration, attempt, turn, .. } = &attempt.dispatch;
                    format!("{step}/{iteration}/{attempt}/{turn} {error:?} {remarks:?}")
                })
                .collect();
            format!("{} {:?} {:?} {:?} {attempts:?}", step.id, step.status, step.text, step.output)
        });
        Self { status: view.status, steps: steps.collect() }
    }
}

impl Expected {
    pub(crate) fn of(end: End, gated: HashSet<DispatchId>, plan: &Plan) -> Self {
        let raced = end.status != RunStatus::Success && !is_a_chain(plan);
        Self { end, gated, raced }
    }

    /// How much of a run is compared. A person has decided about one that nobody can know all about.
    pub(crate) fn compared(&self, blind: bool) -> Compared {
        match (blind, self.raced) {
            (true, _) => Compared::Laws,
            (false, true) => Compared::Status,
            (false, false) => Compared::End,
        }
    }

    pub(crate) fn is_met_by(&self, end: &End) -> bool {
        if self.raced { self.end.status == end.status } else { self.end == *end }
    }

    pub(crate) fn difference(&self, end: &End) -> String {
        let steps = self.end.steps.iter().zip(&end.steps).filter(|(expected, found)| expected != found);
        let steps: Vec<_> =
            steps.map(|(expected, found)| format!("\n  expected {expected}\n  found    {found}")).collect();
        format!("expected {}, found {}{}", self.end.status.as_str(), end.status.as_str(), steps.concat())
    }
}

/// Whether each step or group waits for the one before it, so that the order of events cannot depend on which of
/// several steps is faster.
fn is_a_chain(plan: &Plan) -> bool {
    let Plan { steps, groups, .. } = plan;
    steps.windows(2).all(|pair| {
        let [before, step] = pair else { return true };
        if before.group == step.group {
            return step.needs == [before.id.clone()];
        }
        let needed = before.group.as_ref().unwrap_or(&before.id);
        let group = groups.iter().find(|group| Some(&group.id) == step.group.as_ref());
        group.map_or(&step.needs, |group| &group.needs) == std::slice::from_ref(needed)
    })
}

/// Of these answers the ones that are nowhere in the journal.
pub(crate) fn lost<'a>(
    answers: impl IntoIterator<Item = (&'a DispatchId, Settled)>,
    journal: &[Record],
    laws: &Laws,
) -> Vec<String> {
    let is_missing = |answer: &Settled, found: Option<&RecordBody>| match found {
        None => true,
        Some(
            RecordBody::Settled { dispatch, result, .. } | RecordBody::Answered { dispatch, result, .. },
        ) => {
            let late = laws.was_stopped(dispatch) || laws.is_ending();
            // The engine may find a fault with an answer, but never makes a failure good.
            let same = result.text == answer.text && (answer.error.is_none() || result.error == answer.error);
            !same && !late
        }
        Some(_) => false,
    };
    let lost = answers.into_iter().filter(|(dispatch, answer)| {
        let mut ends = journal.iter().map(|record| &record.body);
        is_missing(answer, ends.find(|body| ended_by(body) == Some(dispatch)))
    });
    lost.map(|(dispatch, _)| format!("the answer to {dispatch} is lost")).collect()
}

fn ended_by(body: &RecordBody) -> Option<&DispatchId> {
    match body {
        RecordBody::Settled { dispatch, .. }
        | RecordBody::Answered { dispatch, .. }
        | RecordBody::InDoubt { dispatch, .. } => Some(dispatch),
        _ => None,
    }
}
