//! What time alone brings about.

use std::sync::atomic::{AtomicU64, Ordering};

use orch_workflow::{
    attempt::{AttemptError, ErrorCode},
    decision::{DecisionKind, Rejected, Reply},
    driver::EngineError,
    event::EventBody,
    store::LEASE_MS,
    testing::Turn,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_gate_that_nobody_answers_takes_its_default() {
    let failing = Turn::fails(AttemptError::new(ErrorCode::Auth, "no key"));
    let world = World::new(ScriptedHost::new().with("plan", failing));
    let engine = world.engine();
    let mut events = engine.subscribe();
    let timed = json!({"gate_timeout_ms": 60_000, "gate_default": "skip"});
    let run = start(&engine, plan_with(&["plan", "fix"], timed, json!({}))).await;
    let paused = run.wait().await.unwrap();
    assert_eq!(standing(&paused), "paused (intervene=on-error): gated, pending");
    assert!(nobody_drives(&*world.store, run.id()).await, "a paused run holds no lease");
    let resolved = event(&mut events, |event| matches!(event.body, EventBody::GateResolved { .. })).await;
    assert!(matches!(&resolved.body, EventBody::GateResolved { by, .. } if by == "timeout"));
    assert_eq!(resolved.at, paused.gate.unwrap().expires_at.unwrap());
    let view = run.wait().await.unwrap();
    assert_eq!(standing(&view), "success: skipped, done");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_was_answered_in_time_is_left_alone() {
    let failing = Turn::fails(AttemptError::new(ErrorCode::Auth, "no key"));
    let world = World::new(
        ScriptedHost::new().with("plan", failing).with("plan", Turn::answers("done").after(seconds(90))),
    );
    let engine = world.engine();
    let timed = json!({"gate_timeout_ms": 60_000, "gate_default": "abort"});
    let run = start(&engine, plan_with(&["plan"], timed, json!({}))).await;
    run.wait().await.unwrap();
    engine.request(run.id(), decide(Decision::Continue)).await.unwrap();
    assert!(succeeded(&run.wait().await.unwrap()));
    tokio::time::sleep(seconds(120)).await;
    assert_eq!(standing(&engine.view(run.id()).await.unwrap()), "success: done");
}

/// Promise: a gate's time counts whoever lives. Whoever takes the run up finds the default taken.
#[tokio::test(start_paused = true)]
async fn a_decision_that_comes_after_the_gates_time_is_told_that_it_has_expired() {
    for named in [false, true] {
        let (world, paused) = left_at_a_gate_that_expires().await;
        let engine = world.engine();
        let decision = decide_at(Some(&paused).filter(|_| named), Decision::Abort);
        match engine.request(&paused.id, decision).await.unwrap_err() {
            EngineError::Rejected(late) => assert_eq!(late, answered_by_the_timeout(&paused)),
            other => panic!("{other:?}"),
        }
        let view = engine.resume(&paused.id).await.unwrap().wait().await.unwrap();
        assert_eq!(standing(&view), "success: skipped, done", "the run goes on with the default");
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_was_left_and_is_found_after_the_gates_time_is_told_so_too() {
    let (world, paused) = left_at_a_gate_that_expires().await;
    let engine = world.engine();
    let decision = decide_at(Some(&paused), Decision::Abort);
    let left = world.store.post(&paused.id, &decision, engine.now()).await.unwrap();
    let view = engine.resume(&paused.id).await.unwrap().wait().await.unwrap();
    assert_eq!(standing(&view), "success: skipped, done");
    let reply = world.store.reply_to(&paused.id, left).await.unwrap();
    assert_eq!(reply, Some(Reply::Refused(answered_by_the_timeout(&paused))));
}

/// Whoever comes late to end the run ends it, whatever the gate's default would begin.
#[tokio::test(start_paused = true)]
async fn a_cancel_that_comes_after_the_gates_time_ends_the_run_before_anything_begins() {
    let (world, paused) = left_at_a_gate_that_expires().await;
    let told = world.engine().request(&paused.id, cancel()).await.unwrap();
    assert_eq!(standing(&told.run.unwrap().wait().await.unwrap()), "cancelled: failed, pending");
    assert_eq!(world.host.arrived(), ["plan/1/1/1"]);
}

/// A run at a gate that would have skipped the failed step after a minute. Its process ended, an hour ago.
async fn left_at_a_gate_that_expires() -> (World, RunView) {
    let failing = Turn::fails(AttemptError::new(ErrorCode::Auth, "no key"));
    let world = World::new(ScriptedHost::new().with("plan", failing));
    let engine = world.engine();
    let timed = json!({"gate_timeout_ms": 60_000, "gate_default": "skip"});
    let run = start(&engine, plan_with(&["plan", "fix"], timed, json!({}))).await;
    let paused = run.wait().await.unwrap();
    drop((run, engine));
    tokio::time::sleep(seconds(3_600)).await;
    assert_eq!(world.engine().view(&paused.id).await.unwrap().gate, paused.gate, "nobody was there");
    (world, paused)
}

fn answered_by_the_timeout(paused: &RunView) -> Rejected {
    let gate = paused.gate.as_ref().unwrap().id.clone();
    Rejected::GateAlreadyResolved { gate, by: "timeout".to_owned(), decision: DecisionKind::Skip }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_too_long_is_aborted_and_told_so() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::hangs()));
    let quick = plan_with(&["plan"], json!({}), json!({"timeout_ms": 5_000, "idle_warning_ms": 2_000}));
    let view = start(&world.engine(), quick).await.wait().await.unwrap();
    let attempt = &view.steps[0].attempts[0];
    assert_eq!(attempt.error.as_ref().unwrap().code, ErrorCode::Timeout);
    assert_eq!(attempt.warnings[0].code, orch_workflow::attempt::WarningCode::Idle);
    assert_eq!(world.host.calls().last().unwrap(), "abort plan/1/1/1");
    assert!((5..6).contains(&world.began.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_again_after_its_backoff() {
    let lost = || Turn::fails(AttemptError::new(ErrorCode::WorkerLost, "gone"));
    let world = World::new(ScriptedHost::new().with("plan", lost()));
    let retry = json!({"retry": {"maxAttempts": 2, "backoffMs": 30_000, "factor": 2.0, "maxBackoffMs": 60_000,
                                 "on": ["transient"]}});
    let view = start(&world.engine(), plan_with(&["plan"], json!({}), retry)).await.wait().await.unwrap();
    assert_eq!(standing(&view), "success: done");
    assert!((32..33).contains(&world.began.elapsed().as_secs()), "{:?}", world.began.elapsed());
}

/// Fault: the wall clock jumps. No deadline fires early or late, no lease is lost.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_wall_clock_changes_nothing() {
    for jump in [86_400_000_i64, -86_400_000] {
        let world = World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(600))));
        let offset = Arc::new(AtomicU64::new(1_700_000_000_000));
        let (began, read) = (world.began, Arc::clone(&offset));
        let engine = Engine::builder(Arc::clone(&world.store), world.host.executor())
            .wall_clock(move || {
                Timestamp(read.load(Ordering::SeqCst)).plus_ms(began.elapsed().as_millis() as u64)
            })
            .build();
        let run = start(&engine, plan_with(&["plan"], json!({}), json!({"timeout_ms": 900_000}))).await;
        tokio::time::sleep(seconds(60)).await;
        offset.fetch_add(jump as u64, Ordering::SeqCst);
        let view = run.wait().await.unwrap();
        assert_eq!(standing(&view), "success: done", "{jump}");
        assert_eq!(view.active_ms / 1_000, 600, "{jump}");
        let events = engine.events(run.id(), 0).await.unwrap();
        assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at), "{jump}");
    }
}

