//! The scripted model over its own protocol.

use std::time::Duration;

use orch_opencode::simulator::{
    Answer, CallEnd, CallKind, Finish, Hold, Script, ScriptedModel, ToolCall, Usage, When,
};
use serde_json::{Value, json};

use super::client::http;

async fn ask(model: &ScriptedModel, body: Value) -> reqwest::Result<reqwest::Response> {
    let url = format!("{}/v1/chat/completions", model.url());
    http().post(url).header("x-session-id", "ses_1").json(&body).send().await
}

fn prompt(text: &str, stream: bool) -> Value {
    json!({ "model": "stub", "stream": stream, "messages": [
        { "role": "system", "content": "You are helpful." },
        { "role": "user", "content": [{ "type": "text", "text": text }] },
    ] })
}

/// The data of every event of a streamed answer.
async fn streamed(model: &ScriptedModel, text: &str) -> Vec<String> {
    let body = ask(model, prompt(text, true)).await.unwrap().text().await.unwrap();
    body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_streamed_answer_comes_in_chunks_and_ends_with_its_usage() {
    let answer = Answer::streamed("abcdef", 3, Duration::ZERO)
        .reasoning("hm")
        .call(ToolCall::new("bash", json!({ "command": "ls" })))
        .usage(Usage { input: 5, output: 2, reasoning: 1, cached: 4 });
    let model = ScriptedModel::start(Script::new().otherwise(answer)).await.unwrap();
    let mut events = streamed(&model, "hi").await;
    assert_eq!(events.pop().unwrap(), "[DONE]");
    let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let deltas: Vec<_> = events.iter().map(|event| &event["choices"][0]["delta"]).collect();
    let text: Vec<_> = deltas.iter().filter_map(|delta| delta["content"].as_str()).collect();
    assert_eq!(text, ["", "ab", "cd", "ef"]);
    assert!(deltas.iter().any(|delta| delta["reasoning_content"] == "hm"));
    assert!(
        deltas.iter().any(|delta| delta["tool_calls"][0]["function"]["arguments"] == "{\"command\":\"ls\"}")
    );
    let last = events.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        (&last["usage"]["prompt_tokens"], &last["usage"]["completion_tokens"]),
        (&json!(9), &json!(3))
    );
}

