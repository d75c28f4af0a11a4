//! Sessions and parents: what later steps and later runs find again.

use orch::{
    config::{kind::WorkerKind, profile::Profile},
    opencode::simulator::{Script, Simulator, When},
    prelude::*,
};

use crate::world::{self, config, gate, orchestrator, request, rest, simulator, step, workflow};

fn session(view: &RunView, step: usize) -> String {
    view.steps[step].session.clone().unwrap()
}

async fn finished(host: &Simulator, config: Config, request: RunRequest) -> RunView {
    let orchestrator = world::builder(host).config(config).build().await.unwrap();
    let view = rest(&orchestrator.run(request).await.unwrap()).await;
    assert_eq!(view.status, RunStatus::Success);
    orchestrator.shutdown().await;
    view
}

#[tokio::test]
async fn corner_04_a_session_is_used_again_by_later_steps_and_later_runs_of_the_same_parent() {
    let host = simulator(Script::new()).await;
    let mut twice = config();
    let steps = vec![step("one", "subagent", "do one"), step("two", "subagent", "do two")];
    twice.insert_workflow(workflow(steps));
    let first = finished(&host, twice.clone(), request()).await;
    assert_eq!(session(&first, 0), session(&first, 1));
    let parent = first.parent_session.clone().unwrap();
    // In another process, as it were: nothing is known there but what the host has.
    let second = finished(&host, twice.clone(), request().parent(parent)).await;
    assert_eq!(session(&second, 0), session(&first, 0));
    let other = finished(&host, twice, request()).await;
    assert_ne!(session(&other, 0), session(&first, 0), "another parent, another session");
}

#[tokio::test]
async fn corner_04_a_fresh_session_takes_the_place_of_the_one_before() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.run(world::stepped()).await.unwrap();
    let before = rest(&run).await;
    let gate = gate(&run).await;
    let retry = Decision::Retry { note: None, session: Some(orch::workflow::port::SessionChoice::Fresh) };
    let run = orchestrator.decide(run.id(), DecisionRequest::new(retry, "me").at(gate.id)).await.unwrap();
    let after = rest(&run.run.unwrap()).await;
    assert_ne!(session(&after, 0), session(&before, 0));
    orchestrator.shutdown().await;
}

/// A talk with the worker, to its end.
async fn talk(orchestrator: &Orchestrator, request: RunRequest) -> RunView {
    let run = orchestrator.run(request).await.unwrap();
    let open = gate(&run).await;
    assert_eq!(open.reason, GateReason::Interactive);
    let decision = DecisionRequest::new(Decision::Continue, "me").at(open.id);
    let driven = orchestrator.decide(run.id(), decision).await.unwrap().run.unwrap();
    let view = rest(&driven).await;
    assert_eq!(view.status, RunStatus::Success);
    view
}

#[tokio::test]
async fn corner_05_a_docs_run_goes_on_under_the_projects_last_docs_parent() {
    let host = simulator(Script::new().on(When::prompt("first"), "the docs of the first")).await;
    let builtin = || world::builder(&host).config(Config::builtin());
    let orchestrator = builtin().build().await.unwrap();
    let first = talk(&orchestrator, RunRequest::new("docs", "first")).await;
    orchestrator.shutdown().await;

    let orchestrator = builtin().build().await.unwrap();
    let second = talk(&orchestrator, RunRequest::new("docs", "second")).await;
    assert_eq!(second.parent_session, first.parent_session);
    assert_eq!(session(&second, 0), session(&first, 0), "the context that was cultivated");
    let apart = talk(&orchestrator, RunRequest::new("docs", "third").new_parent()).await;
    assert_ne!(apart.parent_session, first.parent_session);
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn corner_05_a_parent_is_created_when_first_needed_and_never_deleted() {
    let host = simulator(Script::new()).await;
    let mut alone = config();
    alone.insert_profile(Profile::new("agent".parse().unwrap()).with_kind(WorkerKind::Agent));
    alone.insert_workflow(workflow(vec![step("one", "agent", "do one")]));
    let view = finished(&host, alone, request()).await;
    assert_eq!(view.parent_session, None, "an agent needs none");
    let view = finished(&host, config(), request()).await;
    let parent = view.parent_session.unwrap();
    let kept = host.sessions().into_iter().find(|session| session.id == parent).unwrap();
    assert_eq!(kept.title, "two: the task");
}
