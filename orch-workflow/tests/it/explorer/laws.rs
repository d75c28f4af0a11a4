//! The laws can be broken: each row is a journal that no sound machine writes.

use std::sync::Arc;

use orch_workflow::{
    attempt::{Settled, Usage},
    machine::Machine,
    record::{Record, RecordBody},
    testing::Laws,
};

use crate::machine::story::{Story, default_policy, plan, run_started, step, workflow};

/// A run of two steps, one after the other: started, then begun, placed and settled twice, and the end.
fn sound() -> Vec<RecordBody> {
    let mut story = Story::of(run_started(plan(workflow([step("one"), step("two")])), default_policy()));
    for id in ["one", "two"] {
        let usage = Usage { input: 700, ..Usage::default() };
        story.work_of(id, Settled { usage, ..Settled::answer("done") });
    }
    let bodies: Vec<_> = story.journal.into_iter().map(|record| record.body).collect();
    assert_eq!(bodies.len(), 8, "{bodies:?}");
    bodies
}

fn told(bodies: Vec<RecordBody>) -> Result<(), String> {
    let mut story = Story::of(run_started(plan(workflow([step("one"), step("two")])), default_policy()));
    let template = story.journal.remove(0);
    let records: Vec<Record> =
        (1..).zip(bodies).map(|(seq, body)| Record { seq, body, ..template.clone() }).collect();
    let mut laws = Laws::new();
    laws.read(&records).map_err(|broken| broken.to_string())?;
    let machine = Machine::replay(&records).map_err(|error| error.to_string())?;
    laws.check_machine(&machine).map_err(|broken| broken.to_string())
}

fn pause() -> RecordBody {
    RecordBody::PauseRequested { by: "ann".to_owned() }
}

#[test]
fn a_sound_journal_breaks_none() {
    assert_eq!(told(sound()), Ok(()));
}

#[test]
fn each_law_can_be_broken() {
    let [started, begun, placed, settled, begun_two, placed_two, settled_two, end] =
        <[RecordBody; 8]>::try_from(sound()).unwrap();
    let bounded = {
        let RecordBody::RunStarted(mut started) = started.clone() else { panic!("it does not start") };
        Arc::make_mut(&mut started).budget.max_tokens = Some(100);
        RecordBody::RunStarted(started)
    };
    let one_is_done = |start: &RecordBody, then: Vec<RecordBody>| {
        let mut bodies = vec![start.clone(), begun.clone(), placed.clone(), settled.clone()];
        bodies.extend(then);
        bodies
    };
    let again = {
        let RecordBody::AttemptStarted { mut dispatch, prompt, session } = begun.clone() else {
            panic!("it does not begin")
        };
        dispatch.attempt = 2;
        RecordBody::AttemptStarted { dispatch, prompt, session }
    };
    let table = [
        ("begins twice", vec![started.clone(), begun.clone(), begun.clone()]),
        ("is placed, but not live", vec![started.clone(), placed.clone()]),
        ("is placed twice", vec![started.clone(), begun.clone(), placed.clone(), placed.clone()]),
        ("has a result, but is not live", one_is_done(&started, vec![settled.clone()])),
        ("although somebody wants a pause", one_is_done(&started, vec![pause(), begun_two.clone()])),
        ("begins before one, which it needs, is over", vec![started.clone(), begun_two.clone()]),
        ("begins although nothing is left", one_is_done(&bounded, vec![begun_two.clone()])),
        ("runs a step again, and nobody has decided so", one_is_done(&started, vec![again])),
        (
            "an ended run has run_1/two/1/1/1 in flight",
            one_is_done(&started, vec![begun_two.clone(), placed_two.clone(), end.clone()]),
        ),
        (
            "a record after the end",
            one_is_done(&started, vec![begun_two, placed_two, settled_two, end.clone(), end]),
        ),
    ];
    for (law, bodies) in table {
        let broken = told(bodies).expect_err(law);
        assert!(broken.contains(law), "{law}: {broken}");
    }
}
