//! Runs that go as they should, with people who decide.

use orch_config::kind::WorkerKind;
use orch_workflow::{
    attempt::{AttemptError, ErrorCode, Settled},
    decision::{Rejected, Reply},
    driver::{EngineErrorKind, Runs},
    event::{EventBody, StepProgress},
    port::{Ask, AskId, AskReply, Progress, Update},
    status::{StatusBody, WorkerEvent, WorkerStatus},
    store::{Retention, SqliteStore},
    testing::Turn,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_workflow_runs_to_its_end_with_one_prompt_a_step() {
    let world = World::new(ScriptedHost::new());
    let engine = world.engine();
    let run = start(&engine, plan(&["plan", "implement", "review"])).await;
    assert_eq!(run.view().owner.unwrap().pid, std::process::id());
    let view = run.wait().await.unwrap();
    assert_eq!(standing(&view), "success: done, done, done");
    assert_eq!(world.host.arrived(), ["plan/1/1/1", "implement/1/1/1", "review/1/1/1"]);
    assert_eq!(view.steps[1].text.as_deref(), Some("implement done"));
    assert_eq!((view.owner, view.interrupted), (None, false));
    assert!(nobody_drives(&*world.store, run.id()).await);
    assert!(world.began.elapsed() < seconds(4), "three turns of a second each");
}

/// Budget: at most three commits a step, and of its executor nothing but `place` and `send`.
#[tokio::test(start_paused = true)]
async fn a_durable_step_takes_at_most_three_commits_and_two_calls() {
    let progress = |ms| (Duration::from_millis(ms), Update::Progress(Progress::Reasoning));
    let chatty =
        (1..900).map(progress).fold(Turn::answers("done"), |turn, (at, update)| turn.reports(at, update));
    let world = World::new(ScriptedHost::new().with("b", chatty));
    let store = Arc::new(world.faulty_store());
    let engine = world.engine_on(Arc::clone(&store) as _, Owner::current());
    let steps = ["a", "b", "c", "d", "e"];
    assert!(succeeded(&start(&engine, plan(&steps)).await.wait().await.unwrap()));
    assert!(store.appends() <= 3 * steps.len() as u64, "{} commits", store.appends());
    assert_eq!(world.host.calls().len(), 2 * steps.len(), "{:?}", world.host.calls());
}

#[tokio::test(start_paused = true)]
async fn an_error_gates_and_a_decision_drives_on_from_the_same_engine() {
    let host = ScriptedHost::new()
        .with("plan", Turn::fails(AttemptError::new(ErrorCode::Auth, "no key")))
        .with("plan", Turn::answers("better"));
    let world = World::new(host);
    let engine = world.engine();
    let run = start(&engine, plan(&["plan", "fix"])).await;
    let paused = run.wait().await.unwrap();
    assert_eq!(standing(&paused), "paused (intervene=on-error): gated, pending");
    assert!(nobody_drives(&*world.store, run.id()).await, "a paused run holds no lease");

    let told = engine.request(run.id(), decide_at(Some(&paused), Decision::Continue)).await.unwrap();
    assert_eq!(told.reply, Reply::Accepted);
    assert_eq!(told.run.unwrap().id(), run.id());
    let view = run.wait().await.unwrap();
    assert_eq!(standing(&view), "success: done, done");
    assert_eq!(view.steps[0].text.as_deref(), Some("better"));
    assert_eq!(world.host.arrived(), ["plan/1/1/1", "plan/1/2/1", "fix/1/1/1"]);

    let again = engine.request(run.id(), decide_at(Some(&paused), Decision::Abort)).await.unwrap_err();
    assert_eq!(again.kind(), EngineErrorKind::Rejected);
    assert_eq!(again.code(), "orch::run::gate-already-resolved");
}

#[tokio::test(start_paused = true)]
async fn requests_reach_a_run_at_work_and_an_ended_one_says_so() {
    let alive = Update::Progress(Progress::Reasoning);
    let world = World::new(
        ScriptedHost::new()
            .with("plan", Turn::answers("ok"))
            .with("fix", Turn::hangs().reports(seconds(1), alive)),
    );
    let engine = world.engine();
    let run = start(&engine, plan(&["plan", "fix"])).await;
    let mut events = engine.subscribe();
    assert_eq!(engine.request(run.id(), pause()).await.unwrap().reply, Reply::Accepted);
    assert_eq!(standing(&run.wait().await.unwrap()), "paused (user): gated, pending");
    assert_eq!(world.host.arrived(), ["plan/1/1/1"], "nothing is dispatched while paused");
    engine.request(run.id(), decide(Decision::Continue)).await.unwrap();
    event(&mut events, |event| event.live).await;
    engine.request(run.id(), cancel()).await.unwrap();
    assert_eq!(standing(&run.wait().await.unwrap()), "cancelled: done, failed");
    assert_eq!(world.host.calls().last().unwrap(), "abort fix/1/1/1");

    for request in [pause(), cancel(), Request::Interrupt { by: "ann".into() }] {
        assert_eq!(engine.request(run.id(), request).await.unwrap().reply, Reply::FinishedFirst);
    }
    let refused = engine.request(run.id(), decide(Decision::Continue)).await.unwrap_err();
    assert_eq!(refused.code(), "orch::run::ended");
    let nobody = RunId::new("run_nobody").unwrap();
    let unknown = engine.request(&nobody, pause()).await.unwrap_err();
    assert_eq!((unknown.kind(), unknown.code()), (EngineErrorKind::Unknown, "orch::run::unknown"));
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_step_rests_at_a_gate() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::hangs()));
    let engine = world.engine();
    let mut events = engine.subscribe();
    let run = start(&engine, plan(&["plan", "fix"])).await;
    event(&mut events, |event| matches!(event.body, EventBody::StepProgress { .. })).await;
    engine.request(run.id(), Request::Interrupt { by: "ann".into() }).await.unwrap();
    assert_eq!(standing(&run.wait().await.unwrap()), "paused (aborted): gated, pending");
}

