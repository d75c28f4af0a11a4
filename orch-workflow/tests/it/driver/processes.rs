//! Several engines on one store, as several processes are.

use orch_workflow::{
    decision::{Rejected, Reply},
    driver::{Disposition, EngineError, EngineErrorKind},
    store::StoreError,
    testing::Turn,
};

use super::*;

fn long_world() -> World {
    World::new(ScriptedHost::new().with("plan", Turn::answers("done").after(seconds(60))))
}

#[tokio::test(start_paused = true)]
async fn of_two_that_continue_a_run_one_is_locked_out_with_the_owners_name() {
    let world = long_world();
    let (one, other) = (world.engine(), world.engine());
    let run = start(&one, plan(&["plan", "fix"])).await;
    tokio::time::sleep(seconds(30)).await;
    let error = other.resume(run.id()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (EngineErrorKind::Locked, "orch::run::locked"));
    assert_eq!(error.disposition(), Disposition::Retry);
    match error {
        EngineError::Store(StoreError::Locked { owner, since, .. }) => {
            assert_eq!((*owner, since), (Owner::current(), Timestamp(1_700_000_000_000)));
        }
        other => panic!("{other:?}"),
    }
    let seen = other.view(run.id()).await.unwrap();
    assert_eq!((seen.owner.unwrap().pid, seen.interrupted), (std::process::id(), false));
    assert!(succeeded(&run.wait().await.unwrap()));
    assert_eq!(world.host.arrived(), ["plan/1/1/1", "fix/1/1/1"]);
}

