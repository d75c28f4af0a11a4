//! `orch mcp`: the tools over the Model Context Protocol, driven as a client does, a line for each message.

use std::process::Stdio;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use orch::opencode::simulator::{Answer, Hold, Script, When};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
};

use crate::world::{World, failure, within};

struct Client {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    next: u64,
    /// What came without being asked for.
    notices: Vec<Value>,
}

impl Client {
    async fn start(world: &World) -> Self {
        let mut command = world.command(["mcp"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let input = child.stdin.take();
        let mut client = Self { child, input, lines, next: 1, notices: Vec::new() };
        let about = json!({ "name": "a test", "version": "1" });
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about });
        let hello = client.ask("initialize", hello).await;
        assert_eq!(hello["result"]["serverInfo"]["name"], "orch", "{hello}");
        client.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        client
    }

    async fn send(&mut self, message: Value) {
        self.input.as_mut().unwrap().write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// Sends a request and returns its number.
    async fn request(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    /// The next message; each line is one, and there is nothing else.
    async fn message(&mut self) -> Value {
        let line = within("a message", self.lines.next_line()).await.unwrap().unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        message
    }

    async fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.message().await;
            if message["id"] == id {
                return message;
            }
            assert_eq!(message.get("id"), None, "an answer to nobody: {message}");
            self.notices.push(message);
        }
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        self.answer(id).await
    }

    /// What a tool says, and whether it is a refusal.
    async fn call(&mut self, tool: &str, arguments: Value) -> (String, bool) {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        let text = answer["result"]["content"][0]["text"].as_str();
        let text = text.unwrap_or_else(|| panic!("{tool}: {answer}")).to_owned();
        (text, answer["result"]["isError"] == true)
    }

    #[track_caller]
    fn task(said: (String, bool)) -> Value {
        assert!(!said.1, "{}", said.0);
        serde_json::from_str(&said.0).unwrap()
    }

    /// Closes its end and waits for the other one.
    async fn leave(mut self) -> Option<i32> {
        drop(self.input.take());
        within("the end", self.child.wait()).await.unwrap().code()
    }
}

