//! Errors that a newcomer makes. Each names the thing, the place and the way out.

use std::net::TcpListener;

use insta::assert_snapshot;
use orch::opencode::simulator::{Script, SimulatorOptions};
use serde_json::json;
use tokio::process::Command;

use crate::world::{World, output, standard};

async fn world() -> World {
    World::new(Script::new().otherwise("done")).await
}

/// What a person sees, what a program gets, and the exit code, which is the same for both.
async fn told(world: &World, arguments: &[&str], change: impl Fn(&mut Command)) -> String {
    let mut command = world.command(arguments.iter().copied());
    change(&mut command);
    let person = output(&mut command).await;
    let mut command = world.command(arguments.iter().copied().chain(["--json"]));
    change(&mut command);
    let program = output(&mut command).await;

    assert_eq!(person.stdout, "", "errors go to stderr: {person:?}");
    assert_eq!(program.stderr, "", "a program reads stdout alone: {program:?}");
    assert_eq!(person.code, program.code, "{person:?} {program:?}");
    let mut error = program.json();
    let found: Vec<_> = error["error"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(found, ["code", "message", "help"]);
    assert!(world.prompts().is_empty(), "no token was spent");
    let code = person.code.unwrap();
    let json = serde_json::to_string_pretty(&error["error"].take()).unwrap();
    world.normal(&format!("$ orch {}\n{}\nexit {code}\n\n{json}", arguments.join(" "), person.stderr))
}

fn as_it_is(_: &mut Command) {}

#[tokio::test(flavor = "multi_thread")]
async fn no_opencode() {
    let world = world().await;
    let without = |command: &mut Command| {
        command.env_remove("ORCH_SERVER");
    };
    assert_snapshot!(told(&world, &["run", "last", "a task"], without).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_down() {
    let world = world().await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let down = |command: &mut Command| {
        command.env("ORCH_SERVER", &url);
    };
    let told = told(&world, &["run", "last", "a task"], down).await;
    assert_snapshot!(told.replace(&port.to_string(), "[port]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_none() {
    let world = World::with(SimulatorOptions::new(Script::new()).password("right")).await;
    let wrong = |command: &mut Command| {
        command.env("OPENCODE_SERVER_PASSWORD", "wrong-secret");
    };
    let told_wrong = told(&world, &["run", "last", "a task"], wrong).await;
    assert!(!told_wrong.contains("wrong-secret"), "{told_wrong}");
    assert_snapshot!("wrong_password", told_wrong);
    assert_snapshot!("no_password", told(&world, &["run", "last", "a task"], as_it_is).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_workflow() {
    let world = world().await;
    assert_snapshot!(told(&world, &["run", "biuld", "a task"], as_it_is).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_worker() {
    let world = world().await;
    let mut config = standard();
    config["workflows"]["definitions"][0]["steps"][0]["workerId"] = json!("codre");
    world.configure(&config);
    assert_snapshot!(told(&world, &["run", "last", "a task"], as_it_is).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_json() {
    let world = world().await;
    world.configure_text("{\n  \"profiles\": [\n    { \"id\": \"w\" \"kind\": \"agent\" }\n  ]\n}\n");
    let told = told(&world, &["run", "last", "a task"], as_it_is).await;
    assert!(told.contains("orchestrator.json:3:16"), "line and column: {told}");
    assert_snapshot!(told);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_parent_session() {
    let world = world().await;
    let parent = "ses_0000000000000000000000000a";
    assert_snapshot!(
        "unknown_parent",
        told(&world, &["run", "last", "a task", "--parent", parent], as_it_is).await
    );
    assert_snapshot!(
        "invalid_parent",
        told(&world, &["run", "last", "a task", "--parent", "mine"], as_it_is).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_model_and_an_unknown_agent() {
    let world = world().await;
    let mut config = standard();
    config["profiles"][0]["model"] = json!("stub/stubb");
    world.configure(&config);
    assert_snapshot!("unknown_model", told(&world, &["run", "last", "a task"], as_it_is).await);
    let mut config = standard();
    config["profiles"][0]["agent"] = json!("biuld");
    world.configure(&config);
    assert_snapshot!("unknown_agent", told(&world, &["run", "last", "a task"], as_it_is).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task() {
    let world = world().await;
    assert_snapshot!("no_task", told(&world, &["run", "last"], as_it_is).await);
    assert_snapshot!("empty_task", told(&world, &["run", "last", "  "], as_it_is).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_there() {
    let world = world().await;
    assert_snapshot!("unknown_run", told(&world, &["show", "run_nope"], as_it_is).await);
    assert_snapshot!("unknown_run_continue", told(&world, &["continue", "run_nope"], as_it_is).await);
    assert_snapshot!("invalid_run", told(&world, &["show", "nope"], as_it_is).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_are_no_command() {
    let world = world().await;
    assert_snapshot!("unknown_command", told(&world, &["rnu"], as_it_is).await);
    assert_snapshot!(
        "unknown_policy",
        told(&world, &["run", "last", "a task", "--intervene", "sometimes"], as_it_is).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_not_there() {
    let world = world().await;
    assert_snapshot!(told(&world, &["runs", "--dir", "/nowhere/at/all"], as_it_is).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_runs_orch() {
    let world = world().await;
    let inside = |command: &mut Command| {
        command.env("ORCH_WORKER", "1");
    };
    for command in ["continue", "retry", "skip", "abort", "pause"] {
        let told = told(&world, &[command, "run_nope"], inside).await;
        assert!(told.contains("orch::cli::inside-a-worker"), "{told}");
    }
    for arguments in [["trust", "--yes"], ["trust", "--revoke"]] {
        let told = told(&world, &arguments, inside).await;
        assert!(told.contains("orch::cli::inside-a-worker"), "{told}");
    }
    assert_snapshot!(told(&world, &["run", "last", "a task"], inside).await);
    let mut reading = world.command(["workflows"]);
    inside(&mut reading);
    assert_eq!(output(&mut reading).await.code, Some(0), "looking is not driving");
}
