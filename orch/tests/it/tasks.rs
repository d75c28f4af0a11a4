//! Tasks: what a model delegates.

use std::time::Duration;

use orch::{
    Assignee, TaskRequest,
    config::kind::WorkerKind,
    opencode::simulator::{Answer, Hold, Script, When},
    prelude::*,
    route,
    ux::view::task::{Next, TaskKind, TaskStatus},
};
use serde_json::Value;

use crate::world::{builder, config, orchestrator, profile, rest, simulator, within};

const LONG: Duration = Duration::from_secs(20);
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

fn to(worker: &str) -> TaskRequest {
    TaskRequest::new("do one thing").assignee(Assignee::Worker(worker.to_owned()))
}

/// What the predecessor did with a task that named nobody.
#[tokio::test]
async fn every_routing_case_of_the_predecessor_goes_to_the_same_worker() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/predecessor-cases.json")).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    let hold = Hold::new();
    let host = simulator(Script::new().otherwise(Answer::text("done").held(&hold))).await;
    let mut config = config();
    for worker in ["coder", "docs", "explorer", "architect", "vision"] {
        config.insert_profile(profile(worker, WorkerKind::Agent));
    }
    let orchestrator = builder(&host).config(config).build().await.unwrap();
    for case in cases {
        let text = case["input"]["task"].as_str().unwrap();
        let files = case["input"]["attachments"].as_array().cloned().unwrap_or_default();
        let files: Vec<_> = files
            .iter()
            .map(|file| match file["type"].as_str().unwrap() {
                "image" => Attachment::new("x.png", PNG).unwrap(),
                _ => Attachment::new("x", b"text").unwrap(),
            })
            .collect();
        let expected = &case["expected"];
        assert_eq!(route(text, &files), expected["workerId"], "{case}");
        let mut request = TaskRequest::new(text);
        if files.iter().any(Attachment::is_image) {
            // No simulated model reads images.
            request = request.assignee(Assignee::Worker("vision".to_owned()));
        } else {
            request = files.into_iter().fold(request, TaskRequest::attach);
        }
        let run = orchestrator.start_task(request).await.unwrap();
        let task = serde_json::to_value(orchestrator.task(run.id()).await.unwrap()).unwrap();
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(task[key], *value, "{key} of {case}");
        }
    }
    hold.release();
    orchestrator.shutdown().await;
}

#[test]
fn words_are_whole_and_of_any_case() {
    for (text, worker) in [
        ("", "coder"),
        ("the DESIGN of it", "architect"),
        ("a trade-off", "coder"),
        ("a tradeoff", "architect"),
        ("my_plan", "coder"),
        ("plans", "coder"),
        ("(where?)", "explorer"),
        ("find an example of a plan", "docs"),
    ] {
        assert_eq!(route(text, &[]), worker, "{text:?}");
    }
}

#[tokio::test]
async fn a_task_for_one_worker_is_a_run_of_one_step_with_its_answer() {
    let host = simulator(Script::new().on(When::prompt("do one"), "forty-two")).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.start_task(to("agent")).await.unwrap();
    let task = orchestrator.await_task(run.id(), LONG).await.unwrap();
    assert_eq!((task.status, task.next), (TaskStatus::Succeeded, Next::Nothing));
    assert_eq!((task.kind, task.worker_id.as_deref()), (TaskKind::Worker, Some("agent")));
    assert_eq!((task.answer.as_deref(), task.cut), (Some("forty-two"), None));
    assert_eq!(task.sessions.len(), 1);
    let view = orchestrator.view(run.id()).await.unwrap();
    assert_eq!((view.workflow.as_str(), view.steps.len()), ("task:agent", 1));
    let texts: Vec<_> = host.model_prompts().into_iter().map(|call| call.text).collect();
    assert_eq!(texts, ["do one thing"]);
    orchestrator.shutdown().await;
}

