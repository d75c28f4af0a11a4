//! A run as it stood after each of its records.

use orch_config::policy::{Execution, Intervene};
use orch_workflow::{
    attempt::Settled,
    decision::Decision,
    history::{HistoryError, view_at},
    machine::ReplayError,
    view::RunView,
};

use crate::machine::story::{Story, policy, step, warned, workflow};

/// A run with a gate in the middle, and what it looked like after each of its batches.
fn told() -> (Story, Vec<RunView>) {
    let stepwise = policy(Execution::Step, Intervene::OnWarning);
    let mut story = Story::begin(workflow([step("one"), step("two")]), stepwise);
    let mut seen = vec![story.view()];
    story.place();
    seen.push(story.view());
    story.settle(warned("first"));
    seen.push(story.view());
    story.decide(Decision::Retry { note: None, session: None });
    seen.push(story.view());
    story.work(Settled::answer("again"));
    seen.push(story.view());
    story.decide(Decision::Continue).work(Settled::answer("second"));
    seen.push(story.view());
    (story, seen)
}

#[test]
fn the_view_after_a_record_is_what_was_seen_then() {
    let (story, seen) = told();
    for then in seen {
        assert_eq!(view_at(&story.journal, then.seq), Ok(then));
    }
}

#[test]
fn every_record_has_a_moment_and_nothing_else_has() {
    let (story, _) = told();
    let last = story.journal.len() as u64;
    for seq in 1..=last {
        let view = view_at(&story.journal, seq).unwrap();
        assert_eq!((view.seq, view.last_at), (seq, story.journal[seq as usize - 1].at));
    }
    for seq in [0, last + 1, u64::MAX] {
        let error = view_at(&story.journal, seq).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("run run_1 has no record {seq}: its journal has the records 1 to {last}")
        );
    }
    assert_eq!(view_at(&[], 1), Err(HistoryError::Journal(ReplayError::Empty)));
}
