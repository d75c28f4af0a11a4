//! Journal, events and effects of a plain run.

use std::sync::Arc;

use orch_config::policy::{Execution, Intervene};
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled},
    decision::Decision,
    event::Projector,
    machine::{Input, Machine, ReplayError},
    record::{FORMAT_VERSION, Record, RecordBody, RunStatus},
    view::RunView,
};
use serde_json::{Value, json};

use super::story::{Story, default_policy, step, warned, workflow};

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
        for event in projector.project(record) {
            assert_eq!(event.seq, record.seq);
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<orch_workflow::event::Event>(&json).unwrap(), event, "{json}");
        }
    }
    let replayed = Machine::replay(&story.journal).unwrap();
    assert_eq!(replayed.view(), story.view());
}

#[test]
fn a_snapshot_has_the_fields_that_programs_rely_on() {
    let mut story = Story::begin(workflow([step("one"), step("two")]), default_policy());
    story.work(Settled::failed(AttemptError::new(ErrorCode::Model, "no")));
    let view = serde_json::to_value(story.view()).unwrap();
    let has = |value: &Value, keys: &str| {
        for key in keys.split(' ') {
            assert!(value.get(key).is_some(), "{key} is missing in {value}");
        }
    };
    has(
        &view,
        "id workflow status parent_session execution intervene gate gates asks owner interrupted steps",
    );
    has(&view, "tokens cost_usd active_ms");
    has(&view["tokens"], "input output reasoning");
    has(&view["gate"], "id step reason allowed default");
    has(&view["steps"][0], "id title status outcome iteration worker kind session attempts text output");
    has(&view["steps"][0]["attempts"][0], "dispatch outcome started_at finished_at error warnings");
    assert_eq!(view["status"], "paused");
    assert_eq!(view["gate"]["reason"], "intervene=on-error");
    assert_eq!(view["gate"]["allowed"], json!(["continue", "retry", "skip", "replace", "abort"]));
    assert_eq!(view["steps"][0]["status"], "gated");
    assert_eq!(view["steps"][0]["attempts"][0]["dispatch"], "run_1/one/1/1/1");
    assert_eq!(view["steps"][0]["attempts"][0]["error"], json!({ "code": "model", "message": "no" }));
    assert_eq!(serde_json::from_value::<RunView>(view).unwrap(), story.view());
}

#[test]
fn a_journal_with_a_hole_or_without_a_start_is_refused() {
    let mut story = Story::begin(workflow([step("one")]), default_policy());
    story.work(Settled::answer("done"));
    let replay = |records: &[Record]| Machine::replay(records).unwrap_err();
    assert_eq!(replay(&[]), ReplayError::Empty);
    assert_eq!(replay(&story.journal[1..]), ReplayError::NoStart);
    let mut holed = story.journal.clone();
    holed.remove(2);
    assert_eq!(replay(&holed), ReplayError::Gap { expected: 3, found: 4 });
    let RecordBody::RunStarted(started) = &mut story.journal[0].body else {
        panic!("it begins with the start")
    };
    Arc::make_mut(started).format += 1;
    assert_eq!(replay(&story.journal), ReplayError::TooNew { found: FORMAT_VERSION + 1 });
}

#[test]
fn a_batch_that_was_overtaken_releases_nothing() {
    let mut story = Story::begin(workflow([step("one"), step("two")]), default_policy());
    story.wanted();
    let dispatch = story.dispatch();
    let result = Ok(super::story::placement(&dispatch));
    let placed = Input::Placed { dispatch, result };
    let first = story.machine.handle(story.now, placed.clone()).unwrap();
    let second = story.machine.handle(story.now, placed).unwrap();
    assert_eq!(first, second, "what was not committed did not happen");
    story.commit(first);
    assert_eq!(story.machine.commit(second), []);
    assert_eq!(story.wanted(), ["send one#1"]);
}