#[tokio::test(start_paused = true)]
async fn a_replacement_is_read_from_the_session() {
    let broken = AttemptError::new(ErrorCode::Length, "cut off");
    let world = World::new(ScriptedHost::new().with("plan", Turn::fails(broken)));
    let engine = world.engine();
    let run = start(&engine, plan(&["plan", "fix"])).await;
    let replace = || {
        Request::Decide(DecisionRequest {
            gate: None,
            answer: Answer::ReplaceFromSession,
            policy: Default::default(),
            budget: Default::default(),
            by: "ann".into(),
        })
    };
    run.wait().await.unwrap();
    let refused = engine.request(run.id(), replace()).await.unwrap_err();
    assert_eq!(refused.code(), "orch::run::invalid-decision");
    assert_eq!(
        standing(&engine.view(run.id()).await.unwrap()),
        "paused (intervene=on-error): gated, pending"
    );

    world.host.repair("plan", Settled::answer("repaired by hand"));
    engine.request(run.id(), replace()).await.unwrap();
    let view = run.wait().await.unwrap();
    assert_eq!(view.steps[0].text.as_deref(), Some("repaired by hand"));
    assert!(succeeded(&view));

    let refused = engine.request(run.id(), replace()).await.unwrap_err();
    assert_eq!(refused.code(), "orch::run::ended");
}

