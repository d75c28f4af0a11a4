//! Waiting takes no time under a paused clock.

use std::time::Duration;

use orch_opencode::simulator::{Answer, Script, Simulator, SimulatorOptions, When};
use serde_json::json;
use tokio::time::Instant;

use super::client::{Client, is};

const AGES: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn an_overloaded_model_is_called_again_for_about_69_seconds() {
    let script = Script::new().otherwise(Answer::error(529, "overloaded"));
    let host = Simulator::start(SimulatorOptions::new(script)).await.unwrap();
    let client = Client::of(&host);
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    let started = Instant::now();
    client.prompt(&session, "hi").await;
    let rested = |event: &_| is(event, "session.idle", &session);
    events.wait_up_to(AGES, |seen| seen.iter().any(rested)).await;
    assert!(started.elapsed() >= Duration::from_secs(68), "{:?}", started.elapsed());
    assert_eq!(host.model_log().len(), 6);
    let retries: Vec<_> = events
        .all()
        .iter()
        .map(|event| event["payload"]["properties"]["status"].clone())
        .filter(|status| status["type"] == "retry")
        .map(|status| status["attempt"].as_u64().unwrap())
        .collect();
    assert_eq!(retries, [1, 2, 3, 4, 5]);
    let message = client.messages(&session).await.pop().unwrap();
    assert_eq!(message["info"]["error"]["data"]["statusCode"], 529);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_waits_as_long_as_the_model_says() {
    let script = Script::new()
        .on(When::any(), [Answer::rate_limited(Some(Duration::from_secs(40))), Answer::text("at last")]);
    let host = Simulator::start(SimulatorOptions::new(script)).await.unwrap();
    let client = Client::of(&host);
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    client.prompt(&session, "hi").await;
    events.wait_up_to(AGES, |seen| seen.iter().any(|event| is(event, "session.idle", &session))).await;
    let [first, second] = &host.model_log()[..] else { panic!("{:#?}", host.model_log()) };
    assert_eq!((second.at - first.at).as_secs(), 40);
    assert_eq!(client.last_text(&session).await, "at last");
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_asked_for_again_until_somebody_aborts() {
    for answer in [Answer::empty(), Answer::html()] {
        let host = Simulator::start(SimulatorOptions::new(Script::new().otherwise(answer))).await.unwrap();
        let client = Client::of(&host);
        let session = client.session(json!({ "title": "T" })).await;
        client.prompt(&session, "hi").await;
        host.wait_model_log(|calls| calls.len() > 20).await;
        client.post(&format!("/session/{session}/abort"), json!(null)).await;
        let asked = host.model_log().len();
        let messages = client.messages(&session).await;
        assert_eq!(messages[1]["info"]["finish"], "unknown");
        tokio::time::sleep(AGES).await;
        assert_eq!(host.model_log().len(), asked);
    }
}
