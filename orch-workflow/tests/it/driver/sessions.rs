//! Sessions that a run is to leave none of.

use orch_config::settings::SessionPolicy;
use orch_workflow::{
    attempt::{AttemptError, ErrorCode},
    testing::{Fault, Turn},
};

use super::*;

async fn start_to_delete(engine: &Engine, plan: Plan) -> Run {
    let mut new = NewRun::new(plan, "the task", "/project");
    new.sessions = SessionPolicy::Delete;
    engine.start(new).await.unwrap()
}

fn deletions(world: &World) -> Vec<String> {
    world.host.calls().into_iter().filter(|call| call.starts_with("delete")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_sessions_of_a_run_are_deleted_once_it_has_succeeded() {
    let world = World::new(ScriptedHost::new().with("other", Turn::hangs()));
    let (engine, elsewhere) = (world.engine(), world.engine());
    let open = start(&elsewhere, plan(&["other"])).await;
    let ended = start(&elsewhere, plan(&["ended"])).await;
    ended.wait().await.unwrap();
    let run = start_to_delete(&engine, plan(&["plan", "fix"])).await;
    let view = run.wait().await.unwrap();
    assert_eq!((standing(&view).as_str(), view.sessions), ("success: done, done", SessionPolicy::Delete));
    let deleted = ["delete plan/1/1/1 fix/1/1/1, not other/1/1/1"];
    assert_eq!(deletions(&world), deleted, "whoever waited for the run finds them gone");
    assert_eq!(world.engine().view(run.id()).await.unwrap(), view, "it is the run's own, whoever looks");

    engine.resume(run.id()).await.unwrap().wait().await.unwrap();
    assert_eq!(deletions(&world), deleted, "a run ends once");
    assert!(!open.view().status.is_terminal());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_begun_to_delete_its_sessions_deletes_them_whoever_ends_it() {
    let world = World::new(ScriptedHost::new());
    let stepwise = json!({"policy": {"execution": "step", "intervene": "on-error"}});
    let run = start_to_delete(&world.engine(), plan_with(&["plan", "fix"], stepwise, json!({}))).await;
    let paused = run.wait().await.unwrap();
    assert_eq!(deletions(&world), [""; 0], "a run that is paused may go on");
    let other = world.engine();
    let decided = other.request(run.id(), decide_at(Some(&paused), Decision::Continue)).await.unwrap();
    assert!(succeeded(&decided.run.unwrap().wait().await.unwrap()));
    assert_eq!(deletions(&world), ["delete plan/1/1/1 fix/1/1/1, not "]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_did_not_succeed_keeps_its_sessions_to_be_looked_into() {
    let failing = || Turn::fails(AttemptError::new(ErrorCode::Auth, "no key"));
    let world = World::new(ScriptedHost::new().with("plan", failing()).with("late", Turn::hangs()));
    let engine = world.engine();
    let never = json!({"policy": {"execution": "auto", "intervene": "never"}});
    let failed = start_to_delete(&engine, plan_with(&["plan"], never, json!({}))).await;
    assert_eq!(failed.wait().await.unwrap().status, RunStatus::Error);
    let cancelled = start_to_delete(&engine, plan(&["late"])).await;
    tokio::time::sleep(seconds(1)).await;
    engine.request(cancelled.id(), cancel()).await.unwrap();
    assert_eq!(cancelled.wait().await.unwrap().status, RunStatus::Cancelled);
    let kept = start(&engine, plan(&["fix"])).await;
    assert!(succeeded(&kept.wait().await.unwrap()));
    assert_eq!(deletions(&world), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_sessions_are_deleted_takes_nothing_from_a_success() {
    let world = World::new(ScriptedHost::new().with("plan", Turn::answers("done").but(Fault::DeletePanics)));
    let run = start_to_delete(&world.engine(), plan(&["plan"])).await;
    assert!(succeeded(&run.wait().await.unwrap()));
    assert_eq!(deletions(&world).len(), 1);
    assert!(nobody_drives(&*world.store, run.id()).await, "the lease is given back");
}
