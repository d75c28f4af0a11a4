//! What the workers of a run were last seen doing. Kept beside the journal, and gone with the process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    attempt::{DispatchId, Timestamp},
    view::{ActivityView, Doing, RunView},
};

/// Shared by the task that hears of it and whoever looks at the run.
#[derive(Debug, Clone, Default)]
pub(super) struct Activities(Arc<Mutex<HashMap<DispatchId, (Doing, Timestamp)>>>);

impl Activities {
    pub(super) fn note(&self, dispatch: &DispatchId, doing: Doing, now: Timestamp) {
        let mut seen = self.seen();
        match seen.get_mut(dispatch) {
            Some((known, _)) if *known == doing => {}
            Some(known) => *known = (doing, now),
            None => drop(seen.insert(dispatch.clone(), (doing, now))),
        }
    }

    pub(super) fn forget(&self, dispatch: &DispatchId) {
        self.seen().remove(dispatch);
    }

    /// Says in a view what is known here, where the view knows no better.
    pub(super) fn tell(&self, view: &mut RunView) {
        let seen = self.seen();
        for step in &mut view.steps {
            let dispatch = step.attempts.last().map(|attempt| &attempt.dispatch);
            let Some(activity) = step.activity.as_mut().filter(|activity| is_vague(activity)) else {
                continue;
            };
            if let Some((doing, since)) = dispatch.and_then(|dispatch| seen.get(dispatch)) {
                (activity.doing, activity.since) = (doing.clone(), *since);
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<DispatchId, (Doing, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_vague(activity: &ActivityView) -> bool {
    matches!(activity.doing, Doing::Placing | Doing::Working)
}