#[tokio::test(start_paused = true)]
async fn an_ask_waits_for_its_answer_and_is_answered_once() {
    let ask = Ask::permission(AskId("per_1".into()), "ses_plan", "bash: ls");
    let turn = Turn::answers("done").after(seconds(9)).reports(seconds(1), Update::AskOpened(ask));
    let world = World::new(ScriptedHost::new().with("plan", turn));
    let engine = world.engine();
    let mut events = engine.subscribe();
    let run = start(&engine, plan(&["plan"])).await;
    event(&mut events, |event| matches!(event.body, EventBody::AskOpened { .. })).await;
    assert_eq!(run.view().asks.len(), 1);
    let answer = || Request::Answer { ask: AskId("per_1".into()), reply: AskReply::Once, by: "ann".into() };
    engine.request(run.id(), answer()).await.unwrap();
    let resolved = event(&mut events, |event| matches!(event.body, EventBody::AskResolved { .. })).await;
    assert!(matches!(&resolved.body, EventBody::AskResolved { by, .. } if by == "ann"));
    let refused = engine.request(run.id(), answer()).await.unwrap_err();
    assert_eq!(refused.code(), "orch::run::unknown-ask");
    assert!(succeeded(&run.wait().await.unwrap()));
    assert!(world.host.calls().contains(&"answer per_1 Once plan/1/1/1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_begin_leaves_nothing_behind() {
    let world = World::new(ScriptedHost::new());
    let engine = world.engine();
    let too_long = NewRun::new(plan(&["plan"]), "x".repeat(1001), "/project");
    let refused = engine.start(too_long).await.unwrap_err();
    assert!(matches!(refused, orch_workflow::driver::EngineError::Rejected(Rejected::Invalid { .. })));
    assert_eq!(engine.views(Runs::All).await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn corner_13_live_events_are_the_journals_and_replay_from_any_number() {
    let turn = Turn::answers("done")
        .reports(Duration::from_millis(10), Update::Progress(Progress::Text { delta: "do".into() }));
    let world = World::new(ScriptedHost::new().with("plan", turn));
    let engine = world.engine();
    let mut events = engine.subscribe();
    let run = start(&engine, plan(&["plan", "fix"])).await;
    run.wait().await.unwrap();
    let mut heard = Vec::new();
    loop {
        match events.next().await.unwrap() {
            Received::Event(event) => heard.push(Arc::unwrap_or_clone(event)),
            other => panic!("{other:?}"),
        }
        if matches!(heard.last().unwrap().body, EventBody::RunFinished { .. }) {
            break;
        }
    }
    let (live, journaled): (Vec<_>, Vec<_>) = heard.into_iter().partition(|event| event.live);
    assert_eq!(live.len(), 1);
    // What is only live has no number of its own: it bears that of the record before it.
    let committed = journaled.iter().rposition(|event| event.seq == live[0].seq).unwrap();
    let (before, after) = (&journaled[committed], &journaled[committed + 1]);
    assert!(
        matches!(before.body, EventBody::StepProgress { progress: StepProgress::Placed { .. }, .. }),
        "{before:?}"
    );
    assert!(matches!(after.body, EventBody::StepSettled { .. }), "{after:?}");
    assert_eq!(serde_json::to_value(&live[0]).unwrap()["live"], true);
    assert_eq!(journaled, engine.events(run.id(), 0).await.unwrap());
    assert!(journaled.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    let from = journaled[3].seq;
    assert_eq!(engine.events(run.id(), from).await.unwrap(), journaled[4..]);
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_does_is_told_among_the_events_of_its_run() {
    let world = World::new(ScriptedHost::new());
    let engine = world.engine();
    let announcer = engine.announcer();
    let busy = |run: Option<&RunId>| {
        let worker = "w".parse().unwrap();
        let mut event = WorkerEvent::new(worker, WorkerKind::Agent, WorkerStatus::Busy);
        event.run = run.cloned();
        StatusBody::Worker(event)
    };
    let mut events = engine.subscribe();
    let run = start(&engine, plan(&["plan"])).await;
    let placed = event(&mut events, |event| event.seq == 3).await;
    announcer.announce(busy(Some(run.id())));
    announcer.announce(busy(None));
    assert!(succeeded(&run.wait().await.unwrap()));
    // Nobody drives it any more, so nobody can say where this belongs.
    announcer.announce(busy(Some(run.id())));

    let (mut told, mut seen) = (Vec::new(), placed.seq);
    while told.len() < 3 {
        match events.next().await.unwrap() {
            Received::Event(event) => seen = event.seq,
            Received::Status(status) => {
                assert!(status.live && [0, seen].contains(&status.seq), "{status:?} after {seen}");
                told.push((status.seq, status.body.run().cloned()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, [(3, Some(run.id().clone())), (0, None), (0, None)]);
    drop((engine, run));
    announcer.announce(busy(None));
    while let Some(received) = events.next().await {
        assert!(matches!(received, Received::Event(_)), "an announcer keeps no engine alive: {received:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_sees_a_gap_and_slows_nothing() {
    let mut turn = Turn::answers("done").after(seconds(20));
    for ms in 0..10_000 {
        turn = turn.reports(Duration::from_millis(ms), Update::Progress(Progress::Reasoning));
    }
    let world = World::new(ScriptedHost::new().with("plan", turn));
    let engine = world.engine();
    let mut events = engine.subscribe();
    assert!(succeeded(&start(&engine, plan(&["plan"])).await.wait().await.unwrap()));
    assert!(world.began.elapsed() < seconds(21));
    match events.next().await.unwrap() {
        Received::Lagged(missed) => assert!(missed > 1_000, "{missed}"),
        other => panic!("{other:?}"),
    }
    event(&mut events, |event| matches!(event.body, EventBody::RunFinished { .. })).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_runs_share_one_engine() {
    let world = World::new(ScriptedHost::new());
    let engine = world.engine();
    let mut runs = Vec::new();
    for _ in 0..1_000 {
        runs.push(start(&engine, plan(&["plan", "fix"])).await);
    }
    for run in &runs {
        assert!(succeeded(&run.wait().await.unwrap()));
    }
    assert!(world.began.elapsed() < seconds(3));
    assert_eq!(world.host.arrived().len(), 2_000);
    let views = engine.views(Runs::All).await.unwrap();
    assert!(views.windows(2).all(|pair| pair[0].0 > pair[1].0));
    assert!(views.into_iter().all(|(_, view)| succeeded(&view.unwrap())));
}

#[tokio::test(start_paused = true)]
async fn of_the_runs_those_are_looked_at_that_are_asked_for() {
    let world = World::new(ScriptedHost::new());
    let engine = world.engine();
    let stepwise = json!({"policy": {"execution": "step", "intervene": "on-error"}});
    let paused = start(&engine, plan_with(&["a", "b"], stepwise, json!({}))).await;
    paused.wait().await.unwrap();
    let ended = start(&engine, plan(&["a"])).await;
    ended.wait().await.unwrap();
    let (newer, older) = (ended.id().clone(), paused.id().clone());
    for (which, expected) in [
        (Runs::All, vec![newer.clone(), older.clone()]),
        (Runs::Newest(1), vec![newer.clone()]),
        (Runs::Newest(0), vec![]),
        (Runs::OpenAndNewest(1), vec![newer, older.clone()]),
        (Runs::OpenAndNewest(0), vec![older.clone()]),
        (Runs::Open, vec![older]),
    ] {
        let found: Vec<_> = engine.views(which).await.unwrap().into_iter().map(|(run, _)| run).collect();
        assert_eq!(found, expected, "{which:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn finished_runs_are_forgotten_paused_ones_never() {
    let world = World::new(ScriptedHost::new());
    let engine = world.engine();
    start(&engine, plan(&["a"])).await.wait().await.unwrap();
    let stepwise = json!({"policy": {"execution": "step", "intervene": "on-error"}});
    let paused = start(&engine, plan_with(&["a", "b"], stepwise, json!({}))).await;
    paused.wait().await.unwrap();
    let kept = Retention { max_age_ms: Some(60_000), max_runs: None };
    assert_eq!(engine.prune(kept).await.unwrap(), []);
    tokio::time::sleep(seconds(90)).await;
    assert_eq!(engine.prune(kept).await.unwrap().len(), 1);
    let left: Vec<_> = engine.views(Runs::All).await.unwrap().into_iter().map(|(run, _)| run).collect();
    assert_eq!(left, [paused.id().clone()]);
}

/// The same journal in SQLite: paused by one engine, taken on by another one that opens the store anew.
#[tokio::test(start_paused = true)]
async fn a_run_in_sqlite_goes_on_from_another_opening() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::new(ScriptedHost::new());
    let open = async || Arc::new(SqliteStore::open(directory.path()).await.unwrap());
    let stepwise = json!({"policy": {"execution": "step", "intervene": "on-error"}});
    let id = {
        let engine = world.engine_on(open().await, Owner::current());
        let run = start(&engine, plan_with(&["a", "b"], stepwise, json!({}))).await;
        assert_eq!(standing(&run.wait().await.unwrap()), "paused (execution=step): gated, pending");
        run.id().clone()
    };
    let engine = world.engine_on(open().await, Owner::current());
    let before = engine.view(&id).await.unwrap();
    let run = engine.request(&id, decide_at(Some(&before), Decision::Continue)).await.unwrap().run.unwrap();
    assert!(succeeded(&run.wait().await.unwrap()));
    assert_eq!(run.view(), engine.view(&id).await.unwrap(), "what was lived is what was written");
    assert_eq!(world.host.arrived(), ["a/1/1/1", "b/1/1/1"]);
}