/// Fault: the process is stopped for an hour in the middle of a step, and the answer came meanwhile or comes later.
#[tokio::test(start_paused = true)]
async fn the_time_in_which_the_process_stood_still_counts_for_no_step() {
    let limits = json!({"timeout_ms": 30_000, "idle_warning_ms": 28_000});
    for (takes, active_s) in [(1_800, 9..=10), (3_625, 24..=25)] {
        let world = World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(takes))));
        let engine = world.engine();
        let run = start(&engine, plan_with(&["plan"], json!({}), limits.clone())).await;
        tokio::time::sleep(seconds(10)).await;
        tokio::time::advance(seconds(3_600)).await;
        let view = run.wait().await.unwrap();
        assert_eq!(standing(&view), "success: done", "{takes}");
        assert_eq!(view.steps[0].attempts[0].warnings, [], "{takes}");
        assert!(active_s.contains(&(view.active_ms / 1_000)), "{takes}: {}", view.active_ms);
        assert_eq!(engine.view(run.id()).await.unwrap(), run.view(), "the journal says the same");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_hangs_still_times_out_after_the_process_stood_still() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::hangs()));
    let quick = plan_with(&["plan"], json!({}), json!({"timeout_ms": 30_000}));
    let run = start(&world.engine(), quick).await;
    tokio::time::sleep(seconds(10)).await;
    tokio::time::advance(seconds(3_600)).await;
    let view = run.wait().await.unwrap();
    assert_eq!(view.steps[0].attempts[0].error.as_ref().unwrap().code, ErrorCode::Timeout);
    assert_eq!(world.began.elapsed().as_secs(), 3_630);
}

