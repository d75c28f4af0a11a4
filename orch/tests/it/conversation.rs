//! Talking to workers: the view of whoever is attached, and questions outside of any step.

use orch::{
    Shown,
    config::kind::{ExecutionMode, WorkerKind},
    opencode::{
        SessionId,
        simulator::{Answer, Script, Simulator, When},
    },
    prelude::*,
};
use serde_json::{Value, json};

use crate::world::{
    builder, config, gate, orchestrator, profile, request, rest, simulator, step, texts, workflow,
};

const QUESTION: &str = "which port?";

fn script() -> Script {
    Script::new()
        .on(When::prompt(QUESTION), "4096")
        .on(When::prompt("Summarise its outcome"), "the outcome")
        .otherwise("done")
}

/// The sessions that the terminal interfaces were told to show, in order.
fn shown(host: &Simulator) -> Vec<Value> {
    let calls = host.tui_calls().into_iter().filter(|call| call.route == "select-session");
    calls.map(|call| call.body["sessionID"].clone()).collect()
}

#[tokio::test]
async fn a_step_in_the_foreground_takes_the_view_to_its_worker_and_back_to_the_parent() {
    let host = simulator(script()).await;
    let mut config = config();
    let mut study = step("study", "subagent", "study {task}");
    study.execution = Some(ExecutionMode::Foreground);
    config.insert_workflow(workflow(vec![study]));
    let orchestrator = builder(&host).config(config).build().await.unwrap();
    let run = orchestrator.run(request()).await.unwrap();
    assert_eq!(gate(&run).await.reason, GateReason::Interactive);
    let decision = DecisionRequest::new(Decision::Continue, "me");
    let driven = orchestrator.decide(run.id(), decision).await.unwrap();
    let view = rest(&driven.run.unwrap()).await;
    assert_eq!(texts(&view), ["the outcome"]);
    orchestrator.shutdown().await;
    assert_eq!(shown(&host), [json!(view.steps[0].session), json!(view.parent_session)]);
}

#[tokio::test]
async fn a_worker_is_asked_at_any_time_and_its_step_keeps_its_result() {
    let host = simulator(script()).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.run(request()).await.unwrap();
    let before = rest(&run).await;
    for worker in ["agent", "subagent", before.steps[0].session.as_deref().unwrap()] {
        let answer = orchestrator.ask(worker, QUESTION).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.warnings), ("4096", vec![]), "{worker}");
    }
    let asked: Vec<_> = host.prompts().into_iter().filter(|prompt| prompt.text.contains(QUESTION)).collect();
    let sessions: Vec<_> = asked.iter().map(|prompt| prompt.session.as_str()).collect();
    let of = |step: usize| before.steps[step].session.as_deref().unwrap();
    assert_eq!(sessions, [of(0), of(1), of(0)]);
    assert_eq!(orchestrator.view(run.id()).await.unwrap(), before, "the run is what it was");
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_says_why() {
    let script = Script::new().on(When::prompt(QUESTION), Answer::error(400, "not today"));
    let host = simulator(script.otherwise("done")).await;
    let orchestrator = orchestrator(&host).await;
    let error = orchestrator.ask("agent", QUESTION).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("orch::workers::no-session", ErrorKind::Usage));
    rest(&orchestrator.run(request()).await.unwrap()).await;
    let error = orchestrator.ask("agent", QUESTION).await.unwrap_err();
    assert_eq!(error.code(), "orch::workers::no-answer");
    assert_eq!(error.to_string(), "ask worker \"agent\": not today");
}

#[tokio::test]
async fn a_workers_session_is_shown_and_left_again() {
    let host = simulator(script()).await;
    let orchestrator = orchestrator(&host).await;
    let view = rest(&orchestrator.run(request()).await.unwrap()).await;
    let (agent, child) = (view.steps[0].session.clone().unwrap(), view.steps[1].session.clone().unwrap());
    let parent = view.parent_session.clone().unwrap();
    for (worker, what, expected) in [
        ("subagent", Shown::Worker, &child),
        ("subagent", Shown::Parent, &parent),
        ("agent", Shown::Worker, &agent),
        // It is nobody's child; the run has a parent all the same.
        ("agent", Shown::Parent, &parent),
    ] {
        assert_eq!(orchestrator.open(worker, what).await.unwrap().as_str(), expected, "{worker} {what:?}");
    }
    assert_eq!(shown(&host), [json!(child), json!(parent), json!(agent), json!(parent)]);
    let id = SessionId::parse(child).unwrap();
    assert_eq!(
        orchestrator.host().await.unwrap().session(&id).await.unwrap().parent.unwrap().as_str(),
        parent
    );
}

#[tokio::test]
async fn a_session_that_nobody_could_see_is_not_opened() {
    let host = simulator(script()).await;
    let orchestrator = orchestrator(&host).await;
    let error = orchestrator.open("nobody", Shown::Worker).await.unwrap_err();
    assert_eq!(error.code(), "orch::workers::no-session");

    // Only an agent, and a run that has no parent.
    let mut config = config();
    config.insert_profile(profile("agent", WorkerKind::Agent));
    config.insert_workflow(workflow(vec![step("one", "agent", "do one of {task}")]));
    let orchestrator = builder(&host).config(config).build().await.unwrap();
    rest(&orchestrator.run(request()).await.unwrap()).await;
    let error = orchestrator.open("agent", Shown::Parent).await.unwrap_err();
    assert_eq!(error.code(), "orch::workers::not-shown");
    assert_eq!(error.to_string(), "worker \"agent\" has no session above it, and its run has none either");
    assert_eq!(shown(&host), Vec::<Value>::new());
}
