//! Traces of runs and sessions.

use orch_opencode::{
    Assistant, Finish, HostError, HostErrorKind, Message, MessageId, MockOpenCode, ModelRef, Part, PartId,
    Role, Session, SessionId, ToolCall, ToolState, Usage, User,
};
use orch_ux::{
    page::Layout,
    view::trace::{Extent, RunTrace, SessionTrace, run_trace, session_trace},
};
use serde_json::json;

use crate::support::{EVENTS, RUNS, assert_commands_exist, events, run};

fn session(id: &str, parent: Option<&str>) -> Session {
    let mut session = Session::new(SessionId::parse(id).unwrap(), "Worker: 調査", "/project");
    session.parent = parent.map(|parent| SessionId::parse(parent).unwrap());
    session.created_ms = 1_000;
    session.updated_ms = 9_000;
    session
}

fn part(number: u32) -> PartId {
    PartId::parse(format!("prt_{number}")).unwrap()
}

fn text(number: u32, text: &str) -> Part {
    Part::Text { id: part(number), text: text.to_owned(), synthetic: false, ignored: false }
}

/// A question, an answer that called three tools, and what the model said in the end.
fn messages(session: &str) -> Vec<Message> {
    let session = SessionId::parse(session).unwrap();
    let id = |number: u32| MessageId::parse(format!("msg_{number}")).unwrap();
    let model = ModelRef::new("stub", "large");
    let user = Role::User(User::new(Some("build".to_owned()), Some(model.clone())));
    let mut asked = Message::new(id(1), session.clone(), 1_000, user);
    asked.parts = vec![text(1, "Find the flag.\n2\n3\n4\n5\n6\n7\n8\n9")];

    let mut working = Assistant::new(id(1));
    working.finish = Some(Finish::ToolCalls);
    working.completed_ms = Some(4_500);
    working.usage = Usage::tokens(1_200, 80, 30);
    working.usage.cost_usd = 0.0125;
    working.model = Some(model.clone());
    working.agent = Some("build".to_owned());
    let mut worked = Message::new(id(2), session.clone(), 1_500, Role::Assistant(working));
    let input = |value: serde_json::Value| value.as_object().unwrap().clone();
    let mut bash = ToolCall::new(
        part(3),
        "call_1",
        "bash",
        ToolState::Completed {
            input: input(json!({ "command": "rg flag" })),
            output: "src/list.rs\n".to_owned(),
            title: "Search \u{1b}[31mthe flag".to_owned(),
        },
    );
    (bash.started_ms, bash.ended_ms) = (Some(2_000), Some(2_250));
    let failed =
        ToolState::Failed { input: input(json!({ "filePath": "/etc" })), message: "not allowed".to_owned() };
    let read = ToolCall::new(part(4), "call_2", "read", failed);
    let running = ToolState::Running { input: input(json!({ "description": "look" })) };
    let mut task = ToolCall::new(part(5), "call_3", "task", running);
    task.child = Some(SessionId::parse("ses_child").unwrap());
    task.started_ms = Some(3_000);
    worked.parts = vec![
        Part::Reasoning { id: part(2), text: "hmm".to_owned() },
        Part::Tool(bash),
        Part::Tool(read),
        Part::Tool(task),
    ];

    let mut answer = Assistant::new(id(1));
    answer.finish = Some(Finish::Stop);
    answer.completed_ms = Some(8_000);
    answer.usage = Usage::tokens(1_300, 20, 0);
    answer.model = Some(model);
    let mut answered = Message::new(id(3), session, 4_600, Role::Assistant(answer));
    answered.parts = vec![text(6, "It is in `list.rs`.")];
    vec![asked, worked, answered]
}

fn trace() -> SessionTrace {
    let mut trace = session_trace(&session("ses_1", Some("ses_0")), &messages("ses_1"));
    trace.children.push(session_trace(&session("ses_child", Some("ses_1")), &messages("ses_child")[..1]));
    trace
}

