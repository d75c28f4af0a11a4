//! Journal, events and effects of a plain run.

use orch_workflow::{
    attempt::Settled,
    decision::Decision,
    event::Projector,
    machine::Machine,
    record::{Record, RunStatus},
};

use super::story::{Story, default_policy, step, warned, workflow};
use orch_config::policy::{Execution, Intervene};

#[test]
fn a_plain_run_goes_from_step_to_step_and_ends_in_success() {
    let mut story = Story::begin(workflow([step("one"), step("two")]), default_policy());
    assert_eq!(story.wanted(), ["place one#1"]);
    story.place();
    assert_eq!(story.wanted(), ["send one#1"]);
    story.settle(Settled::answer("first"));
    assert_eq!(story.wanted(), ["place two#1"]);
    story.work(Settled::answer("second"));
    assert_eq!(story.status(), RunStatus::Success);
    assert_eq!(story.step("two").text.as_deref(), Some("second"));
    // The start, then for each step: intent and placing. The settle of one is the intent of the next.
    assert_eq!(story.commits, 1 + 1 + 2 + 2);
}

#[test]
fn every_record_and_event_survives_json() {
    let stepwise = super::story::policy(Execution::Step, Intervene::OnWarning);
    let mut story = Story::begin(workflow([step("one"), step("two")]), stepwise);
    story.work(warned("first")).decide(Decision::Continue).work(Settled::answer("second"));
    assert_eq!(story.status(), RunStatus::Success);

    let mut projector = Projector::new();
    for record in &story.journal {
        let json = serde_json::to_string(record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), *record, "{json}");
        let Some(event) = projector.project(record) else { continue };
        assert_eq!(event.seq, record.seq);
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<orch_workflow::event::Event>(&json).unwrap(), event, "{json}");
    }
    let replayed = Machine::replay(&story.journal).unwrap();
    assert_eq!(replayed.view(), story.view());
}
