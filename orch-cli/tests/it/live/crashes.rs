//! `kill -9` of the command while a step is in flight.

use std::time::Duration;

use nix::sys::signal::Signal;
use orch::opencode::{
    Message, OpenCode as _, SessionId,
    simulator::{Answer, Hold, Script, ToolCall, When},
};
use serde_json::{Value, json};

use super::{live_binary, world::World};
use crate::poll;

/// When the command is killed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Killed {
    /// The model has been asked; its answer comes after the run was taken up again.
    BeforeTheAnswer,
    /// The answer is complete on the host; the command has not heard of it.
    AfterTheAnswer,
}

struct Case {
    kind: &'static str,
    killed: Killed,
    task: String,
    hold: Hold,
}

impl Case {
    fn new(kind: &'static str, killed: Killed) -> Self {
        Self { kind, killed, task: format!("<{kind} {killed:?}>"), hold: Hold::new() }
    }

    /// The answer to the task. One that is still to come comes in many small pieces, so that whoever follows it again
    /// hears some of them.
    fn answer(&self) -> Answer {
        let answer = Answer::speaking().then_hold(&self.hold);
        match self.killed {
            Killed::BeforeTheAnswer => answer.say_slowly(&answer_text(), 60, Duration::from_millis(50)),
            Killed::AfterTheAnswer => answer.say(answer_text()),
        }
    }
}

fn answer_text() -> String {
    "It goes on. ".repeat(20).trim().to_owned()
}

/// Answers every case's task once as it says, and at once from then on.
fn script(cases: &[Case]) -> Script {
    cases.iter().fold(Script::new().on(When::prompt("go on after"), "gone on"), |script, case| {
        script.on_first(1, When::prompt(&case.task), case.answer())
    })
}

fn config() -> Value {
    let kinds = ["agent", "subagent", "server"];
    let workflows = kinds.map(|kind| {
        json!({ "id": kind, "steps": [
            { "id": "one", "workerId": kind, "prompt": "{task}" },
            { "id": "two", "workerId": kind, "prompt": "go on after {task}" },
        ] })
    });
    json!({
        "profiles": kinds.map(|kind| json!({ "id": kind, "kind": kind })),
        "workflows": { "definitions": workflows },
    })
}

#[tokio::test]
async fn a_killed_run_goes_on_without_a_second_prompt() {
    let Some(program) = live_binary() else { return };
    let cases = [
        Case::new("agent", Killed::BeforeTheAnswer),
        Case::new("agent", Killed::AfterTheAnswer),
        Case::new("subagent", Killed::BeforeTheAnswer),
        Case::new("subagent", Killed::AfterTheAnswer),
    ];
    let world = World::start(&program, script(&cases), &config()).await;
    for case in &cases {
        kill_and_continue(&world, case).await;
    }
    world.stop().await;
}

