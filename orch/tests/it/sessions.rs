//! What becomes of the sessions of a run.

use orch::{
    config::{kind::WorkerKind, profile::Context, settings::SessionPolicy},
    opencode::{
        Prompt, SessionId,
        simulator::{Answer, Hold, HttpFault, Script, Simulator, When},
    },
    prelude::*,
};

use crate::world::{builder, config, gate, held, profile, request, rest, simulator, step, stepped, workflow};

/// An orchestrator whose runs are to leave no sessions.
async fn deleting(host: &Simulator) -> Orchestrator {
    let mut config = config();
    config.store.sessions = SessionPolicy::Delete;
    builder(host).config(config).build().await.unwrap()
}

async fn keeping(host: &Simulator) -> Orchestrator {
    builder(host).build().await.unwrap()
}

/// The titles of the sessions that are there.
fn left(host: &Simulator) -> Vec<String> {
    let mut titles: Vec<_> = host.sessions().into_iter().map(|session| session.title).collect();
    titles.sort();
    titles
}

fn session(view: &RunView, step: usize) -> SessionId {
    SessionId::parse(view.steps[step].session.as_deref().unwrap()).unwrap()
}

const WORKERS: [&str; 2] = ["Worker: agent", "Worker: subagent"];

#[tokio::test]
async fn a_run_that_succeeded_leaves_the_sessions_that_its_configuration_keeps() {
    let host = simulator(Script::new()).await;
    rest(&keeping(&host).await.run(request()).await.unwrap()).await;
    let kept = left(&host);
    assert_eq!((kept.len(), &kept[..2]), (3, &WORKERS.map(str::to_owned)[..]), "{kept:?}");

    let host = simulator(Script::new()).await;
    let orchestrator = deleting(&host).await;
    let run = orchestrator.run(request()).await.unwrap();
    let view = rest(&run).await;
    assert_eq!(view.status, RunStatus::Success);
    assert_eq!(left(&host), kept[2..], "the parent is there for people");

    let shown = orch::ux::view::summary(&view);
    assert!(shown.contains("\nsessions deleted, but those that somebody else used"), "{shown}");
    let mut trace = orchestrator.trace(run.id()).await.unwrap();
    trace.look_up(&*orchestrator.host().await.unwrap()).await;
    let missing: Vec<_> = trace.missing.iter().map(|missing| missing.reason.as_str()).collect();
    assert_eq!(missing.len(), 2);
    assert!(
        missing.iter().all(|why| why.starts_with("it was deleted when the run had succeeded")),
        "{missing:?}"
    );
    // The next run makes its own anew.
    let parent = view.parent_session.unwrap();
    assert_eq!(
        rest(&orchestrator.run(request().parent(parent)).await.unwrap()).await.status,
        RunStatus::Success
    );
}

#[tokio::test]
async fn a_run_that_is_paused_or_did_not_succeed_keeps_its_sessions() {
    let host = simulator(Script::new()).await;
    let orchestrator = deleting(&host).await;
    let run = orchestrator.run(stepped()).await.unwrap();
    gate(&run).await;
    assert_eq!(left(&host), WORKERS[..1]);
    orchestrator.cancel(run.id(), "me").await.unwrap();
    let view = rest(&run).await;
    assert_eq!(view.status, RunStatus::Cancelled);
    assert_eq!(left(&host), WORKERS[..1]);
    let shown = orch::ux::view::summary(&view);
    assert!(shown.contains("\nsessions kept, because the run did not succeed"), "{shown}");
}

#[tokio::test]
async fn a_session_in_which_a_person_wrote_stays() {
    let hold = Hold::new();
    let host = held(&hold).await;
    let orchestrator = deleting(&host).await;
    let run = orchestrator.run(request()).await.unwrap();
    hold.wait_arrived().await;
    let client = orchestrator.host().await.unwrap();
    let mine = Prompt::text("and mind the gap").by(Some("build".to_owned()), None);
    client.prompt(&session(&orchestrator.view(run.id()).await.unwrap(), 0), mine).await.unwrap();
    hold.release();
    assert_eq!(rest(&run).await.status, RunStatus::Success);
    assert_eq!(left(&host)[0], WORKERS[0]);
    assert!(!left(&host).contains(&WORKERS[1].to_owned()), "in the other one nobody wrote");
}

