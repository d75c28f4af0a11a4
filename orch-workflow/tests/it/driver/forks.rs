//! Runs that go on from others, on one store.

use orch_config::id::StepId;
use orch_workflow::{driver::EngineErrorKind, event::EventBody, history::Fork, testing::Turn};

use super::*;

fn from(step: &str) -> Fork {
    Fork::new(StepId::new(step).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_forked_run_prompts_only_from_its_step_on_and_the_other_one_stays() {
    let world = World::new(ScriptedHost::new());
    let engine = world.engine();
    let run = start(&engine, plan(&["plan", "fix", "end"])).await;
    assert_eq!(standing(&run.wait().await.unwrap()), "success: done, done, done");
    let before = engine.records(run.id(), 0).await.unwrap();

    let forked = engine.fork(run.id(), from("fix")).await.unwrap();
    assert_eq!(forked.reused().map(StepId::as_str).collect::<Vec<_>>(), ["plan"]);
    let mut events = engine.subscribe();
    let other = engine.start_fork(forked).await.unwrap();
    assert_ne!(other.id(), run.id());
    event(&mut events, |event| matches!(event.body, EventBody::StepReused { .. })).await;
    let view = other.wait().await.unwrap();
    assert_eq!(standing(&view), "success: done, done, done");
    assert_eq!(view.steps[0].text.as_deref(), Some("plan done"));
    assert_eq!(view.forked_from.unwrap().run, *run.id());
    assert_eq!(world.host.arrived(), ["plan/1/1/1", "fix/1/1/1", "end/1/1/1", "fix/1/1/1", "end/1/1/1"]);
    assert_eq!(engine.records(run.id(), 0).await.unwrap(), before);

    // It needs the other one no longer.
    world.store.remove(run.id(), engine.now()).await.unwrap();
    let elsewhere = world.engine();
    assert_eq!(elsewhere.view(other.id()).await.unwrap().steps[0].text.as_deref(), Some("plan done"));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_somebody_drives_is_not_forked() {
    let world = World::new(ScriptedHost::new().with("fix", Turn::hangs()));
    let engine = world.engine();
    let run = start(&engine, plan(&["plan", "fix"])).await;
    let mut events = engine.subscribe();
    event(
        &mut events,
        |event| matches!(&event.body, EventBody::StepStarted { step, .. } if step.as_str() == "fix"),
    )
    .await;
    for engine in [&engine, &world.engine()] {
        let error = engine.fork(run.id(), from("fix")).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (EngineErrorKind::Locked, "orch::run::locked"));
    }
    engine.request(run.id(), cancel()).await.unwrap();
    run.wait().await.unwrap();
    assert!(engine.fork(run.id(), from("fix")).await.is_ok());

    let nobody = RunId::new("run_nobody").unwrap();
    let unknown = engine.fork(&nobody, from("fix")).await.unwrap_err();
    assert_eq!(unknown.code(), "orch::run::unknown");
}

/// What was in flight when its process died may still be at work on the host: it is not forked beside it.
#[tokio::test(start_paused = true)]
async fn a_run_whose_process_died_at_work_is_taken_up_before_it_is_forked() {
    let world = World::new(ScriptedHost::new().with("fix", Turn::answers("late")));
    let doomed = world.doomed_engine(Arc::new(world.faulty_store()));
    let mut events = doomed.subscribe();
    let run = start(&doomed, plan(&["plan", "fix"])).await;
    event(
        &mut events,
        |event| matches!(&event.body, EventBody::StepStarted { step, .. } if step.as_str() == "fix"),
    )
    .await;
    let id = run.id().clone();
    drop((run, doomed));
    let engine = world.engine();
    assert!(engine.view(&id).await.unwrap().interrupted);
    let error = engine.fork(&id, from("fix")).await.unwrap_err();
    assert_eq!(error.code(), "orch::run::in-flight");
    engine.resume(&id).await.unwrap().wait().await.unwrap();
    assert!(engine.fork(&id, from("fix")).await.is_ok());
}