async fn kill_and_continue(world: &World, case: &Case) {
    let Case { kind, killed, task, hold } = case;
    let mut running = world.begin(&["run", kind, task, "--no-input"]);
    let run = running.event("run.started").await["run"].as_str().unwrap().to_owned();
    let session = running.placed().await;
    hold.wait_arrived().await;
    if *killed == Killed::AfterTheAnswer {
        // A stopped process hears nothing: the answer is there and its journal does not know.
        running.signal(Signal::SIGSTOP);
        hold.release();
        answered(world, &session).await;
    }
    running.murder().await;
    let shown = world.show(&run).await;
    assert_eq!((&shown["status"], &shown["interrupted"]), (&json!("running"), &json!(true)), "{task}");

    let mut again = world.begin(&["continue", &run, "--no-input"]);
    if *killed == Killed::BeforeTheAnswer {
        owned_by(world, &run, again.pid()).await;
        hold.release();
        // What the worker says from now on is heard by the second process.
        again.event_where("step.progress", |event| event["progress"]["phase"] == "worker").await;
    }
    let (ended, _) = again.ended().await;
    assert_eq!(ended.code, 0, "{task}: {ended:?}");

    let shown = world.show(&run).await;
    assert_eq!(shown["status"], "success", "{task}");
    let one = &shown["steps"][0];
    assert_eq!((&one["text"], &one["session"]), (&json!(answer_text()), &json!(session.as_str())), "{task}");
    assert_eq!(one["attempts"].as_array().unwrap().len(), 1, "{task}: the same attempt");
    let warnings: Vec<&Value> =
        one["attempts"][0]["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]).collect();
    match killed {
        Killed::BeforeTheAnswer => assert!(warnings.is_empty(), "{task}, followed again: {warnings:?}"),
        Killed::AfterTheAnswer => assert_eq!(warnings, ["reconciled"], "{task}, adopted"),
    }
    let asked: Vec<String> = world.prompts(task).into_iter().map(|call| call.text).collect();
    assert_eq!(asked, [task.clone(), format!("go on after {task}")], "one prompt for each step");
}

/// A server that orch started does not survive its owner, so a turn that was not over broke off: that is the step's
/// error, and trying again is left to a person. No second prompt behind anybody's back.
#[tokio::test]
async fn a_turn_that_broke_off_with_its_server_is_an_error_at_a_gate() {
    let Some(program) = live_binary() else { return };
    let case = Case::new("server", Killed::BeforeTheAnswer);
    let world = World::start(&program, script(std::slice::from_ref(&case)), &config()).await;
    broken_off(&world, &case).await;
    world.stop().await;
}

/// The same where the host itself is the server that was started.
#[tokio::test]
async fn a_turn_that_broke_off_with_its_host_is_an_error_at_a_gate() {
    let Some(program) = live_binary() else { return };
    let case = Case::new("subagent", Killed::BeforeTheAnswer);
    let world = World::without_server(&program, script(std::slice::from_ref(&case)), &config()).await;
    broken_off(&world, &case).await;
    world.stop().await;
}

async fn broken_off(world: &World, Case { kind, task, hold, .. }: &Case) {
    let mut running = world.begin(&["run", kind, task, "--no-input"]);
    let run = running.event("run.started").await["run"].as_str().unwrap().to_owned();
    hold.wait_arrived().await;
    running.murder().await;

    let ended = world.orch(&["continue", &run, "--no-input"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    let shown = world.show(&run).await;
    assert_eq!(shown["gate"]["reason"], "intervene=on-error");
    assert_eq!(shown["steps"][0]["attempts"][0]["error"]["code"], "worker_lost", "{shown:#}");
    assert_eq!(world.prompts(task).len(), 1);

    // Now the answer comes at once, because a person has decided to ask again.
    let ended = world.orch(&["continue", &run, "--no-input"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.prompts(task).len(), 3, "the first step again, and the second");
}

/// A tool leads a process group of its own, and its own child has left that as well as the tree of its server. Neither
/// hears `SIGTERM`. They outlive the owner that was killed, and not the next command.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn tools_in_groups_of_their_own_are_swept_with_their_server_by_the_next_command() {
    let Some(program) = live_binary() else { return };
    let run_tool = ToolCall::new("bash", json!({ "command": "sh tool.sh", "description": "A tool" }));
    let script = Script::new().on(When::prompt("use the tool"), Answer::tool(run_tool));
    let world = World::start(&program, script, &config()).await;
    world.file(
        "tool.sh",
        b"trap '' TERM HUP\nsetsid sh -c 'trap \"\" TERM HUP; sleep 600 & echo $! > detached.pid' &\nsleep 600 & \
          echo $! > tool.pid\nwait\n",
    );
    let mut running = world.begin(&["run", "server", "use the tool", "--no-input"]);
    let run = running.event("run.started").await["run"].as_str().unwrap().to_owned();
    let mut tools = Vec::new();
    for name in ["tool.pid", "detached.pid"] {
        tools.push(written(&world.project().join(name)).await);
    }
    running.murder().await;
    assert!(tools.iter().all(|tool| is_alive(*tool)), "nobody has ended them yet: {tools:?}");

    let ended = world.orch(&["continue", &run, "--no-input"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_eq!(world.show(&run).await["steps"][0]["attempts"][0]["error"]["code"], "worker_lost");
    assert!(!tools.iter().any(|tool| is_alive(*tool)), "{tools:?}");
    assert_eq!(world.prompts("use the tool").len(), 1);
    world.stop().await;
}

/// Waits until a process has written its id there.
#[cfg(target_os = "linux")]
async fn written(file: &std::path::Path) -> u32 {
    let read = poll::until(async || std::fs::read_to_string(file).unwrap_or_default().trim().parse().ok());
    tokio::time::timeout(Duration::from_secs(60), read).await.unwrap()
}

#[cfg(target_os = "linux")]
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}

/// Waits until the host has the whole answer.
async fn answered(world: &World, session: &SessionId) {
    let host = world.host();
    let is_answer =
        |message: &Message| message.assistant().is_some_and(|answer| answer.completed_ms.is_some());
    poll::until_so(async || {
        host.messages(session).await.unwrap().iter().any(is_answer)
            && host.statuses().await.unwrap().is_empty()
    })
    .await;
}

/// Waits until this process drives the run.
async fn owned_by(world: &World, run: &str, pid: u32) {
    poll::until_so(async || world.show(run).await["owner"]["pid"] == pid).await;
}
