//! The host's facts that an adapter stumbles over, each as a client sees it.

use orch_opencode::simulator::{
    Answer, CallEnd, Finish, Hold, Script, SimulatedAgent, SimulatedStatus, Simulator, SimulatorOptions,
    ToolCall, Usage, When,
};
use serde_json::{Value, json};

use super::client::{Client, http, is};

async fn start(script: Script) -> (Simulator, Client) {
    let host = Simulator::start(SimulatorOptions::new(script)).await.unwrap();
    let client = Client::of(&host);
    (host, client)
}

/// The assistant messages' finish and error names.
async fn endings(client: &Client, session: &str) -> Vec<(Value, Value)> {
    let messages = client.messages(session).await;
    let infos = messages.iter().map(|message| &message["info"]).filter(|info| info["role"] == "assistant");
    infos.map(|info| (info["finish"].clone(), info["error"]["name"].clone())).collect()
}

#[tokio::test]
async fn an_answer_names_the_prompt_it_answers_and_reports_usage() {
    let usage = Usage { input: 1200, output: 80, reasoning: 20, cached: 300 };
    let script = Script::new().otherwise(Answer::text("hello").reasoning("so so").say(" again").usage(usage));
    let (_host, client) = start(script).await;
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    assert_eq!(client.prompt_with(&session, "hi", json!({ "messageID": "msg_01" })).await.status, 204);
    events.wait_idle(0, &session).await;
    let answer = client.messages(&session).await[1].clone();
    assert_eq!(answer["info"]["parentID"], "msg_01");
    assert_eq!(answer["info"]["finish"], "stop");
    let tokens = json!({ "total": 1600, "input": 1200, "output": 80, "reasoning": 20, "cache": { "read": 300, "write": 0 } });
    assert_eq!(answer["info"]["tokens"], tokens);
    let kinds: Vec<_> = answer["parts"].as_array().unwrap().iter().map(|part| part["type"].clone()).collect();
    assert_eq!(kinds, ["step-start", "text", "reasoning", "text", "step-finish"]);
    let session = client.get(&format!("/session/{session}")).await;
    assert_eq!(session["tokens"]["input"], 1200);
    assert_eq!(session["model"]["id"], "stub");
}

#[tokio::test]
async fn a_repeated_prompt_with_its_own_ids_is_answered_once() {
    let (host, client) = start(Script::new().otherwise("done")).await;
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    let own = json!({ "messageID": "msg_01", "parts": [{ "type": "text", "text": "once", "id": "prt_01" }] });
    client.prompt_with(&session, "", own.clone()).await;
    events.wait_idle(0, &session).await;
    let from = events.all().len();
    client.prompt_with(&session, "", own).await;
    events.wait_idle(from, &session).await;
    assert_eq!(client.messages(&session).await.len(), 2);
    assert_eq!(host.model_prompts().len(), 1);
    assert_eq!(host.prompts().len(), 2);
}