/// Braces in the text of a task are its own.
#[tokio::test]
async fn nothing_in_a_task_is_taken_for_a_template() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let text = "keep {carry} and {{snippet:x}} and {task} as they are";
    let request = TaskRequest::new(text).assignee(Assignee::Worker("agent".to_owned()));
    rest(&orchestrator.start_task(request).await.unwrap()).await;
    assert_eq!(host.model_prompts()[0].text, text);
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn a_failed_task_is_told_as_failed_and_never_as_done() {
    let host = simulator(Script::new().otherwise(Answer::error(400, "the model said no"))).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.start_task(to("agent")).await.unwrap();
    let task = orchestrator.await_task(run.id(), LONG).await.unwrap();
    assert_eq!((task.status, task.next), (TaskStatus::Failed, Next::Nothing));
    assert!(task.error.unwrap().message.contains("the model said no"));
    assert_eq!(task.answer, None);
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn a_workflow_at_its_gate_is_paused_and_says_what_to_do() {
    let failing = Script::new().on(When::prompt("do one"), Answer::error(400, "no"));
    let host = simulator(failing).await;
    let orchestrator = orchestrator(&host).await;
    let request = TaskRequest::new("the task").assignee(Assignee::Workflow("two".to_owned()));
    let run = orchestrator.start_task(request).await.unwrap();
    let task = orchestrator.await_task(run.id(), LONG).await.unwrap();
    assert_eq!((task.status, task.next), (TaskStatus::Paused, Next::TellThePerson));
    assert_eq!((task.kind, task.workflow_id.as_deref()), (TaskKind::Workflow, Some("two")));
    assert_eq!(task.gate.unwrap().step.as_str(), "one");
    assert!(task.standing.contains(&format!("orch continue {}", run.id())), "{}", task.standing);
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn waiting_is_bounded_and_says_what_is_done_at_present() {
    let hold = Hold::new();
    let host = simulator(Script::new().otherwise(Answer::text("late").held(&hold))).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.start_task(to("agent")).await.unwrap();
    within(hold.wait_arrived()).await;
    let task = orchestrator.await_task(run.id(), Duration::ZERO).await.unwrap();
    assert_eq!((task.status, task.next), (TaskStatus::Running, Next::TaskAwait));
    assert!(task.standing.contains("is at work"), "{}", task.standing);
    assert_eq!(task.answer, None);
    let waiting = orchestrator.await_task(run.id(), LONG);
    hold.release();
    assert_eq!(waiting.await.unwrap().answer.as_deref(), Some("late"));
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn a_task_is_called_off() {
    let hold = Hold::new();
    let host = simulator(Script::new().otherwise(Answer::text("late").held(&hold))).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.start_task(to("agent")).await.unwrap();
    within(hold.wait_arrived()).await;
    orchestrator.cancel(run.id(), "the test").await.unwrap();
    let task = orchestrator.await_task(run.id(), LONG).await.unwrap();
    assert_eq!((task.status, task.next), (TaskStatus::Cancelled, Next::Nothing));
    hold.release();
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn a_worker_and_its_children_may_not_delegate() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let view = rest(&orchestrator.start_task(to("agent")).await.unwrap()).await;
    let worker = view.steps[0].session.clone().unwrap();
    let client = orchestrator.host().await.unwrap();
    let new = orch::opencode::NewSession {
        parent: orch::opencode::SessionId::parse(&worker).ok(),
        ..orch::opencode::NewSession::default()
    };
    let child = client.create_session(new).await.unwrap().id.to_string();
    for session in [worker, child] {
        let error = orchestrator.start_task(to("agent").parent(&session)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, "orch::task::by-a-worker"));
    }
    assert_eq!(orchestrator.runs(Runs::All).await.unwrap().len(), 1);
    orchestrator.shutdown().await;
}

#[tokio::test]
async fn who_is_not_there_gets_nothing() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let error = orchestrator.start_task(to("agnet")).await.unwrap_err();
    assert_eq!((error.code(), error.help()), ("orch::task::unknown-worker", Some("did you mean \"agent\"?")));
    let request = TaskRequest::new("x").assignee(Assignee::Workflow("none".to_owned()));
    assert_eq!(orchestrator.start_task(request).await.unwrap_err().code(), "orch::plan::unknown-workflow");
    let request = TaskRequest::new(" ").assignee(Assignee::Worker("agent".to_owned()));
    assert_eq!(orchestrator.start_task(request).await.unwrap_err().code(), "orch::run::no-task");
    let request = to("agent").parent("ses_none");
    assert_eq!(orchestrator.start_task(request).await.unwrap_err().code(), "orch::host::unknown-parent");
    assert!(orchestrator.runs(Runs::All).await.unwrap().is_empty());
    orchestrator.shutdown().await;
}

/// The whole of a long answer stays in the run; a model's context gets the beginning, and is told so.
#[tokio::test]
async fn a_long_answer_is_cut_where_it_goes_into_a_context() {
    let long = "é".repeat(30_000);
    let host = simulator(Script::new().otherwise(long.as_str())).await;
    let orchestrator = orchestrator(&host).await;
    let run = orchestrator.start_task(to("agent")).await.unwrap();
    let task = orchestrator.await_task(run.id(), LONG).await.unwrap();
    assert_eq!(task.answer.unwrap().chars().count(), 24_000);
    assert!(task.cut.unwrap().contains(&format!("orch output {}", run.id())));
    orchestrator.shutdown().await;
}
