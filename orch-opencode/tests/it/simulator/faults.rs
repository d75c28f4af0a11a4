//! Faults on demand, as a client meets them.

use std::time::Duration;

use orch_opencode::simulator::{Answer, EventFault, Hold, HttpFault, Script, Simulator, SimulatorOptions};
use serde_json::{Value, json};

use super::client::{Client, is};

async fn start() -> (Simulator, Client) {
    let host = Simulator::start(SimulatorOptions::new(Script::new())).await.unwrap();
    let client = Client::of(&host);
    (host, client)
}

#[tokio::test]
async fn a_route_goes_wrong_as_often_as_planned() {
    let (host, client) = start().await;
    let faults = host.faults();
    for (fault, status) in
        [(HttpFault::Status(503), 503), (HttpFault::Html, 200), (HttpFault::Malformed, 200)]
    {
        faults.http("GET /session/*", fault.clone(), 1);
        let reply = client.send("GET", "/session/status", Value::Null).await.unwrap();
        assert_eq!(reply.status, status, "{fault:?}");
        assert!(reply.body.is_string() || reply.status == 503, "{fault:?}: not the JSON that was asked for");
    }
    assert_eq!(client.get("/session/status").await, json!({}));
}

#[tokio::test]
async fn a_reset_before_has_no_effect_and_a_reset_after_has() {
    let (host, client) = start().await;
    for (fault, effect) in [(HttpFault::Reset, 0), (HttpFault::ResetAfter, 1)] {
        host.faults().http("POST /session", fault.clone(), 1);
        assert!(client.send("POST", "/session", json!({})).await.is_err(), "{fault:?}");
        assert_eq!(host.sessions().len(), effect, "{fault:?}");
    }
}

#[tokio::test]
async fn a_hanging_request_is_seen_and_never_answered() {
    let (host, client) = start().await;
    host.faults().http("POST /session", HttpFault::HangAfter, 1);
    let request = client.send("POST", "/session", json!({}));
    tokio::select! {
        reply = request => panic!("{reply:?}"),
        () = host.wait_requests(|requests| requests.len() == 1) => {}
    }
    assert_eq!(host.requests()[0].path, "/session");
}

#[tokio::test]
async fn cut_streams_end_and_new_ones_are_served() {
    let (host, client) = start().await;
    let first = client.events().await;
    assert_eq!(host.event_streams(), 1);
    host.cut_event_streams();
    first.task.await.unwrap();
    let second = client.events().await;
    host.cut_connections();
    second.task.await.unwrap();
    let third = client.events().await;
    let session = client.session(json!({})).await;
    third.wait(|seen| is(seen.last().unwrap(), "session.created", &session)).await;
}

#[tokio::test]
async fn a_silent_stream_loses_what_happens_meanwhile() {
    let (host, client) = start().await;
    let events = client.events().await;
    host.faults().silence_events();
    let lost = client.session(json!({})).await;
    host.faults().resume_events();
    let heard = client.session(json!({})).await;
    events.wait(|seen| is(seen.last().unwrap(), "session.created", &heard)).await;
    assert!(!events.all().iter().any(|event| is(event, "session.created", &lost)));
}

#[tokio::test]
async fn an_event_can_be_lost_doubled_or_late() {
    let (host, client) = start().await;
    let events = client.events().await;
    host.faults().events([EventFault::Drop, EventFault::Duplicate, EventFault::Delay(1)]);
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(client.session(json!({})).await);
    }
    events.wait(|seen| seen.len() == 5).await;
    let heard: Vec<_> = events.all()[1..]
        .iter()
        .map(|event| event["payload"]["properties"]["sessionID"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(heard, [&sessions[1], &sessions[1], &sessions[3], &sessions[2]].map(String::as_str));
}

#[tokio::test]
async fn a_closed_port_refuses_and_the_state_lives_on() {
    let (host, client) = start().await;
    let session = client.session(json!({})).await;
    host.refuse_connections().await;
    assert!(client.send("GET", "/session", Value::Null).await.is_err(), "the old connection");
    let client = Client::of(&host);
    let error = client.send("GET", "/session", Value::Null).await.unwrap_err();
    assert!(error.is_connect(), "a new one: {error:?}");
    host.accept_connections().await;
    assert_eq!(client.get("/session").await[0]["id"], session.as_str());
}

#[tokio::test]
async fn shutting_down_ends_everything_at_once() {
    let hold = Hold::new();
    let script = Script::new().otherwise(Answer::text("never").held(&hold));
    let host = Simulator::start(SimulatorOptions::new(script)).await.unwrap();
    let client = Client::of(&host);
    let events = client.events().await;
    let session = client.session(json!({})).await;
    client.prompt(&session, "hi").await;
    hold.wait_arrived().await;
    host.shutdown();
    tokio::time::timeout(Duration::from_secs(10), events.task).await.unwrap().unwrap();
    assert!(client.send("GET", "/global/health", Value::Null).await.is_err());
}