#[tokio::test]
async fn a_whole_answer_is_one_document() {
    let script = Script::new().otherwise(Answer::text("all").finish(Finish::Length));
    let model = ScriptedModel::start(script).await.unwrap();
    let reply: Value = ask(&model, prompt("hi", false)).await.unwrap().json().await.unwrap();
    assert_eq!(reply["choices"][0]["message"]["content"], "all");
    assert_eq!(reply["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn successive_calls_for_one_prompt_get_successive_answers() {
    let tool = Answer::tool(ToolCall::new("bash", json!({})));
    for (reply, expected) in [
        (vec![Answer::text("a"), Answer::text("b")], ["a", "b", "b"]),
        (vec![tool.clone(), Answer::text("b")], ["", "b", "b"]),
        (vec![tool.clone()], ["", "done", "done"]),
    ] {
        let model = ScriptedModel::start(Script::new().otherwise(reply)).await.unwrap();
        let mut heard = Vec::new();
        for _ in expected {
            let reply: Value = ask(&model, prompt("hi", false)).await.unwrap().json().await.unwrap();
            heard.push(reply["choices"][0]["message"]["content"].as_str().unwrap().to_owned());
        }
        assert_eq!(heard, expected);
        let attempts: Vec<_> = model.log().iter().map(|call| (call.prompt, call.attempt)).collect();
        assert_eq!(attempts, [(Some(1), 1), (Some(1), 2), (Some(1), 3)]);
    }
}

#[tokio::test]
async fn rules_answer_in_order_and_a_limited_rule_steps_aside() {
    let script = Script::new()
        .on_first(1, When::prompt("x"), "first x")
        .on(When::nth(3), "third")
        .on(When::prompt("x").and_prompt("y"), "x and y")
        .on(When::prompt("x").and_system("helpful").and_session("ses_1").and_root(), "helpful x")
        .on(When::any().and_child(), "child");
    let model = ScriptedModel::start(script).await.unwrap();
    for (text, expected) in
        [("x 1", "first x"), ("x 2", "helpful x"), ("x 3", "third"), ("x y", "x and y"), ("none", "ok")]
    {
        let reply: Value = ask(&model, prompt(text, false)).await.unwrap().json().await.unwrap();
        assert_eq!(reply["choices"][0]["message"]["content"], expected, "{text}");
    }
}

#[tokio::test]
async fn titles_and_summaries_are_answered_apart_and_do_not_count() {
    let script = Script::new().title("A title").summary("A summary").on(When::nth(1), "the first prompt");
    let model = ScriptedModel::start(script).await.unwrap();
    for (system, expected, kind) in [
        ("You are a title generator. You output ONLY a thread title.", "A title", CallKind::Title),
        ("You are a context summarization agent. You are given…", "A summary", CallKind::Compaction),
        ("You are opencode", "the first prompt", CallKind::Prompt),
    ] {
        let mut body = prompt("hi", false);
        body["messages"][0]["content"] = json!(system);
        let reply: Value = ask(&model, body).await.unwrap().json().await.unwrap();
        assert_eq!(reply["choices"][0]["message"]["content"], expected);
        assert_eq!(model.log().last().unwrap().kind, kind);
    }
    assert_eq!(model.prompts().len(), 1);
}

#[tokio::test]
async fn failures_reach_the_host_as_they_are_scripted() {
    let script = Script::new()
        .on(When::prompt("limited"), Answer::rate_limited(Some(Duration::from_secs(7))))
        .on(When::prompt("empty"), Answer::empty())
        .on(When::prompt("html"), Answer::html())
        .on(When::prompt("garbled"), Answer::text("so far").then_malformed())
        .on(When::prompt("cut"), Answer::text("so far").then_cut());
    let model = ScriptedModel::start(script).await.unwrap();
    let limited = ask(&model, prompt("limited", true)).await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(ask(&model, prompt("empty", true)).await.unwrap().text().await.unwrap(), "");
    assert!(ask(&model, prompt("html", true)).await.unwrap().text().await.unwrap().starts_with("<!doctype"));
    let garbled = streamed(&model, "garbled").await;
    assert!(serde_json::from_str::<Value>(garbled.last().unwrap()).is_err());
    let cut = ask(&model, prompt("cut", true)).await;
    let ended = match cut {
        Ok(response) => response.text().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(ended.is_err());
}

#[tokio::test]
async fn an_answer_waits_for_its_hold_and_a_caller_who_leaves_is_noticed() {
    let hold = Hold::new();
    let script = Script::new()
        .on(When::prompt("held"), Answer::text("released").held(&hold))
        .on(When::prompt("stalled"), Answer::text("so far").then_stall())
        .on(When::prompt("hanging"), Answer::hang());
    let model = ScriptedModel::start(script).await.unwrap();
    let (reply, ()) = tokio::join!(ask(&model, prompt("held", false)), async {
        hold.wait_arrived().await;
        assert_eq!(model.log()[0].end, CallEnd::Open);
        hold.release();
    });
    let reply: Value = reply.unwrap().json().await.unwrap();
    assert_eq!(reply["choices"][0]["message"]["content"], "released");

    for (number, text) in [(2, "stalled"), (3, "hanging")] {
        tokio::select! {
            () = async {
                let response = ask(&model, prompt(text, true)).await.unwrap();
                let _ = response.text().await;
            } => panic!("{text} has ended"),
            () = model.wait_log(|calls| calls.len() == number) => {}
        }
        model.wait_log(|calls| calls.last().unwrap().end == CallEnd::Abandoned).await;
    }
}

#[tokio::test]
async fn a_file_opens_a_hold_from_another_process() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("go");
    let hold = Hold::until_file(&file);
    let model =
        ScriptedModel::start(Script::new().otherwise(Answer::text("gone").held(&hold))).await.unwrap();
    let (reply, ()) = tokio::join!(ask(&model, prompt("held", false)), async {
        hold.wait_arrived().await;
        std::fs::write(&file, "").unwrap();
    });
    assert_eq!(reply.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_prompt_may_carry_its_own_answers() {
    let model = ScriptedModel::start(Script::new().reading_prompts()).await.unwrap();
    let text = r#"please SCRIPT: [{"text": "one", "n": 3}, {"text": "two"}] thanks"#;
    for expected in ["one", "two"] {
        let reply: Value = ask(&model, prompt(text, false)).await.unwrap().json().await.unwrap();
        assert_eq!(reply["choices"][0]["message"]["content"], expected);
    }
    let reply: Value = ask(&model, prompt("SCRIPT: nonsense", false)).await.unwrap().json().await.unwrap();
    assert_eq!(reply["choices"][0]["message"]["content"], "ok");
}