/// The child of a known parent is found again: by the run that it was not made for, too.
#[tokio::test]
async fn a_session_that_another_run_made_or_uses_stays() {
    let host = simulator(Script::new()).await;
    let first = rest(&keeping(&host).await.run(request()).await.unwrap()).await;
    let parent = first.parent_session.clone().unwrap();
    let before = left(&host);
    let orchestrator = deleting(&host).await;
    let run = orchestrator.run(request().parent(parent.clone())).await.unwrap();
    let second = rest(&run).await;
    assert_eq!((second.status, session(&second, 1)), (RunStatus::Success, session(&first, 1)), "adopted");
    assert_eq!(left(&host), before, "the agent of the second run is gone, the child of the first one is not");

    // Made by the one, which ends last, and used by the other.
    let host = simulator(Script::new()).await;
    let orchestrator = deleting(&host).await;
    let mut config = config();
    config.store.sessions = SessionPolicy::Delete;
    config.insert_workflow(workflow(vec![step("a", "subagent", "do a"), step("b", "agent", "do b")]));
    let other = builder(&host).config(config).build().await.unwrap();
    let client = orchestrator.host().await.unwrap();
    let parent = client.create_session(Default::default()).await.unwrap().id.to_string();
    let maker = other.run(stepped().parent(parent.clone())).await.unwrap();
    let waiting = gate(&maker).await;
    let user = orchestrator.run(request().parent(parent)).await.unwrap();
    let used = rest(&user).await;
    assert_eq!(used.status, RunStatus::Success);
    assert_eq!(session(&used, 1), session(&maker.view(), 0));
    let decision = DecisionRequest::new(Decision::Continue, "me").at(waiting.id);
    let ended = rest(&other.decide(maker.id(), decision).await.unwrap().run.unwrap()).await;
    assert_eq!(ended.status, RunStatus::Success);
    let there = host.sessions().into_iter().any(|found| found.id == session(&used, 1).as_str());
    assert!(there, "the other run has written in it");
}

/// What a session began with was written neither by a person nor for its run.
#[tokio::test]
async fn a_session_that_began_with_the_transcript_of_its_parent_is_deleted_like_any_other() {
    for context in [Context::Fork, Context::Summary] {
        let host = simulator(Script::new().on(When::prompt("Summarise it"), Answer::text("cobalt"))).await;
        let mut config = config();
        config.store.sessions = SessionPolicy::Delete;
        let mut child = profile("subagent", WorkerKind::Subagent);
        child.context = context;
        config.insert_profile(child);
        config.insert_workflow(workflow(vec![step("two", "subagent", "do two of {task}")]));
        let orchestrator = builder(&host).config(config).build().await.unwrap();
        let client = orchestrator.host().await.unwrap();
        let parent = client.create_session(Default::default()).await.unwrap().id;
        let mut said = Prompt::text("the secret is cobalt").by(Some("build".to_owned()), None);
        said.no_reply = true;
        client.prompt(&parent, said).await.unwrap();
        host.wait_requests(|_| host.sessions()[0].user_messages == 1).await;
        let run = orchestrator.run(request().parent(parent.as_str())).await.unwrap();
        let view = rest(&run).await;
        assert_eq!(view.status, RunStatus::Success, "{context:?}: {view:#?}");
        let there: Vec<_> = host.sessions().into_iter().map(|session| session.id).collect();
        assert_eq!(there, [parent.as_str()], "{context:?}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_delete_fails_no_run() {
    let host = simulator(Script::new()).await;
    host.faults().http("DELETE /session/*", HttpFault::Status(400), usize::MAX);
    let view = rest(&deleting(&host).await.run(request()).await.unwrap()).await;
    assert_eq!(view.status, RunStatus::Success);
    assert_eq!(left(&host)[..2], WORKERS);
}
