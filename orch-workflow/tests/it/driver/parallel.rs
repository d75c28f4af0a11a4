//! Several prompts of one run in flight at once.

use orch_workflow::{
    attempt::{AttemptError, ErrorCode},
    event::EventBody,
    testing::Turn,
};

use super::*;

/// `left` and `right` at once, then `end`.
fn fork() -> Plan {
    fork_with(json!({}))
}

fn fork_with(workflow: Value) -> Plan {
    let mut plan = plan_with(&["left", "right", "end"], workflow, json!({}));
    plan.steps[1].needs = Vec::new();
    plan.steps[2].needs = vec![plan.steps[0].id.clone(), plan.steps[1].id.clone()];
    plan
}

fn refused() -> AttemptError {
    AttemptError::new(ErrorCode::Model, "no")
}

#[tokio::test(start_paused = true)]
async fn steps_that_do_not_need_each_other_take_the_time_of_the_slower_one() {
    let host = ScriptedHost::new()
        .with("left", Turn::answers("l").after(seconds(60)))
        .with("right", Turn::answers("r").after(seconds(50)));
    let world = World::new(host);
    let run = start(&world.engine(), fork()).await;
    assert_eq!(standing(&run.wait().await.unwrap()), "success: done, done, done");
    assert_eq!(world.host.arrived(), ["left/1/1/1", "right/1/1/1", "end/1/1/1"]);
    assert!(world.began.elapsed() < seconds(65), "{:?}", world.began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn corner_01_a_run_is_at_rest_once_nothing_is_in_flight_and_its_gates_are_answered_one_by_one() {
    let host = ScriptedHost::new()
        .with("left", Turn::fails(refused()).after(seconds(60)))
        .with("right", Turn::fails(refused()));
    let world = World::new(host);
    let engine = world.engine();
    let mut events = engine.subscribe();
    let run = start(&engine, fork()).await;
    event(&mut events, |event| matches!(event.body, EventBody::GateOpened { .. })).await;
    assert_eq!(standing(&run.view()), "running (intervene=on-error): running, gated, pending");
    let paused = run.wait().await.unwrap();
    assert_eq!(standing(&paused), "paused (intervene=on-error): gated, gated, pending");
    assert!(world.began.elapsed() >= seconds(60), "the sibling has finished first");
    let gates: Vec<_> = paused.gate.iter().chain(&paused.gates).map(|gate| gate.step.as_str()).collect();
    assert_eq!(gates, ["right", "left"]);

    engine.request(run.id(), decide_at(Some(&paused), Decision::Skip)).await.unwrap();
    let one_left = run.wait().await.unwrap();
    assert_eq!(standing(&one_left), "paused (intervene=on-error): gated, skipped, pending");
    engine.request(run.id(), decide_at(Some(&one_left), Decision::Continue)).await.unwrap();
    assert_eq!(standing(&run.wait().await.unwrap()), "success: done, skipped, done");
    assert_eq!(world.host.arrived(), ["left/1/1/1", "right/1/1/1", "left/1/2/1", "end/1/1/1"]);
}

#[tokio::test(start_paused = true)]
async fn corner_01_without_anybody_to_ask_the_sibling_is_aborted_and_the_run_ends() {
    let host = ScriptedHost::new().with("left", Turn::hangs()).with("right", Turn::fails(refused()));
    let world = World::new(host);
    let never = json!({ "policy": { "execution": "auto", "intervene": "never" } });
    let run = start(&world.engine(), fork_with(never)).await;
    assert_eq!(standing(&run.wait().await.unwrap()), "error: failed, failed, pending");
    assert!(world.host.calls().contains(&"abort left/1/1/1".to_owned()), "{:?}", world.host.calls());
    assert!(nobody_drives(&*world.store, run.id()).await);
}

#[tokio::test(start_paused = true)]
async fn another_process_looks_after_all_that_was_in_flight() {
    let host = ScriptedHost::new()
        .with("left", Turn::answers("l").after(seconds(60)))
        .with("right", Turn::answers("r").after(seconds(60)));
    let world = World::new(host);
    let store = Arc::new(world.faulty_store());
    let doomed = world.doomed_engine(store);
    let mut events = doomed.subscribe();
    let run = start(&doomed, fork()).await;
    let id = run.id().clone();
    for _ in 0..2 {
        event(&mut events, |event| matches!(event.body, EventBody::StepProgress { .. })).await;
    }
    drop((run, doomed));
    let engine = world.engine();
    let view = engine.resume(&id).await.unwrap().wait().await.unwrap();
    assert_eq!(standing(&view), "success: done, done, done");
    assert_eq!(world.host.arrived(), ["left/1/1/1", "right/1/1/1", "end/1/1/1"], "nothing was sent twice");
}