/// Promise: any process may ask; the owner takes it up within a second.
#[tokio::test(start_paused = true)]
async fn requests_of_another_process_reach_the_owner_within_a_second() {
    for (request, expected) in [
        (pause(), "paused (user): gated, pending"),
        (cancel(), "cancelled: failed, pending"),
        (Request::Interrupt { by: "ann".into() }, "paused (aborted): gated, pending"),
    ] {
        let world = long_world();
        let (one, other) = (world.engine(), world.engine());
        let run = start(&one, plan(&["plan", "fix"])).await;
        tokio::time::sleep(seconds(5)).await;
        let asked = Instant::now();
        let told = other.request(run.id(), request.clone()).await.unwrap();
        assert!(asked.elapsed() < seconds(1), "{request:?} took {:?}", asked.elapsed());
        assert_eq!(told.reply, Reply::Accepted);
        assert!(told.run.is_none(), "another process drives it");
        assert_eq!(standing(&run.wait().await.unwrap()), expected, "{request:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_of_the_owner_come_back() {
    let world = long_world();
    let (one, other) = (world.engine(), world.engine());
    let run = start(&one, plan(&["plan", "fix"])).await;
    tokio::time::sleep(seconds(5)).await;
    let refused = other.request(run.id(), decide(Decision::Continue)).await.unwrap_err();
    assert_eq!(refused.code(), "orch::run::no-gate");
}

/// A paused run holds no lease: whoever decides drives on.
#[tokio::test(start_paused = true)]
async fn whoever_decides_drives_on() {
    let world = World::new(ScriptedHost::new());
    let (one, other) = (world.engine(), world.engine());
    let stepwise = plan_with(
        &["a", "b", "c"],
        json!({"policy": {"execution": "step", "intervene": "on-error"}}),
        json!({}),
    );
    let run = start(&one, stepwise).await;
    assert_eq!(standing(&run.wait().await.unwrap()), "paused (execution=step): gated, pending, pending");
    let driven = other.request(run.id(), decide(Decision::Continue)).await.unwrap().run.unwrap();
    assert_eq!(standing(&driven.wait().await.unwrap()), "paused (execution=step): done, gated, pending");
    one.request(run.id(), decide(Decision::Continue)).await.unwrap();
    assert!(succeeded(&run.wait().await.unwrap()));
    assert_eq!(standing(&other.view(run.id()).await.unwrap()), "success: done, done, done");
}

/// Fault: a gate answered twice. Exactly one wins, the other is told.
#[tokio::test(start_paused = true)]
async fn of_two_decisions_at_once_one_wins() {
    let world = World::new(ScriptedHost::new());
    let engines = [world.engine(), world.engine(), world.engine()];
    let stepwise =
        plan_with(&["a", "b"], json!({"policy": {"execution": "step", "intervene": "on-error"}}), json!({}));
    let run = start(&engines[0], stepwise).await;
    let gate = run.wait().await.unwrap();
    let decide = |engine: &Engine| {
        let (engine, run, request) =
            (engine.clone(), run.id().clone(), decide_at(Some(&gate), Decision::Continue));
        async move { engine.request(&run, request).await }
    };
    let (one, two, three, four) =
        tokio::join!(decide(&engines[0]), decide(&engines[1]), decide(&engines[2]), decide(&engines[0]));
    let (won, lost): (Vec<_>, Vec<_>) = [one, two, three, four].into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1, "{lost:?}");
    for lost in lost {
        assert_eq!(lost.unwrap_err().code(), "orch::run::gate-already-resolved");
    }
    run.wait().await.unwrap();
    let settled = || async { standing(&engines[1].view(run.id()).await.unwrap()) };
    while settled().await != "success: done, done" {
        tokio::time::sleep(seconds(1)).await;
        assert!(world.began.elapsed() < seconds(20), "{}", settled().await);
    }
    assert_eq!(world.host.arrived(), ["a/1/1/1", "b/1/1/1"]);
}

/// Who is refused goes away, so of two that answer at once the one that came to drive has to win.
#[tokio::test(start_paused = true)]
async fn whoever_takes_a_run_up_to_decide_is_heard_before_those_who_left_a_decision() {
    let world = World::new(ScriptedHost::new());
    let engine = world.engine();
    let stepwise =
        plan_with(&["a", "b"], json!({"policy": {"execution": "step", "intervene": "on-error"}}), json!({}));
    let run = start(&engine, stepwise).await;
    let gate = run.wait().await.unwrap();
    let left = decide_at(Some(&gate), Decision::Abort);
    let left = world.store.post(run.id(), &left, engine.now()).await.unwrap();
    let told = engine.request(run.id(), decide_at(Some(&gate), Decision::Continue)).await.unwrap();
    assert_eq!(told.reply, Reply::Accepted);
    assert_eq!(standing(&told.run.unwrap().wait().await.unwrap()), "success: done, done");
    let reply = world.store.reply_to(run.id(), left).await.unwrap();
    assert!(matches!(reply, Some(Reply::Refused(Rejected::GateAlreadyResolved { .. }))), "{reply:?}");
}

/// A decision that a run refuses as it stands is no reason to drive it on.
#[tokio::test(start_paused = true)]
async fn a_refused_decision_leaves_an_interrupted_run_alone() {
    let world = long_world();
    let one = world.engine();
    let run = start(&one, plan(&["plan", "fix"])).await.id().clone();
    tokio::time::sleep(seconds(5)).await;
    one.shutdown(seconds(1)).await;
    let other = world.engine();
    let refused = other.request(&run, decide(Decision::Continue)).await.unwrap_err();
    assert_eq!(refused.code(), "orch::run::no-gate");
    let view = other.view(&run).await.unwrap();
    assert!(view.interrupted && view.owner.is_none(), "{view:?}");
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_does_not_answer_is_named_and_the_request_stays() {
    let world = long_world();
    let store = Arc::new(world.faulty_store());
    let hung = world.engine_on(Arc::clone(&store) as _, Owner::current());
    let run = start(&hung, plan(&["plan", "fix"])).await;
    tokio::time::sleep(seconds(1)).await;
    store.sever();
    let error = world.engine().request(run.id(), pause()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (EngineErrorKind::NoReply, "orch::run::no-reply"));
    assert_eq!(error.disposition(), Disposition::InDoubt);
    assert!(error.to_string().contains(&format!("process {} on", std::process::id())), "{error}");
    assert_eq!(world.store.requests(run.id()).await.unwrap().len(), 1);
}

/// An owner that dies between the request and its reply is replaced by whoever asked.
#[tokio::test(start_paused = true)]
async fn a_request_outlives_the_owner_it_was_meant_for() {
    let world = long_world();
    let store = Arc::new(world.faulty_store());
    // On another machine, so that only its lease tells of its death.
    let one = world.engine_on(Arc::clone(&store) as _, Owner::elsewhere(7, "far.example"));
    let run = start(&one, plan(&["plan", "fix"])).await.id().clone();
    tokio::time::sleep(seconds(13)).await;
    store.sever();
    drop(one);
    // Renewed for the last time after 10 s: it expires after 25 s, while the request waits for its reply.
    tokio::time::sleep(seconds(9)).await;
    let told = world.engine().request(&run, pause()).await.unwrap();
    assert!((25..26).contains(&world.began.elapsed().as_secs()), "{:?}", world.began.elapsed());
    assert_eq!(standing(&told.run.unwrap().wait().await.unwrap()), "paused (user): gated, pending");
    assert_eq!(world.host.arrived(), ["plan/1/1/1"]);
}
