//! Workers and stores that fail.

use orch_workflow::{
    attempt::{AttemptError, ErrorCode, WarningCode},
    driver::{Disposition, EngineErrorKind, Runs},
    store::StoreError,
    testing::{Fault, StoreFault, Turn},
};

use super::*;

fn unreachable_host() -> AttemptError {
    AttemptError::new(ErrorCode::Unreachable, "connection refused")
}

/// Each fault of a worker, how the step ends, and what the host was asked.
#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_makes_an_outcome_and_never_a_second_prompt() {
    use ErrorCode::{Internal, Unreachable};
    let failed = |code| (Some(code), "paused (intervene=on-error): gated, pending");
    let fine = (None, "success: done, done");
    let table = [
        (Fault::PlaceFails(unreachable_host()), failed(Unreachable), "place", 0),
        (Fault::PlacePanics, failed(Internal), "place", 0),
        (Fault::SendRefused(unreachable_host()), failed(Unreachable), "place send", 0),
        (Fault::SendInDoubt { arrived: true }, fine, "place send probe", 1),
        (Fault::SendInDoubt { arrived: false }, fine, "place send probe send", 1),
        (Fault::SendPanics { arrived: true }, failed(Internal), "place send abort", 1),
        (Fault::SendPanics { arrived: false }, failed(Internal), "place send abort", 0),
        (Fault::TaskEnds, fine, "place send probe", 1),
    ];
    for (fault, (code, expected), calls, prompts) in table {
        let turn = Turn::answers("plan done").but(fault.clone());
        let world = World::new(ScriptedHost::new().with("plan", turn));
        let view = start(&world.engine(), plan(&["plan", "fix"])).await.wait().await.unwrap();
        assert_eq!(standing(&view), expected, "{fault:?}");
        let error = view.steps[0].attempts[0].error.as_ref().map(|error| error.code);
        assert_eq!(error, code, "{fault:?}");
        let of_plan = |calls: Vec<String>| {
            let own = calls.into_iter().filter(|call| call.ends_with("plan/1/1/1"));
            own.map(|call| call.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of_plan(world.host.calls()).join(" "), calls, "{fault:?}");
        assert_eq!(of_plan(world.host.arrived()).len(), prompts, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_tell_for_a_moment_is_asked_again() {
    let turn = Turn::answers("done").but(Fault::SendInDoubt { arrived: true });
    let world = World::new(ScriptedHost::new().with("plan", turn));
    let view = start(&world.engine(), plan(&["plan"])).await.wait().await.unwrap();
    assert!(succeeded(&view));
    assert_eq!(view.steps[0].attempts[0].warnings.len(), 0, "it was followed again before it was done");

    let turn = Turn::hangs().but(Fault::ProbePanics);
    let world = World::new(ScriptedHost::new().with("plan", turn));
    let store = Arc::new(world.faulty_store());
    let engine = world.doomed_engine(Arc::clone(&store));
    let run = start(&engine, plan(&["plan"])).await.id().clone();
    tokio::time::sleep(seconds(1)).await;
    store.sever();
    drop(engine);
    let view = world.engine().resume(&run).await.unwrap().wait().await.unwrap();
    assert_eq!(standing(&view), "paused (in-doubt): in-doubt");
}

#[tokio::test(start_paused = true)]
async fn an_abort_that_fails_still_ends_the_run_and_says_what_may_run_on() {
    for fault in [Fault::AbortHangs, Fault::AbortPanics, Fault::AbortFails(unreachable_host())] {
        let world = World::new(ScriptedHost::new().with("plan", Turn::hangs().but(fault.clone())));
        let engine = world.engine();
        let run = start(&engine, plan(&["plan"])).await;
        tokio::time::sleep(seconds(1)).await;
        engine.request(run.id(), cancel()).await.unwrap();
        let view = run.wait().await.unwrap();
        assert_eq!(view.status, RunStatus::Cancelled, "{fault:?}");
        assert!(view.notes[0].contains("ses_plan may still run"), "{fault:?}: {:?}", view.notes);
        assert!(world.began.elapsed() < seconds(12), "{fault:?}");
    }
}

/// A prompt that has not left when its step is stopped must never leave.
#[tokio::test(start_paused = true)]
async fn a_send_that_hangs_is_ended_before_the_abort() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::answers("late").but(Fault::SendHangs)));
    let quick = plan_with(&["plan"], json!({}), json!({"timeout_ms": 5_000}));
    let view = start(&world.engine(), quick).await.wait().await.unwrap();
    assert_eq!(view.steps[0].attempts[0].error.as_ref().unwrap().code, ErrorCode::Timeout);
    tokio::time::sleep(seconds(120)).await;
    assert_eq!(world.host.arrived(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_moment_is_tried_again() {
    let gone = || StoreError::Unavailable {
        action: "write",
        path: "/store".into(),
        reason: "busy".into(),
        transient: true,
    };
    for fault in [StoreFault::Fails(gone()), StoreFault::Hangs, StoreFault::LosesItsAnswer] {
        for number in 1..=4 {
            let world = World::new(ScriptedHost::new());
            let store = Arc::new(world.faulty_store().with(number, fault.clone()));
            let engine = world.engine_on(store, Owner::current());
            let view = start(&engine, plan(&["plan", "fix"])).await.wait().await.unwrap();
            assert!(succeeded(&view), "{fault:?} at {number}");
            assert_eq!(world.host.arrived(), ["plan/1/1/1", "fix/1/1/1"], "{fault:?} at {number}");
        }
    }
}

/// Fault: disk full. The driver stops dispatching, aborts gracefully, says so; it goes on when space returns.
#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_run_until_there_is_room() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(5))));
    let store = Arc::new(world.faulty_store());
    let engine = world.engine_on(Arc::clone(&store) as _, Owner::current());
    let run = start(&engine, plan(&["plan", "fix"])).await;
    tokio::time::sleep(seconds(3)).await;
    store.fill();
    let error = run.wait().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (EngineErrorKind::Store, "orch::store::unavailable"));
    assert_eq!(error.disposition(), Disposition::Retry);
    assert!(world.began.elapsed() < seconds(17), "{:?}", world.began.elapsed());
    assert_eq!(world.host.arrived(), ["plan/1/1/1"], "nothing is dispatched without a durable intent");
    assert!(engine.view(run.id()).await.unwrap().interrupted);

    store.make_room();
    let view = engine.resume(run.id()).await.unwrap().wait().await.unwrap();
    assert!(succeeded(&view));
    assert_eq!(view.steps[0].attempts[0].warnings[0].code, WarningCode::Reconciled);
    assert_eq!(world.host.arrived(), ["plan/1/1/1", "fix/1/1/1"]);
}

#[tokio::test(start_paused = true)]
async fn work_in_flight_is_aborted_when_nothing_can_be_journaled_any_more() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::hangs()));
    let store = Arc::new(world.faulty_store());
    let engine = world.engine_on(Arc::clone(&store) as _, Owner::current());
    let run = start(&engine, plan(&["plan", "fix"])).await;
    tokio::time::sleep(seconds(3)).await;
    store.fill();
    engine.request(run.id(), pause()).await.unwrap_err();
    run.wait().await.unwrap_err();
    assert_eq!(world.host.calls().last().unwrap(), "abort plan/1/1/1");
}