fn to_the_worker(task: &str) -> Value {
    json!({ "task": task, "workerId": "w" })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_tools_are_listed_with_the_shape_of_their_arguments() {
    let world = World::new(Script::new()).await;
    let mut client = Client::start(&world).await;
    let listed = client.ask("tools/list", json!({})).await["result"]["tools"].take();
    let tools = listed.as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["task_start", "task_await", "task_peek", "task_list", "task_cancel"]);
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert!(!tool.to_string().contains("$ref"), "not every client follows references: {tool}");
    }
    assert_eq!(tools[0]["inputSchema"]["required"], json!(["task"]));
    assert_eq!(client.leave().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_delegated_awaited_and_listed() {
    let world = World::new(Script::new().on(When::prompt("fail"), failure()).otherwise("forty-two")).await;
    let mut client = Client::start(&world).await;
    let started = Client::task(client.call("task_start", to_the_worker("think")).await);
    assert_eq!((&started["status"], &started["next"]), (&json!("running"), &json!("task_await")));
    let id = &started["taskId"];
    let done = Client::task(client.call("task_await", json!({ "taskId": id })).await);
    assert_eq!((&done["status"], &done["answer"]), (&json!("succeeded"), &json!("forty-two")));
    assert_eq!(Client::task(client.call("task_peek", json!({ "taskId": id })).await)["answer"], "forty-two");
    let listed = Client::task(client.call("task_list", json!({})).await);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["taskId"]), (1, id));
    assert_eq!(listed[0].get("answer"), None);

    let failed = Client::task(client.call("task_start", to_the_worker("fail")).await);
    let failed = Client::task(client.call("task_await", json!({ "taskId": failed["taskId"] })).await);
    assert_eq!(failed["status"], "failed");
    assert_eq!(client.leave().await, Some(0));
    assert_eq!(world.show(id.as_str().unwrap()).await["status"], "success", "it is a run like any other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_at_a_gate_is_paused_and_survives_its_client() {
    let world =
        World::new(Script::new().on_first(1, When::prompt("step one"), failure()).otherwise("done")).await;
    let mut client = Client::start(&world).await;
    let task = json!({ "task": "a task", "kind": "workflow", "workflowId": "two" });
    let started = Client::task(client.call("task_start", task).await);
    let id = started["taskId"].as_str().unwrap();
    let paused = Client::task(client.call("task_await", json!({ "taskId": id })).await);
    assert_eq!((&paused["status"], &paused["next"]), (&json!("paused"), &json!("tell_the_person")));
    assert!(paused["standing"].as_str().unwrap().contains(&format!("orch continue {id}")), "{paused}");
    assert_eq!(client.leave().await, Some(0));
    assert_eq!(world.orch(["continue", id]).await.code, Some(0));
    let mut other = Client::start(&world).await;
    assert_eq!(Client::task(other.call("task_peek", json!({ "taskId": id })).await)["status"], "succeeded");
    assert_eq!(other.leave().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_what_is_done_and_may_give_up_without_ending_it() {
    let hold = Hold::new();
    let world = World::new(Script::new().otherwise(Answer::text("late").held(&hold))).await;
    let mut client = Client::start(&world).await;
    let started = Client::task(client.call("task_start", to_the_worker("slow")).await);
    let id = started["taskId"].clone();
    within("the model", hold.wait_arrived()).await;
    let short = Client::task(client.call("task_await", json!({ "taskId": id, "timeoutMs": 1 })).await);
    assert_eq!((&short["status"], &short["next"]), (&json!("running"), &json!("task_await")));
    assert!(client.notices.is_empty(), "nobody asked for progress: {:?}", client.notices);

    let waiting =
        json!({ "name": "task_await", "arguments": { "taskId": id }, "_meta": { "progressToken": "p" } });
    let number = client.request("tools/call", waiting).await;
    let told = client.message().await;
    assert_eq!(
        (&told["method"], &told["params"]["progressToken"]),
        (&json!("notifications/progress"), &json!("p"))
    );
    assert!(told["params"]["message"].as_str().unwrap().contains("is at work"), "{told}");
    let cancelled = json!({ "requestId": number, "reason": "enough" });
    client.send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled })).await;
    let peeked = Client::task(client.call("task_peek", json!({ "taskId": id })).await);
    assert_eq!(peeked["status"], "running", "only the waiting was given up");

    hold.release();
    let done = Client::task(client.call("task_await", json!({ "taskId": id })).await);
    assert_eq!(done["answer"], "late");
    assert_eq!(client.leave().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_calls_off_what_it_started_and_nothing_else() {
    let hold = Hold::new();
    let world = World::new(Script::new().otherwise(Answer::text("late").held(&hold))).await;
    let mut client = Client::start(&world).await;
    let started = Client::task(client.call("task_start", to_the_worker("slow")).await);
    within("the model", hold.wait_arrived()).await;
    let mut other = Client::start(&world).await;
    let (refused, is_error) = other.call("task_cancel", json!({ "taskId": started["taskId"] })).await;
    assert!(is_error && refused.contains("orch::task::not-theirs"), "{refused}");
    let ended = Client::task(client.call("task_cancel", json!({ "taskId": started["taskId"] })).await);
    assert_eq!(ended["status"], "cancelled");
    hold.release();
    assert_eq!((client.leave().await, other.leave().await), (Some(0), Some(0)));
}

/// A client that is gone leaves no process, and what it started can be continued.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_outlives_the_client_that_started_it() {
    let hold = Hold::new();
    let world = World::new(Script::new().otherwise(Answer::text("late").held(&hold))).await;
    let mut client = Client::start(&world).await;
    let started = Client::task(client.call("task_start", to_the_worker("slow")).await);
    within("the model", hold.wait_arrived()).await;
    assert_eq!(client.leave().await, Some(0));
    hold.release();
    let id = started["taskId"].as_str().unwrap();
    let continued = world.orch(["continue", id]).await;
    assert_eq!(continued.code, Some(0), "{continued:?}");
    assert_eq!(world.orch(["output", id]).await.stdout.trim(), "late");
    assert_eq!(world.prompts(), ["slow"], "nothing was sent twice");
}

/// Its client has not closed its end.
#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_it_is_told_to() {
    let world = World::new(Script::new()).await;
    for told in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut client = Client::start(&world).await;
        let pid = Pid::from_raw(i32::try_from(client.child.id().unwrap()).unwrap());
        kill(pid, told).unwrap();
        assert_eq!(within("the end", client.child.wait()).await.unwrap().code(), Some(0), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_to_the_model_with_the_way_out() {
    let world = World::new(Script::new()).await;
    let mut client = Client::start(&world).await;
    let rows = [
        ("task_start", json!({ "task": "a", "workerId": "v" }), "orch::task::unknown-worker"),
        ("task_start", json!({ "workerId": "w" }), "orch::mcp::arguments"),
        ("task_start", json!({ "task": "a", "op": "memory.put" }), "orch::mcp::arguments"),
        ("task_start", json!({ "task": "a", "kind": "worker" }), "orch::task::assignee"),
        ("task_await", json!({ "taskId": "run_none" }), "orch::run::unknown"),
        ("task_peek", json!({ "taskId": "../x" }), "orch::run::invalid-id"),
        ("task_cancel", json!({ "taskId": "run_none" }), "orch::run::unknown"),
        ("task_list", json!({ "limit": -1 }), "orch::mcp::arguments"),
        ("task_stop", json!({}), "orch::mcp::tool"),
    ];
    for (tool, arguments, code) in rows {
        let (said, is_error) = client.call(tool, arguments.clone()).await;
        assert!(is_error && said.ends_with(&format!("({code})")), "{tool} {arguments}: {said}");
    }
    assert!(world.prompts().is_empty());
    assert_eq!(client.leave().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_serve_a_worker() {
    let world = World::new(Script::new()).await;
    let refused = crate::world::output(world.command(["mcp"]).env("ORCH_WORKER", "1")).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    assert!(refused.stderr.contains("inside a worker"), "{refused:?}");
}