#[test]
fn a_session_for_people() {
    insta::assert_snapshot!(trace().page(Extent::Excerpt).text(Layout::endless()));
}

#[test]
fn a_session_in_full_as_markdown() {
    insta::assert_snapshot!(trace().page(Extent::Whole).markdown());
}

#[test]
fn a_session_as_data() {
    insta::assert_json_snapshot!(trace());
}

#[test]
fn what_a_session_took_includes_its_children_on_request() {
    let mut trace = trace();
    trace.children[0].usage = Usage::tokens(1, 2, 3);
    assert_eq!((trace.usage.input, trace.usage.output), (2_500, 100));
    assert_eq!((trace.whole_usage().input, trace.whole_usage().output), (2_501, 102));
}

#[test]
fn a_run_for_people() {
    let trace = run_trace(&run("paused"), &events("gate"));
    insta::assert_snapshot!(trace.page(Extent::Excerpt).text(Layout::endless()));
}

#[test]
fn a_run_as_data() {
    insta::assert_json_snapshot!(run_trace(&run("paused"), &events("retries")));
}

#[test]
fn only_one_step_of_a_run() {
    let mut trace = run_trace(&run("paused"), &events("gate"));
    assert!(trace.only("plan"));
    assert!(trace.attempts.iter().all(|attempt| attempt.step.as_str() == "plan"));
    assert!(trace.moments.iter().all(|moment| moment.step.as_ref().unwrap().as_str() == "plan"));
    assert!(!trace.only("nowhere"));
}

#[test]
fn every_event_of_every_run_is_a_moment_in_words() {
    for name in EVENTS {
        let events = events(name);
        let trace = run_trace(&run("paused"), &events);
        assert_eq!(trace.moments.len(), events.iter().filter(|event| !event.live).count());
        for moment in &trace.moments {
            assert!(!moment.what.is_empty() && moment.what != moment.kind, "{name}: {moment:?}");
        }
        let text = trace.page(Extent::Whole).text(Layout::terminal(40));
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{text:?}");
    }
}

#[test]
fn every_command_in_a_trace_is_in_the_registry() {
    let mut count = assert_commands_exist(&trace().page(Extent::Whole).markdown());
    for name in RUNS {
        count +=
            assert_commands_exist(&run_trace(&run(name), &events("gate")).page(Extent::Whole).markdown());
    }
    assert!(count > 0);
}

fn host() -> MockOpenCode {
    let mut host = MockOpenCode::new();
    host.expect_session().returning(|id| match id.as_str() {
        "ses_1" => Ok(session("ses_1", None)),
        "ses_child" => Ok(session("ses_child", Some("ses_1"))),
        other => Err(HostError::new(
            HostErrorKind::NotFound,
            "read a session",
            "the host",
            format!("no session {other}"),
        )),
    });
    host.expect_messages().returning(|id| Ok(messages(id.as_str())));
    host.expect_children().returning(|id| {
        Ok(if id.as_str() == "ses_1" { vec![session("ses_child", Some("ses_1"))] } else { Vec::new() })
    });
    host
}

#[tokio::test]
async fn sessions_are_read_from_the_host_with_their_children() {
    let read = SessionTrace::read(&host(), &SessionId::parse("ses_1").unwrap()).await.unwrap();
    assert_eq!((read.messages.len(), read.children.len()), (3, 1));
    assert_eq!(read.children[0].parent.as_deref(), Some("ses_1"));
}

#[tokio::test]
async fn a_session_that_cannot_be_looked_up_is_named_with_the_reason() {
    let mut trace: RunTrace = run_trace(&run("paused"), &events("gate"));
    let sessions = trace.session_ids();
    assert!(!sessions.is_empty());
    trace.look_up(&host()).await;
    assert_eq!(trace.sessions.len() + trace.missing.len(), sessions.len());
    assert!(trace.missing.iter().all(|missing| !missing.reason.is_empty()));
    let text = trace.page(Extent::Excerpt).text(Layout::endless());
    for session in sessions {
        assert!(text.contains(&session), "{session}: {text}");
    }
}
