//! What the OpenCode sink asks of a host.

use std::{collections::HashMap, sync::Arc, time::Duration};

use orch_opencode::{
    HostError, HostErrorKind, MockOpenCode, ModelRef, PromptPart, Session, SessionId, SessionStatus,
    Statuses, ToastVariant,
};
use orch_ux::{
    action::{Call, Level, Notice, Toast, UxAction},
    error::Error,
    frontend::Frontend,
    opencode::OpenCodeFrontend,
};
use orch_workflow::attempt::RunId;

const SESSION: &str = "ses_parent";

async fn show(host: MockOpenCode, action: UxAction) -> Result<(), Error> {
    OpenCodeFrontend::new(Arc::new(host)).show(&action).await
}

fn run() -> RunId {
    RunId::new("run_1").unwrap()
}

fn notice() -> UxAction {
    UxAction::Notice(Notice::new(run(), SESSION, "**orch** says"))
}

fn attention() -> UxAction {
    UxAction::Attention { run: run(), call: Call::Decision, message: "look".to_owned() }
}

fn statuses(status: Option<SessionStatus>) -> Statuses {
    let session = SessionId::parse(SESSION).unwrap();
    let other = (SessionId::parse("ses_other").unwrap(), SessionStatus::Busy);
    HashMap::from_iter(status.map(|status| (session, status)).into_iter().chain([other]))
}

fn session() -> Session {
    let mut session = Session::new(SessionId::parse(SESSION).unwrap(), "title", "/project");
    session.agent = Some("plan".to_owned());
    session.model = Some("stub/stub".parse::<ModelRef>().unwrap());
    session
}

#[tokio::test]
async fn a_notice_is_a_message_that_asks_for_no_reply_and_changes_neither_agent_nor_model() {
    for status in [None, Some(SessionStatus::Idle)] {
        let mut host = MockOpenCode::new();
        host.expect_statuses().return_once(move || Ok(statuses(status)));
        host.expect_session().return_once(|_| Ok(session()));
        host.expect_prompt()
            .times(1)
            .withf(|id, prompt| {
                id.as_str() == SESSION
                    && prompt.no_reply
                    && prompt.agent.as_deref() == Some("plan")
                    && prompt.model == session().model
            })
            .return_once(|_, _| Ok(()));
        show(host, notice()).await.unwrap();
    }
}

#[tokio::test]
async fn a_notice_is_seen_once_by_people_and_once_by_the_model() {
    let mut host = MockOpenCode::new();
    host.expect_statuses().return_once(|| Ok(statuses(None)));
    host.expect_session().return_once(|_| Ok(session()));
    host.expect_prompt().times(1).return_once(|_, prompt| {
        let seen_by = |part: &PromptPart| match part {
            PromptPart::Text { text, synthetic, ignored, .. } => (text.clone(), !*synthetic, !*ignored),
            other => panic!("no text: {other:?}"),
        };
        let text = || "**orch** says".to_owned();
        let people_and_model: Vec<_> = prompt.parts.iter().map(seen_by).collect();
        assert_eq!(people_and_model, [(text(), true, false), (text(), false, true)]);
        Ok(())
    });
    show(host, notice()).await.unwrap();
}

#[tokio::test]
async fn a_session_at_work_is_not_disturbed() {
    let retry = SessionStatus::Retry { attempt: 1, message: "overloaded".to_owned(), next_ms: 1 };
    for status in [SessionStatus::Busy, retry] {
        let mut host = MockOpenCode::new();
        host.expect_statuses().return_once(move || Ok(statuses(Some(status))));
        let error = show(host, notice()).await.unwrap_err();
        assert_eq!(error.code(), "orch::ux::busy");
        assert_eq!(error.to_string(), "show in ses_parent: it is at work and would be disturbed");
    }
}

#[tokio::test]
async fn a_toast_keeps_its_level_its_title_and_its_time() {
    for (level, variant) in [
        (Level::Info, ToastVariant::Info),
        (Level::Success, ToastVariant::Success),
        (Level::Warning, ToastVariant::Warning),
        (Level::Error, ToastVariant::Error),
    ] {
        let mut host = MockOpenCode::new();
        host.expect_toast()
            .times(1)
            .withf(move |toast| {
                toast.variant == variant
                    && toast.title.as_deref() == Some("title")
                    && toast.message == "message"
                    && toast.duration == Some(Duration::from_secs(10))
            })
            .return_once(|_| Ok(()));
        show(host, UxAction::Toast(Toast::new("about", level, "title", "message", 10_000))).await.unwrap();
    }
}

#[tokio::test]
async fn hints_and_sessions_go_to_the_tui_and_attention_to_nobody() {
    let mut host = MockOpenCode::new();
    host.expect_append_prompt().times(1).withf(|text| text == "hint").return_once(|_| Ok(()));
    show(host, UxAction::PromptHint { text: "hint".to_owned() }).await.unwrap();

    let mut host = MockOpenCode::new();
    host.expect_select_session().times(1).withf(|id| id.as_str() == SESSION).return_once(|_| Ok(()));
    show(host, UxAction::SelectSession { session: SESSION.to_owned() }).await.unwrap();

    let mut host = MockOpenCode::new();
    host.expect_open_sessions().times(1).return_once(|| Ok(()));
    show(host, UxAction::OpenSessions).await.unwrap();

    let untouched = MockOpenCode::new();
    show(untouched, attention()).await.unwrap();
    let untouched = MockOpenCode::new();
    let frontend = OpenCodeFrontend::new(Arc::new(untouched)).without_hints();
    frontend.show(&UxAction::PromptHint { text: "hint".to_owned() }).await.unwrap();
}

#[tokio::test]
async fn a_session_that_is_none_of_the_hosts_is_never_put_into_a_request() {
    let untouched = MockOpenCode::new();
    let notice = UxAction::Notice(Notice::new(run(), "../ses_parent", "text"));
    let error = show(untouched, notice).await.unwrap_err();
    assert_eq!(error.code(), "orch::ux::frontend");
    assert_eq!(error.to_string(), "show in OpenCode: no session of this host");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_failure_of_the_host_keeps_its_own_code() {
    let mut host = MockOpenCode::new();
    host.expect_open_sessions().return_once(|| {
        Err(HostError::new(HostErrorKind::Unreachable, "open the sessions", "http://127.0.0.1:1", "refused"))
    });
    let error = show(host, UxAction::OpenSessions).await.unwrap_err();
    assert_eq!(error.code(), "orch::host::unreachable");
    assert_eq!(error.disposition(), orch_opencode::Disposition::Retry);
}
