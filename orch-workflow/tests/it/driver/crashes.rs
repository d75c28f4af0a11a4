//! Fault: `kill -9` of the orchestrator at any journal boundary, with the effect done or not done.

use orch_workflow::{
    attempt::{AttemptError, ErrorCode},
    testing::{Fault, StoreFault, Turn},
};

use super::*;

/// Every append of a run is once the last thing before, and once the last thing after, the process dies. Whoever goes
/// on comes to the same end, and no prompt is sent twice.
#[tokio::test(start_paused = true)]
async fn a_run_survives_a_crash_at_any_append() {
    let steps = ["plan", "implement", "review"];
    let script = || {
        ScriptedHost::new()
            .with("plan", Turn::answers("the plan"))
            .with("implement", Turn::answers("the change").after(seconds(30)))
    };
    let whole = {
        let world = World::new(script());
        let store = Arc::new(world.faulty_store());
        let engine = world.doomed_engine(Arc::clone(&store));
        start(&engine, plan(&steps)).await.wait().await.unwrap();
        store.appends()
    };
    assert!(whole >= 6, "{whole} appends");
    for number in 1..=whole {
        for (crash, later) in [
            (StoreFault::CrashesBefore, seconds(0)),
            (StoreFault::CrashesAfter, seconds(0)),
            (StoreFault::CrashesAfter, seconds(60)),
        ] {
            let world = World::new(script());
            let case = format!("{crash:?} append {number}, continued {later:?} later");
            let store = Arc::new(world.faulty_store().with(number, crash));
            let engine = world.doomed_engine(Arc::clone(&store));
            let run = start(&engine, plan(&steps)).await.id().clone();
            store.severed().await;
            drop(engine);
            tokio::time::sleep(later).await;

            let next = world.engine();
            let left = next.view(&run).await.unwrap();
            assert_eq!(left.interrupted, left.status == RunStatus::Running, "{case}");
            assert_eq!(left.owner, None, "{case}");
            let view = next.resume(&run).await.unwrap().wait().await.unwrap();
            assert_eq!(standing(&view), "success: done, done, done", "{case}");
            assert_eq!(view.steps[1].text.as_deref(), Some("the change"), "{case}");
            assert_eq!(world.host.arrived(), ["plan/1/1/1", "implement/1/1/1", "review/1/1/1"], "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_given_while_nobody_looked_is_adopted_with_a_remark() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(30))));
    let store = Arc::new(world.faulty_store());
    let engine = world.doomed_engine(Arc::clone(&store));
    let run = start(&engine, plan(&["plan"])).await.id().clone();
    tokio::time::sleep(seconds(5)).await;
    store.sever();
    drop(engine);
    tokio::time::sleep(seconds(60)).await;
    let view = world.engine().resume(&run).await.unwrap().wait().await.unwrap();
    assert!(succeeded(&view));
    let codes: Vec<_> = view.steps[0].attempts[0].warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [orch_workflow::attempt::WarningCode::Reconciled]);
    assert_eq!(world.host.calls(), ["place plan/1/1/1", "send plan/1/1/1", "probe plan/1/1/1"]);
}

/// What people asked for while nobody drove the run holds before anything new begins.
#[tokio::test(start_paused = true)]
async fn requests_to_a_dead_owner_hold_before_anything_new_begins() {
    for (request, expected) in [
        (pause(), "paused (user): gated, pending"),
        (cancel(), "cancelled: failed, pending"),
        (Request::Interrupt { by: "ann".into() }, "paused (aborted): gated, pending"),
    ] {
        for posted in [true, false] {
            let world =
                World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(30))));
            let store = Arc::new(world.faulty_store());
            let engine = world.doomed_engine(Arc::clone(&store));
            let run = start(&engine, plan(&["plan", "fix"])).await.id().clone();
            tokio::time::sleep(seconds(5)).await;
            store.sever();
            drop(engine);

            let next = world.engine();
            let run = if posted {
                let id = world.store.post(&run, &request, Timestamp(0)).await.unwrap();
                let driven = next.resume(&run).await.unwrap();
                driven.wait().await.unwrap();
                assert!(world.store.reply_to(&run, id).await.unwrap().is_some(), "{request:?}");
                driven
            } else {
                next.request(&run, request.clone()).await.unwrap().run.unwrap()
            };
            assert_eq!(standing(&run.wait().await.unwrap()), expected, "{request:?}, posted: {posted}");
            assert_eq!(world.host.arrived(), ["plan/1/1/1"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_nobody_can_know_about_is_never_run_again_by_itself() {
    let unknown = Turn::answers("done").but(Fault::ProbeUnknown(u32::MAX));
    let world = World::new(ScriptedHost::new().with("plan", unknown).with("plan", Turn::answers("again")));
    let store = Arc::new(world.faulty_store().with(3, StoreFault::CrashesBefore));
    let engine = world.doomed_engine(Arc::clone(&store));
    let run = start(&engine, plan(&["plan", "fix"])).await.id().clone();
    store.severed().await;
    drop(engine);
    let next = world.engine();
    let view = next.resume(&run).await.unwrap().wait().await.unwrap();
    assert_eq!(standing(&view), "paused (in-doubt): in-doubt, pending");
    assert_eq!(world.host.arrived(), ["plan/1/1/1"]);
    let refused = next.request(&run, decide(Decision::Continue)).await.unwrap_err();
    assert_eq!(refused.code(), "orch::run::decision-not-allowed");
    let retry = Decision::Retry { note: None, session: None };
    let driven = next.request(&run, decide(retry)).await.unwrap().run.unwrap();
    assert!(succeeded(&driven.wait().await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_changed_definition_stops_a_run_that_is_taken_up() {
    let failing = Turn::fails(AttemptError::new(ErrorCode::Auth, "no key"));
    let world = World::new(ScriptedHost::new().with("plan", failing));
    let run = start(&world.engine(), plan(&["plan", "fix"])).await;
    run.wait().await.unwrap();
    let edited = plan_with(&["plan", "fix"], json!({}), json!({"prompt": "something else"}));
    let engine = Engine::builder(Arc::clone(&world.store), world.host.executor())
        .definitions(Arc::new(move |_| Some(edited.clone())))
        .build();
    let driven = engine.request(run.id(), decide(Decision::Continue)).await.unwrap().run.unwrap();
    let view = driven.wait().await.unwrap();
    assert!(standing(&view).starts_with("paused (definition-changed)"), "{}", standing(&view));
    assert_eq!(world.host.arrived(), ["plan/1/1/1"]);
    let driven = engine.request(run.id(), decide(Decision::Continue)).await.unwrap().run.unwrap();
    assert!(succeeded(&driven.wait().await.unwrap()), "the journaled definition finishes the run");
}

#[tokio::test(start_paused = true)]
async fn an_orderly_shutdown_leaves_everything_to_be_continued() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(30))));
    let engine = world.engine();
    let run = start(&engine, plan(&["plan", "fix"])).await;
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(engine.shutdown(seconds(1)).await, [run.id().clone()]);
    assert!(world.began.elapsed() < seconds(6), "nothing to wait for");
    assert!(nobody_drives(&*world.store, run.id()).await);
    assert_eq!(run.wait().await.unwrap_err().code(), "orch::run::shut-down");
    assert_eq!(engine.resume(run.id()).await.unwrap_err().code(), "orch::run::shut-down");
    assert_eq!(engine.request(run.id(), pause()).await.unwrap_err().code(), "orch::run::shut-down");
    assert!(engine.view(run.id()).await.unwrap().interrupted);
    assert!(!world.host.calls().contains(&"abort plan/1/1/1".to_owned()));

    assert!(succeeded(&world.engine().resume(run.id()).await.unwrap().wait().await.unwrap()));
    assert_eq!(world.host.arrived(), ["plan/1/1/1", "fix/1/1/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_store_that_hangs() {
    let world = World::new(ScriptedHost::new());
    let store = Arc::new(world.faulty_store().with(2, StoreFault::Hangs));
    let engine = world.engine_on(Arc::clone(&store) as _, Owner::current());
    let run = start(&engine, plan(&["plan"])).await;
    tokio::time::sleep(seconds(1)).await;
    store.sever();
    engine.shutdown(seconds(2)).await;
    assert!(world.began.elapsed() < seconds(6), "{:?}", world.began.elapsed());
    assert_eq!(run.wait().await.unwrap_err().code(), "orch::run::shut-down");
}

/// Nobody holds the engine any more: its runs stop, and whoever comes next need not wait for their leases.
#[tokio::test(start_paused = true)]
async fn an_engine_that_is_dropped_lets_go_of_its_runs() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(30))));
    let engine = world.engine();
    let run = start(&engine, plan(&["plan", "fix"])).await;
    drop(engine);
    tokio::time::sleep(seconds(5)).await;
    assert!(!nobody_drives(&*world.store, run.id()).await, "the handle keeps it going");
    let id = run.id().clone();
    drop(run);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(world.host.arrived(), ["plan/1/1/1"]);
    assert!(nobody_drives(&*world.store, &id).await);
    assert!(succeeded(&world.engine().resume(&id).await.unwrap().wait().await.unwrap()));
    assert_eq!(world.host.arrived(), ["plan/1/1/1", "fix/1/1/1"]);
}