/// A cancel that another process has left is read before anything is begun for which the time has come.
#[tokio::test(start_paused = true)]
async fn what_was_asked_for_while_the_process_stood_still_comes_before_what_time_brings_about() {
    let failing = Turn::fails(AttemptError::new(ErrorCode::Auth, "no key"));
    let host = ScriptedHost::new().with("a", failing).with("b", Turn::hangs());
    let timed = json!({"gate_timeout_ms": 60_000, "gate_default": "skip"});
    let world = World::new(host);
    let engine = world.engine();
    let mut both = plan_with(&["a", "b", "c"], timed, json!({}));
    (both.steps[1].needs, both.steps[2].needs) = (vec![], vec![both.steps[0].id.clone()]);
    let run = start(&engine, both).await;
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(standing(&run.view()), "running (intervene=on-error): gated, running, pending");
    world.store.post(run.id(), &cancel(), engine.now()).await.unwrap();
    tokio::time::advance(seconds(3_600)).await;
    assert_eq!(standing(&run.wait().await.unwrap()), "cancelled: failed, failed, pending");
    assert_eq!(world.host.arrived(), ["a/1/1/1", "b/1/1/1"]);
}

/// Fault: the process is stopped for longer than its lease lasts, and one on another machine, which cannot see that it
/// lives, has taken the run over meanwhile.
#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_past_its_lease_is_told_that_it_has_lost_the_run() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(1_800))));
    let engine = world.engine_on(Arc::clone(&world.store), Owner::elsewhere(7, "far.example"));
    let run = start(&engine, plan_with(&["plan", "fix"], json!({}), json!({"timeout_ms": 30_000}))).await;
    tokio::time::sleep(seconds(10)).await;
    let later = engine.now().plus_ms(LEASE_MS);
    world.store.acquire(run.id(), &Owner::current(), later).await.unwrap();
    let journal = world.store.load(run.id(), 0).await.unwrap();
    tokio::time::advance(seconds(3_600)).await;
    assert_eq!(run.wait().await.unwrap_err().code(), "orch::run::fenced");
    assert_eq!(world.store.load(run.id(), 0).await.unwrap(), journal, "nothing more was written here");
    assert_eq!(world.host.arrived(), ["plan/1/1/1"]);
    assert!(!world.host.calls().iter().any(|call| call.starts_with("abort")), "{:?}", world.host.calls());
}