#[tokio::test]
async fn a_repeated_prompt_without_a_part_id_doubles_its_text() {
    let hold = Hold::new();
    let (_host, client) = start(Script::new().otherwise(Answer::text("done").held(&hold))).await;
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    for _ in 0..2 {
        client.prompt_with(&session, "once", json!({ "messageID": "msg_01" })).await;
    }
    hold.release();
    events.wait_idle(0, &session).await;
    let prompt = client.messages(&session).await[0].clone();
    assert_eq!(prompt["parts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_aborted_prompt_runs_again_when_repeated() {
    let hold = Hold::new();
    let script = Script::new().otherwise([Answer::text("first").held(&hold), Answer::text("second")]);
    let (host, client) = start(script).await;
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    let own = json!({ "messageID": "msg_01", "parts": [{ "type": "text", "text": "once", "id": "prt_01" }] });
    client.prompt_with(&session, "", own.clone()).await;
    hold.wait_arrived().await;
    assert_eq!(client.get("/session/status").await, json!({ &session: { "type": "busy" } }));
    assert_eq!(client.post(&format!("/session/{session}/abort"), Value::Null).await.body, true);
    assert_eq!(client.get("/session/status").await, json!({}));
    assert_eq!(host.model_log()[0].end, CallEnd::Abandoned);
    let from = events.all().len();
    client.prompt_with(&session, "", own).await;
    events
        .wait(|seen| {
            seen[from..].iter().any(|event| event["payload"]["properties"]["info"]["finish"] == "stop")
        })
        .await;
    assert_eq!(client.last_text(&session).await, "second");
    let aborted = (Value::Null, json!("MessageAbortedError"));
    assert_eq!(endings(&client, &session).await, [aborted, (json!("stop"), Value::Null)]);
}

#[tokio::test]
async fn prompts_to_a_busy_session_are_answered_together_by_one_turn() {
    let hold = Hold::new();
    let script =
        Script::new().on(When::prompt("one"), Answer::text("1").held(&hold)).on(When::prompt("three"), "3");
    let (host, client) = start(script).await;
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    client.prompt_with(&session, "one", json!({ "messageID": "msg_01" })).await;
    hold.wait_arrived().await;
    client.prompt_with(&session, "two", json!({ "messageID": "msg_02" })).await;
    client.prompt_with(&session, "three", json!({ "messageID": "msg_03" })).await;
    hold.release();
    events.wait_idle(0, &session).await;
    let messages = client.messages(&session).await;
    let parents: Vec<_> =
        messages.iter().filter_map(|message| message["info"]["parentID"].as_str()).collect();
    assert_eq!(parents, ["msg_01", "msg_03"]);
    assert_eq!(client.last_text(&session).await, "3");
    assert_eq!(host.model_prompts().len(), 2);
}

#[tokio::test]
async fn an_unknown_agent_or_model_is_accepted_and_never_answered() {
    let (host, client) = start(Script::new()).await;
    let events = client.events().await;
    let unknown_model = json!({ "model": { "providerID": "stub", "modelID": "nope" } });
    for (wrong, messages) in [(json!({ "agent": "nope" }), 0), (unknown_model, 1)] {
        let session = client.session(json!({ "title": "T" })).await;
        assert_eq!(client.prompt_with(&session, "hi", wrong).await.status, 204);
        events
            .wait(|seen| seen.iter().filter(|event| is(event, "session.error", &session)).count() == 2)
            .await;
        assert_eq!(client.messages(&session).await.len(), messages);
        assert_eq!(client.get("/session/status").await, json!({}));
    }
    assert!(host.model_log().is_empty());
}

#[tokio::test]
async fn a_child_is_made_by_its_parent_id_and_a_fork_is_a_root() {
    let (_host, client) = start(Script::new()).await;
    let events = client.events().await;
    let parent = client.session(json!({ "title": "P" })).await;
    let child = client.session(json!({ "parentID": parent })).await;
    client.prompt(&child, "hi").await;
    events.wait_idle(0, &child).await;
    let fork = client.post(&format!("/session/{child}/fork"), json!({})).await.body;
    assert!(fork["parentID"].is_null());
    assert_eq!(client.messages(fork["id"].as_str().unwrap()).await.len(), 2);
    let children = client.get(&format!("/session/{parent}/children")).await;
    assert_eq!(children.as_array().unwrap().len(), 1);
    assert_eq!(children[0]["id"], child.as_str());
    let roots = client.get("/session?roots=true").await;
    let titles: Vec<_> =
        roots.as_array().unwrap().iter().map(|session| session["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), 2);
    assert!(titles[0].ends_with("(fork #1)") && titles[1] == "P", "{titles:?}");
}

#[tokio::test]
async fn deleting_a_session_deletes_its_children() {
    let (host, client) = start(Script::new()).await;
    let events = client.events().await;
    let parent = client.session(json!({})).await;
    let child = client.session(json!({ "parentID": parent })).await;
    assert_eq!(client.send("DELETE", &format!("/session/{parent}"), Value::Null).await.unwrap().body, true);
    events.wait(|seen| is(seen.last().unwrap(), "session.deleted", &parent)).await;
    assert!(is(&events.all()[events.all().len() - 2], "session.deleted", &child));
    assert!(host.sessions().is_empty());
    assert_eq!(client.send("GET", &format!("/session/{child}"), Value::Null).await.unwrap().status, 404);
}

#[tokio::test]
async fn sessions_are_changed_and_listed_by_directory() {
    let (host, mut client) = start(Script::new()).await;
    let session = client
        .session(json!({ "title": "a", "permission": [
        { "permission": "bash", "pattern": "*", "action": "ask" },
    ] }))
        .await;
    let patch = json!({
        "title": "b", "metadata": { "k": 1 }, "parentID": "ses_x",
        "permission": [{ "permission": "edit", "pattern": "*", "action": "deny" }],
    });
    let changed = client.send("PATCH", &format!("/session/{session}"), patch).await.unwrap().body;
    assert_eq!((&changed["title"], &changed["metadata"]), (&json!("b"), &json!({ "k": 1 })));
    assert_eq!(changed["permission"].as_array().unwrap().len(), 2);
    assert!(changed["parentID"].is_null());
    client.directory = "/elsewhere".to_owned();
    assert_eq!(client.get("/session").await, json!([]));
    assert_eq!(
        client.get("/session?directory=%2Fproject").await[0]["id"],
        session.as_str(),
        "the query wins"
    );
    assert_eq!(host.sessions()[0].status, SimulatedStatus::Idle);
}

#[tokio::test]
async fn a_transcript_is_read_newest_page_first() {
    let (_host, client) = start(Script::new()).await;
    let session = client.session(json!({ "title": "T" })).await;
    for id in ["msg_01", "msg_02", "msg_03"] {
        client.prompt_with(&session, id, json!({ "messageID": id, "noReply": true })).await;
    }
    let ids = |body: &Value| -> Vec<String> {
        body.as_array()
            .unwrap()
            .iter()
            .map(|message| message["info"]["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let path = format!("/session/{session}/message?limit=2");
    let page = client.send("GET", &path, Value::Null).await.unwrap();
    assert_eq!(ids(&page.body), ["msg_02", "msg_03"]);
    let cursor = page.headers["x-next-cursor"].to_str().unwrap();
    let last = client.send("GET", &format!("{path}&before={cursor}"), Value::Null).await.unwrap();
    assert_eq!(ids(&last.body), ["msg_01"]);
    assert!(!last.headers.contains_key("x-next-cursor"));
}

#[tokio::test]
async fn failures_of_the_model_end_as_the_host_ends_them() {
    let script = Script::new()
        .on(When::prompt("bad request"), Answer::error(400, "no"))
        .on(When::prompt("no key"), Answer::error(401, "who"))
        .on(When::prompt("garbled"), Answer::malformed())
        .on(When::prompt("short"), Answer::text("so far").finish(Finish::Length))
        .on(When::prompt("filtered"), Answer::text("so").finish(Finish::ContentFilter));
    let (_host, client) = start(script).await;
    let events = client.events().await;
    for (prompt, finish, error) in [
        ("bad request", Value::Null, json!("APIError")),
        ("no key", Value::Null, json!("APIError")),
        ("garbled", Value::Null, json!("UnknownError")),
        ("short", json!("length"), Value::Null),
        ("filtered", json!("content-filter"), json!("ContentFilterError")),
    ] {
        let session = client.session(json!({ "title": "T" })).await;
        client.prompt(&session, prompt).await;
        events.wait_idle(0, &session).await;
        client.get("/session/status").await;
        assert_eq!(endings(&client, &session).await, [(finish, error)], "{prompt}");
    }
}

#[tokio::test]
async fn an_overlong_conversation_is_summarised_and_goes_on() {
    let script = Script::new()
        .on(When::prompt("too long"), Answer::context_overflow())
        .on(When::prompt("size limit"), "went on");
    let (_host, client) = start(script).await;
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    client.prompt(&session, "too long").await;
    events.wait_idle(0, &session).await;
    assert!(events.all().iter().any(|event| is(event, "session.compacted", &session)));
    assert_eq!(client.last_text(&session).await, "went on");
}

#[tokio::test]
async fn a_conversation_that_cannot_be_summarised_ends_in_context_overflow() {
    let script = Script::new().otherwise(Answer::context_overflow()).summary(Answer::context_overflow());
    let (_host, client) = start(script).await;
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    client.prompt(&session, "too long").await;
    events.wait_idle(0, &session).await;
    let last = client.messages(&session).await.pop().unwrap();
    assert_eq!(last["info"]["error"]["name"], "ContextOverflowError");
    assert_eq!(last["info"]["summary"], true);
}

#[tokio::test]
async fn a_file_outside_the_project_asks_and_an_agent_can_be_kept_from_tools() {
    let read = ToolCall::new("read", json!({ "filePath": "/etc/hosts" })).output("127.0.0.1");
    let script = Script::new().otherwise([Answer::tool(read), Answer::text("read it")]);
    let options = SimulatorOptions::new(script)
        .agent(SimulatedAgent::new("blind", orch_opencode::simulator::AgentMode::Primary).deny("read"));
    let host = Simulator::start(options).await.unwrap();
    let client = Client::of(&host);
    let events = client.events().await;
    let session = client.session(json!({ "title": "T" })).await;
    client.prompt(&session, "read").await;
    events.wait(|seen| seen.iter().any(|event| is(event, "permission.asked", &session))).await;
    let ask = client.get("/permission").await[0].clone();
    assert_eq!((&ask["permission"], &ask["patterns"]), (&json!("external_directory"), &json!(["/etc/*"])));
    client
        .post(&format!("/permission/{}/reply", ask["id"].as_str().unwrap()), json!({ "reply": "once" }))
        .await;
    events.wait_idle(0, &session).await;
    let tool = client.messages(&session).await[1]["parts"][1].clone();
    assert_eq!(
        (&tool["state"]["status"], &tool["state"]["output"]),
        (&json!("completed"), &json!("127.0.0.1"))
    );

    let session = client.session(json!({ "title": "T" })).await;
    client.prompt_with(&session, "read", json!({ "agent": "blind" })).await;
    events.wait_idle(0, &session).await;
    let tool = client.messages(&session).await[1]["parts"][1].clone();
    assert_eq!(tool["tool"], "invalid");
    assert!(!host.model_log().last().unwrap().tools.contains(&"read".to_owned()));
}

#[tokio::test]
async fn an_aborted_turn_leaves_its_ask_listed() {
    let bash = ToolCall::new("bash", json!({ "command": "ls" }));
    let (_host, client) = start(Script::new().otherwise([Answer::tool(bash), Answer::text("done")])).await;
    let events = client.events().await;
    let rules = json!([{ "permission": "bash", "pattern": "*", "action": "ask" }]);
    let session = client.session(json!({ "title": "T", "permission": rules })).await;
    client.prompt(&session, "run").await;
    events.wait(|seen| seen.iter().any(|event| is(event, "permission.asked", &session))).await;
    client.post(&format!("/session/{session}/abort"), Value::Null).await;
    let tool = client.messages(&session).await[1]["parts"][1].clone();
    assert_eq!(tool["state"]["error"], "Tool execution aborted");
    let listed = client.get("/permission").await;
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(client.post(&format!("/permission/{id}/reply"), json!({ "reply": "once" })).await.body, true);
    assert_eq!(client.get("/permission").await, json!([]));
}

#[tokio::test]
async fn terminals_are_told_and_every_call_is_recorded() {
    let (host, client) = start(Script::new()).await;
    let events = client.events().await;
    let toast = json!({ "message": "m", "variant": "info" });
    assert_eq!(client.post("/tui/show-toast", toast.clone()).await.body, true);
    assert_eq!(client.post("/tui/show-toast", json!({ "message": "m" })).await.status, 400);
    let command = json!({ "type": "tui.command.execute", "properties": { "command": "session.list" } });
    assert_eq!(client.post("/tui/publish", command.clone()).await.body, true);
    assert_eq!(client.post("/tui/select-session", json!({ "sessionID": "ses_none" })).await.status, 404);
    assert!(
        client.post("/tui/nonsense", json!({})).await.body.as_str().unwrap().starts_with("<!doctype html>")
    );
    let calls = host.tui_calls();
    assert_eq!(calls.iter().map(|call| call.route.as_str()).collect::<Vec<_>>(), ["show-toast", "publish"]);
    assert_eq!((&calls[0].body, &calls[1].body), (&toast, &command));
    events.wait(|seen| seen.last().unwrap()["payload"]["type"] == "tui.command.execute").await;
}

#[tokio::test]
async fn mistakes_are_answered_in_the_hosts_three_shapes() {
    let (_host, client) = start(Script::new()).await;
    let session = client.session(json!({})).await;
    let prompt = format!("/session/{session}/prompt_async");
    for (method, path, body, status, key) in [
        ("GET", "/session/ses_none", Value::Null, 404, "name"),
        ("GET", "/session/wrong", Value::Null, 500, "name"),
        ("POST", "/session/ses_none/prompt_async", json!({ "parts": [] }), 404, "name"),
        ("POST", "/session/ses_none/abort", Value::Null, 200, ""),
        ("POST", "/session", json!({ "title": 5 }), 400, "_tag"),
        ("POST", "/permission/per_none/reply", json!({ "reply": "once" }), 404, "_tag"),
        ("POST", "/permission/wrong/reply", json!({ "reply": "once" }), 400, "name"),
        ("POST", "/question/que_none/reject", Value::Null, 404, "_tag"),
        ("POST", &prompt, json!({}), 400, "name"),
        ("POST", &prompt, json!({ "messageID": "x", "parts": [] }), 400, "name"),
        ("GET", "/nosuch", Value::Null, 200, ""),
        ("PUT", "/session", Value::Null, 200, ""),
    ] {
        let reply = client.send(method, path, body).await.unwrap();
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
        assert!(key.is_empty() || reply.body[key].is_string(), "{method} {path}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_password_guards_everything() {
    let host = Simulator::start(SimulatorOptions::default().password("secret")).await.unwrap();
    let http = http();
    let url = format!("{}/global/health", host.url());
    for (user, password, expected) in
        [("opencode", Some("secret"), 200), ("opencode", Some("wrong"), 401), ("other", Some("secret"), 401)]
    {
        let response = http.get(&url).basic_auth(user, password).send().await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{user} {password:?}");
    }
    let refused = http.get(&url).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    assert_eq!(refused.text().await.unwrap(), "");
    assert!(!format!("{host:?}").contains("secret"));
}
