//! The HTTP client against every kind of reply, good and bad. Test names are rows of the fault table.

use std::time::Duration;

use orch_opencode::{
    Disposition, HostError, HostErrorKind, HttpOpenCode, MessageId, NewSession, OpenCode, Prompt, SessionId,
};
use secrecy::SecretString;

use crate::scripted_server::{Act, ScriptedServer};

const SESSION: &str = r#"{"id":"ses_1","title":"T","directory":"/project","time":{"created":1,"updated":1}}"#;

fn host(server: &ScriptedServer) -> HttpOpenCode {
    HttpOpenCode::builder(server.url(), "/project").request_timeout(Duration::from_secs(5)).build().unwrap()
}

fn with_password(server: &ScriptedServer) -> HttpOpenCode {
    HttpOpenCode::builder(server.url(), "/project")
        .password(SecretString::from("canary"), "OPENCODE_SERVER_PASSWORD")
        .build()
        .unwrap()
}

fn session() -> SessionId {
    SessionId::parse("ses_1").unwrap()
}

async fn health(act: Act) -> Result<orch_opencode::Health, HostError> {
    let server = ScriptedServer::start(vec![act]).await;
    host(&server).health().await
}

async fn prompt(act: Act) -> Result<(), HostError> {
    let server = ScriptedServer::start(vec![act]).await;
    let result = host(&server).prompt(&session(), Prompt::text("hello")).await;
    assert_eq!(server.requests().len(), 1, "a prompt is sent once");
    result
}

#[tokio::test]
async fn a_wrong_password_is_named_with_the_variable_that_holds_it() {
    let server =
        ScriptedServer::start(vec![Act::Answer(b"HTTP/1.1 401 X\r\ncontent-length: 0\r\n\r\n".to_vec())])
            .await;
    let error = with_password(&server).health().await.unwrap_err();
    assert_eq!(error.code(), "orch::host::unauthorized");
    assert_eq!(error.disposition(), Disposition::Terminal);
    let expected =
        format!("authorize at {}: the server refused the password in OPENCODE_SERVER_PASSWORD", server.url());
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_missing_password_says_what_to_set() {
    let error = health(Act::json(401, "")).await.unwrap_err();
    assert_eq!(error.detail(), "the server asks for a password: set OPENCODE_SERVER_PASSWORD");
}

#[tokio::test]
async fn every_call_carries_the_password_and_the_directory() {
    let server = ScriptedServer::start(vec![Act::json(200, "[]")]).await;
    let host = with_password(&server);
    host.agents().await.unwrap();
    let request = server.requests().remove(0);
    assert!(request.starts_with("GET /agent?directory=%2Fproject HTTP/1.1"), "{request}");
    assert!(request.contains("authorization: Basic b3BlbmNvZGU6Y2FuYXJ5"), "{request}");
    assert!(!format!("{host:?}").contains("canary"));
}

#[tokio::test]
async fn a_web_page_in_place_of_json_is_another_program() {
    let error = health(Act::reply(200, "text/html", "<!doctype html>")).await.unwrap_err();
    assert_eq!(error.kind(), HostErrorKind::Protocol);
    assert!(error.detail().contains("text/html"), "{error}");
}

#[tokio::test]
async fn json_of_another_shape_is_another_program() {
    let error = health(Act::json(200, r#"{"status":"ok"}"#)).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Protocol, Disposition::Terminal));
}

#[tokio::test]
async fn refusals_keep_the_reason_of_the_host() {
    for (status, body, kind, detail) in [
        (
            404,
            r#"{"name":"NotFoundError","data":{"message":"Session not found"}}"#,
            HostErrorKind::NotFound,
            "Session not found (HTTP 404)",
        ),
        (409, r#"{"_tag":"SessionBusyError","message":"busy"}"#, HostErrorKind::Busy, "busy (HTTP 409)"),
        (400, r#"{"_tag":"BadRequest"}"#, HostErrorKind::BadRequest, "BadRequest (HTTP 400)"),
        (500, r#"{"name":"UnknownError","data":{"message":"oh"}}"#, HostErrorKind::Server, "oh (HTTP 500)"),
    ] {
        let error = prompt(Act::json(status, body)).await.unwrap_err();
        assert_eq!((error.kind(), error.detail()), (kind, detail));
    }
}

#[tokio::test]
async fn a_refused_connection_says_that_nobody_is_there() {
    // A port that was just given back is nobody's.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let host = HttpOpenCode::builder(url, "/project").build().unwrap();
    let error = host.prompt(&session(), Prompt::text("hello")).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Unreachable, Disposition::Retry));
    assert!(error.to_string().ends_with("nobody answers there; is the server running?"), "{error}");
}

#[tokio::test]
async fn a_connection_reset_after_a_prompt_leaves_it_in_doubt() {
    let error = prompt(Act::Hang).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Unreachable, Disposition::InDoubt));
}

/// The head promises more than comes.
#[tokio::test]
async fn a_body_that_breaks_off_is_a_broken_connection_and_never_half_an_answer() {
    let half = || {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n";
        Act::Answer([head, r#"{"healthy":true,"version":"1.2.3"}"#].concat().into_bytes())
    };
    let error = health(half()).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Unreachable, Disposition::Retry));
    let error = prompt(half()).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Unreachable, Disposition::InDoubt));
}