/// Fault: a stale lease holder cannot write, and does nothing any more.
#[tokio::test(start_paused = true)]
async fn whoever_was_taken_over_stops_at_once() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(60))));
    let stale = world.engine_on(Arc::clone(&world.store), Owner::elsewhere(7, "far.example"));
    let run = start(&stale, plan(&["plan", "fix"])).await;
    tokio::time::sleep(seconds(1)).await;
    // Its lease is taken as expired, as it would be had it been suspended.
    let later = Timestamp(1_700_000_000_000).plus_ms(100_000);
    let lease = world.store.acquire(run.id(), &Owner::current(), later).await.unwrap();
    let error = run.wait().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (EngineErrorKind::Fenced, "orch::run::fenced"));
    assert!(world.began.elapsed() < seconds(7), "found out with the next heartbeat");
    assert_eq!(world.host.calls(), ["place plan/1/1/1", "send plan/1/1/1"], "no abort: the run is another's");
    world.store.release(&lease).await.unwrap();
    assert!(succeeded(&world.engine().resume(run.id()).await.unwrap().wait().await.unwrap()));
    assert_eq!(world.host.arrived(), ["plan/1/1/1", "fix/1/1/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_fenced_append_has_no_effect() {
    let world = World::new(ScriptedHost::new());
    let run_id = RunId::new("run_x").unwrap();
    let store = Arc::new(world.faulty_store().with(4, StoreFault::Fails(StoreError::Fenced(run_id))));
    let engine = world.engine_on(store, Owner::current());
    let error = start(&engine, plan(&["plan", "fix"])).await.wait().await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Fenced);
    assert_eq!(world.host.arrived(), ["plan/1/1/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_journal_is_told_and_hides_no_other_run() {
    let world = World::new(ScriptedHost::new());
    let engine = world.engine();
    let run = start(&engine, plan(&["plan"])).await;
    run.wait().await.unwrap();
    let damaged = RunId::new("run_0").unwrap();
    let lease = world.store.create(&damaged, &[], &Owner::current(), Timestamp(0)).await.unwrap();
    world.store.release(&lease).await.unwrap();
    let error = engine.resume(&damaged).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (EngineErrorKind::Store, "orch::store::corrupt"));
    assert_eq!(error.disposition(), Disposition::Terminal);
    assert!(nobody_drives(&*world.store, &damaged).await, "the lease is given back");
    let views: Vec<_> =
        engine.views(Runs::All).await.unwrap().into_iter().map(|(run, view)| (run, view.is_ok())).collect();
    assert_eq!(views, [(run.id().clone(), true), (damaged, false)]);
}

/// Fault: a panic in the engine's own task. The lease is given back, and the run can be taken up at once.
#[tokio::test(start_paused = true)]
async fn a_panic_while_driving_leaves_a_run_that_can_be_taken_up_at_once() {
    let commits = {
        let world = World::new(ScriptedHost::new());
        let store = Arc::new(world.faulty_store());
        let engine = world.engine_on(Arc::clone(&store) as _, Owner::current());
        start(&engine, plan(&["plan", "fix"])).await.wait().await.unwrap();
        store.appends()
    };
    assert!(commits >= 5, "{commits}");
    for number in 1..=commits {
        let world = World::new(ScriptedHost::new());
        let store = Arc::new(world.faulty_store().with(number, StoreFault::Panics));
        let engine = world.engine_on(store, Owner::current());
        let run = start(&engine, plan(&["plan", "fix"])).await;
        let error = run.wait().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (EngineErrorKind::Internal, "orch::run::internal"));
        assert!(nobody_drives(&*world.store, run.id()).await, "append {number}");
        let interrupted = engine.view(run.id()).await.unwrap();
        assert_eq!(interrupted.status, RunStatus::Running);
        let again = if number % 2 == 0 { engine } else { world.engine() };
        let view = again.resume(run.id()).await.unwrap().wait().await.unwrap();
        assert!(succeeded(&view), "append {number}: {}", standing(&view));
        assert_eq!(world.host.arrived(), ["plan/1/1/1", "fix/1/1/1"], "append {number}");
    }
}

/// What an embedder brings along may panic, too, while a run is being taken up.
#[tokio::test(start_paused = true)]
async fn a_panic_while_a_run_is_taken_up_leaves_its_lease_free() {
    let world = World::new(ScriptedHost::new());
    let stepwise = json!({"policy": {"execution": "step", "intervene": "on-error"}});
    let run = start(&world.engine(), plan_with(&["plan", "fix"], stepwise, json!({}))).await;
    run.wait().await.unwrap();
    let broken = Engine::builder(Arc::clone(&world.store), world.host.executor())
        .definitions(Arc::new(|_| panic!("of the embedder's own")))
        .build();
    let error = broken.resume(run.id()).await.unwrap_err();
    assert_eq!(error.code(), "orch::run::internal");
    assert!(nobody_drives(&*world.store, run.id()).await);
    let driven = world.engine().request(run.id(), decide(Decision::Continue)).await.unwrap().run.unwrap();
    assert!(succeeded(&driven.wait().await.unwrap()));
}
