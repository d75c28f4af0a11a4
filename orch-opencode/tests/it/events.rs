//! The event subscription when its connection breaks, falls silent or never begins.

use std::time::Duration;

use orch_opencode::{EventStream, HostErrorKind, HostEvent, HttpOpenCode, OpenCode, StreamItem};

use crate::scripted_server::{Act, ScriptedServer};

const CONNECTED: &str = "data: {\"payload\":{\"type\":\"server.connected\",\"properties\":{}}}\n\n";

fn idle(session: &str) -> String {
    format!(
        "data: {{\"payload\":{{\"type\":\"session.idle\",\"properties\":{{\"sessionID\":\"{session}\"}}}}}}\n\n"
    )
}

fn host(server: &ScriptedServer) -> HttpOpenCode {
    HttpOpenCode::builder(server.url(), "/project").silence(Duration::from_millis(200)).build().unwrap()
}

/// The next item as one word, so that a sequence reads as a story.
async fn next(stream: &mut EventStream) -> String {
    let item = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("an item in time");
    match item.expect("the stream goes on") {
        StreamItem::Connected => "connected".into(),
        StreamItem::Lost(reason) => format!("lost: {reason}"),
        StreamItem::Event(event) => match &*event {
            HostEvent::Idle { session } => format!("idle {session}"),
            other => format!("{other:?}"),
        },
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_cut_stream_is_reported_and_mended() {
    let first = Act::Answer(Act::stream(&format!("{CONNECTED}{}", idle("ses_1"))));
    let second = Act::AnswerAndHold(Act::stream(&format!("{CONNECTED}{}", idle("ses_2"))));
    let server = ScriptedServer::start(vec![first, Act::Hang, Act::json(500, ""), second]).await;
    let host = host(&server);
    let mut stream = host.events().await.unwrap();
    assert_eq!(next(&mut stream).await, "connected");
    loop {
        match next(&mut stream).await.as_str() {
            "connected" => break,
            // Events in the first chunk were read while the subscription was made.
            "idle ses_1" => {}
            lost => assert!(lost.starts_with("lost: "), "{lost}"),
        }
    }
    drop(stream);
}

#[tokio::test]
async fn a_silent_stream_counts_as_lost() {
    let server = ScriptedServer::start(vec![Act::AnswerAndHold(Act::stream(CONNECTED))]).await;
    let host = host(&server);
    let mut stream = host.events().await.unwrap();
    assert_eq!(next(&mut stream).await, "connected");
    assert_eq!(next(&mut stream).await, "lost: no sign of life for 0.2 s");
    assert_eq!(next(&mut stream).await, "connected");
}

#[tokio::test]
async fn subscribers_share_one_connection() {
    let server = ScriptedServer::start(vec![Act::AnswerAndHold(Act::stream(CONNECTED))]).await;
    let host = HttpOpenCode::builder(server.url(), "/project").build().unwrap();
    let (first, second) = tokio::join!(host.events(), host.events());
    let (mut first, mut second) = (first.unwrap(), second.unwrap());
    assert_eq!(next(&mut first).await, "connected");
    assert_eq!(next(&mut second).await, "connected");
    assert_eq!(server.requests().len(), 1);
    drop(host);
    assert_eq!(first.next().await, None, "nothing outlives the handle");
}

#[tokio::test]
async fn a_stream_that_cannot_begin_says_why() {
    for (act, kind) in [
        (Act::json(401, ""), HostErrorKind::Unauthorized),
        (Act::reply(200, "text/html", "<html>"), HostErrorKind::Protocol),
        (Act::Hang, HostErrorKind::Unreachable),
    ] {
        let server = ScriptedServer::start(vec![act.clone()]).await;
        let host = HttpOpenCode::builder(server.url(), "/project").build().unwrap();
        let error = host.events().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{act:?}: {error}");
    }
}

#[tokio::test]
async fn a_stream_that_never_begins_runs_into_the_time_limit() {
    for act in [Act::Silence, Act::AnswerAndHold(Act::stream(": nothing\n\n"))] {
        let server = ScriptedServer::start(vec![act.clone()]).await;
        let builder = HttpOpenCode::builder(server.url(), "/project");
        let host = builder.request_timeout(Duration::from_millis(100)).build().unwrap();
        let error = host.events().await.unwrap_err();
        assert_eq!(error.kind(), HostErrorKind::Timeout, "{act:?}: {error}");
    }
}