#[tokio::test]
async fn a_silent_host_runs_into_the_time_limit() {
    let server = ScriptedServer::start(vec![Act::Silence]).await;
    let host =
        HttpOpenCode::builder(server.url(), "/").request_timeout(Duration::from_millis(50)).build().unwrap();
    let error = host.prompt(&session(), Prompt::text("hello")).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Timeout, Disposition::InDoubt));
    let error = host.health().await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Timeout, Disposition::Retry));
}

#[tokio::test]
async fn a_safe_call_survives_a_reset_and_a_bad_gateway() {
    let healthy = Act::json(200, r#"{"healthy":true,"version":"1.2.3"}"#);
    let server = ScriptedServer::start(vec![Act::Hang, Act::json(502, ""), healthy]).await;
    assert_eq!(host(&server).health().await.unwrap().version, "1.2.3");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_safe_call_gives_up_after_three_tries() {
    let server = ScriptedServer::start(vec![Act::Hang]).await;
    let error = host(&server).health().await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Unreachable, Disposition::Retry));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_giant_reply_is_not_read() {
    let error = health(Act::json(200, &"x".repeat(17 * 1024 * 1024))).await.unwrap_err();
    assert_eq!(error.kind(), HostErrorKind::TooLarge);
    assert!(error.to_string().contains("16 MiB"), "{error}");
}

#[tokio::test]
async fn a_reply_of_the_largest_size_is_read_and_one_byte_more_is_not() {
    const CAP: usize = 16 * 1024 * 1024;
    let whole = |bytes: usize| {
        let start = r#"{"healthy":true,"version":"1"#;
        format!(r#"{start}{}"}}"#, "1".repeat(bytes - start.len() - 2))
    };
    let largest = health(Act::json(200, &whole(CAP))).await.unwrap();
    assert!(largest.version.len() > CAP / 2);
    let error = health(Act::json(200, &whole(CAP + 1))).await.unwrap_err();
    assert_eq!(error.kind(), HostErrorKind::TooLarge);
}

#[tokio::test]
async fn a_reply_that_nests_as_deep_as_it_may_is_read_and_a_deeper_one_is_not() {
    // In the metadata of a session, which are kept as they are: the session and they are two levels.
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 2), "]".repeat(levels - 2));
        SESSION.replace(r#""title""#, &format!(r#""metadata":{{"deep":{open}{close}}},"title""#))
    };
    let read = async |levels: usize| {
        let server = ScriptedServer::start(vec![Act::json(200, &nested(levels))]).await;
        host(&server).session(&session()).await
    };
    assert!(read(127).await.unwrap().metadata["deep"].is_array());
    for levels in [128, 100_000] {
        let error = read(levels).await.unwrap_err();
        assert_eq!(error.kind(), HostErrorKind::Protocol, "{levels}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("recursion limit"), "{levels}: {cause}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = ScriptedServer::start(vec![Act::json(200, r#"{"healthy":true,"version":"1"}"#)]).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", other.url());
    let server = ScriptedServer::start(vec![Act::Answer(redirect.into_bytes())]).await;
    let error = with_password(&server).health().await.unwrap_err();
    assert_eq!(error.kind(), HostErrorKind::Protocol);
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_child_without_a_parent_is_never_created() {
    let missing = Act::json(404, r#"{"name":"NotFoundError","data":{"message":"Session not found: ses_1"}}"#);
    let server = ScriptedServer::start(vec![missing]).await;
    let new = NewSession { parent: Some(session()), ..NewSession::default() };
    let error = host(&server).create_session(new).await.unwrap_err();
    assert_eq!(error.code(), "orch::host::not-found");
    assert!(error.to_string().contains("its parent session ses_1 is not there"), "{error}");
    assert!(server.requests().iter().all(|request| request.starts_with("GET")));
}

#[tokio::test]
async fn a_child_that_is_none_is_removed_again() {
    let created = SESSION.replace("ses_1", "ses_2");
    let acts = vec![Act::json(200, SESSION), Act::json(200, &created), Act::json(200, "true")];
    let server = ScriptedServer::start(acts).await;
    let new = NewSession { parent: Some(session()), ..NewSession::default() };
    let error = host(&server).create_session(new).await.unwrap_err();
    assert_eq!(error.kind(), HostErrorKind::Mismatch);
    assert_eq!(error.detail(), "asked for parent ses_1, the host answered none");
    assert!(server.requests()[2].starts_with("DELETE /session/ses_2"));
}

#[tokio::test]
async fn a_session_in_another_directory_is_refused() {
    let acts = vec![Act::json(200, &SESSION.replace("/project", "/elsewhere")), Act::json(200, "true")];
    let server = ScriptedServer::start(acts).await;
    let error = host(&server).create_session(NewSession::default()).await.unwrap_err();
    assert_eq!(error.detail(), "asked for directory /project, the host answered /elsewhere");
}

#[tokio::test]
async fn a_prompt_names_message_parts_agent_and_model_and_neither_tools_nor_format() {
    let server = ScriptedServer::start(vec![Act::Answer(b"HTTP/1.1 204 X\r\n\r\n".to_vec())]).await;
    let prompt = Prompt::text("hello").by(Some("build".into()), Some("stub/stub".parse().unwrap()));
    let (message, part) = (prompt.message.clone(), prompt.parts[0].id().clone());
    host(&server).prompt(&session(), prompt).await.unwrap();
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /session/ses_1/prompt_async?directory=%2Fproject"), "{head}");
    let expected = format!(
        r#"{{"messageID":"{message}","agent":"build","model":{{"providerID":"stub","modelID":"stub"}},"parts":[{{"type":"text","id":"{part}","text":"hello"}}]}}"#
    );
    assert_eq!(body, expected);
}

/// Pages come newest first; the transcript is read back only as far as it is needed.
#[tokio::test]
async fn pages_are_put_in_order_and_read_no_further_than_needed() {
    let message = |id: u32| {
        format!(
            r#"{{"info":{{"id":"msg_{id}","sessionID":"ses_1","role":"user","time":{{"created":{id}}}}},"parts":[]}}"#
        )
    };
    let page = |ids: [u32; 2], cursor: &str| {
        let body = format!("[{},{}]", message(ids[0]), message(ids[1]));
        let cursor = if cursor.is_empty() { String::new() } else { format!("x-next-cursor: {cursor}\r\n") };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{cursor}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        Act::Answer([head, body].concat().into_bytes())
    };
    let acts = vec![page([5, 6], "b"), page([3, 4], "a"), page([1, 2], "")];
    let ids = |messages: Vec<orch_opencode::Message>| -> Vec<String> {
        messages.into_iter().map(|message| message.id.to_string()).collect()
    };

    let server = ScriptedServer::start(acts.clone()).await;
    let all = ids(host(&server).messages(&session()).await.unwrap());
    assert_eq!(all, ["msg_1", "msg_2", "msg_3", "msg_4", "msg_5", "msg_6"]);
    assert!(server.requests()[1].contains("before=b"));

    let server = ScriptedServer::start(acts).await;
    let first = MessageId::parse("msg_4").unwrap();
    assert_eq!(
        ids(host(&server).messages_from(&session(), &first).await.unwrap()),
        ["msg_4", "msg_5", "msg_6"]
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_catalog_names_the_models_that_the_configuration_chose() {
    let providers = r#"{"providers":[{"id":"a","models":{"m":{"id":"m"}}},{"id":"b","models":{}}],"default":{"a":"m","b":"n"}}"#;
    let config = r#"{"model":"b/n","small_model":"no-provider","plugin":[]}"#;
    let server = ScriptedServer::start(vec![Act::json(200, providers), Act::json(200, config)]).await;
    let catalog = host(&server).catalog().await.unwrap();
    assert_eq!(catalog.default.unwrap().to_string(), "b/n");
    assert_eq!(catalog.small, None);
    assert_eq!(catalog.defaults["a"], "m");
    assert_eq!(catalog.providers.len(), 2);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn https_to_a_host_that_speaks_none_is_unreachable() {
    let server = ScriptedServer::start(vec![Act::Hang]).await;
    let url = server.url().replace("http:", "https:");
    let host = HttpOpenCode::builder(url, "/").build().unwrap();
    let error = host.prompt(&session(), Prompt::text("hello")).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Unreachable, Disposition::Retry));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn https_that_is_answered_in_plain_text_is_a_failed_secure_connection() {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    });
    let host = HttpOpenCode::builder(url, "/").build().unwrap();
    let error = host.prompt(&session(), Prompt::text("hello")).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (HostErrorKind::Tls, Disposition::Terminal));
    assert!(error.to_string().contains("no secure connection: "), "{error}");
    drop(server.await.unwrap());
}
