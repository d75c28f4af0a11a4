//! The commands that only look: what they print, and that they need no host.

use std::{fs, os::unix::fs::PermissionsExt as _};

use nix::sys::signal::Signal;
use orch::{
    opencode::simulator::{Answer, HttpFault, Script, SimulatorOptions, ToolCall, When},
    project_state,
};
use serde_json::{Value, json};

use crate::world::{Output, World, output, standard};

async fn world() -> World {
    World::new(Script::new().otherwise("done")).await
}

/// Runs a command where no host can be found at all.
async fn alone(world: &World, arguments: &[&str]) -> Output {
    let ended = output(world.command(arguments.iter().copied()).env_remove("ORCH_SERVER")).await;
    assert_eq!(ended.stderr, "", "{ended:?}");
    ended
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_and_profiles_list_what_is_built_in_and_what_is_the_projects() {
    let world = world().await;
    let workflows = alone(&world, &["workflows", "--json"]).await.json();
    assert_eq!(ids(&workflows), ["build", "roocode-boomerang", "docs", "last", "two", "three"]);
    assert_eq!(workflows[4]["steps"], json!(["one", "two"]));
    let profiles = alone(&world, &["profiles", "--json"]).await.json();
    assert!(ids(&profiles).contains(&"architect"));
    let own = profiles.as_array().unwrap().iter().find(|profile| profile["id"] == "w").unwrap();
    assert_eq!(own["kind"], "agent");
    for command in ["workflows", "profiles"] {
        let text = alone(&world, &[command]).await.stdout;
        assert!(
            text.contains(if command == "workflows" { "one → two" } else { "\nw\n    kind       agent" }),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_shows_the_steps_and_the_worst_case() {
    let world = world().await;
    let plan = alone(&world, &["plan", "build"]).await;
    assert_eq!(plan.code, Some(0), "{plan:?}");
    insta::assert_snapshot!(plan.stdout);
    let chart = alone(&world, &["plan", "build", "--mermaid"]).await;
    assert!(chart.code == Some(0) && chart.stdout.starts_with("flowchart TD\n"), "{chart:?}");
    let plan = alone(&world, &["plan", "two", "--json"]).await.json();
    assert_eq!(ids(&plan["steps"]), ["one", "two"]);
    assert_eq!(plan["worstCase"]["attempts"], 2);
    assert!(plan["mermaid"].as_str().unwrap().contains("n0 --> n1"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_checked_and_shown() {
    let world = world().await;
    let checked = alone(&world, &["config", "check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(
        checked.stdout.starts_with("ok: ") && checked.stdout.contains("orchestrator.json"),
        "{checked:?}"
    );

    let shown = alone(&world, &["config", "show", "--json"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.json().is_object());

    let mut config = standard();
    config["workflows"]["definitions"][0]["steps"][0]["workerId"] = json!("codre");
    config["profiles"][0]["kindd"] = json!("agent");
    world.configure(&config);
    let checked = alone(&world, &["config", "check", "--json"]).await;
    assert_eq!(checked.code, Some(2), "{checked:?}");
    let found = checked.json();
    assert_eq!(found["ok"], false);
    let codes: Vec<_> = found["diagnostics"].as_array().unwrap().iter().map(|each| &each["code"]).collect();
    assert!(codes.contains(&&json!("orch::config::unknown-key")), "{codes:?}");
    assert!(codes.contains(&&json!("orch::config::unknown-worker")), "{codes:?}");
    assert!(found["diagnostics"].as_array().unwrap().iter().all(|each| each["line"].is_u64()), "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_one_json_document() {
    let schema = alone(&world().await, &["schema"]).await;
    assert_eq!(schema.code, Some(0));
    let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
    assert!(schema["properties"]["workflows"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_the_last_result_or_that_of_a_step() {
    let world = world().await;
    let run = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await.run();
    assert_eq!(alone(&world, &["output", &run]).await.stdout, "done\n");
    let of_step = alone(&world, &["output", &run, "one", "--json"]).await.json();
    assert_eq!(of_step, json!({ "run": run, "step": "one", "text": "done" }));
    let none = alone(&world, &["output", &run, "two", "--json"]).await;
    assert_eq!((none.code, none.error().as_str()), (Some(1), "orch::run::no-output"));
    let unknown = alone(&world, &["output", &run, "oen", "--json"]).await;
    assert_eq!((unknown.code, unknown.error().as_str()), (Some(2), "orch::run::unknown-step"));
    assert_eq!(unknown.json()["error"]["help"], "its steps are one, two");
}

#[tokio::test(flavor = "multi_thread")]
async fn show_for_people_has_the_steps_the_gate_and_the_commands() {
    let world = world().await;
    assert!(alone(&world, &["runs"]).await.stdout.starts_with("no runs yet; start one with `orch run"));
    let run = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await.run();
    let shown = alone(&world, &["show", &run]).await.stdout;
    for expected in [&*run, "paused", "execution=step", &*format!("orch continue {run}"), "one", "two"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let listed = alone(&world, &["runs"]).await.stdout;
    assert!(listed.starts_with(&run) && listed.contains("paused") && listed.contains("0/2"), "{listed}");
    assert!(!listed.contains("older"), "{listed}");
    assert_eq!(alone(&world, &["runs", "--limit", "0"]).await.stdout, "older ones: `orch runs --limit 10`\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_works_and_how_to_mend_what_does_not() {
    let world = world().await;
    let checks = |ended: &Output| -> Vec<(String, bool)> {
        let checks = ended.json()["checks"].take();
        let each =
            |check: &Value| (check["name"].as_str().unwrap().to_owned(), check["ok"].as_bool().unwrap());
        checks.as_array().unwrap().iter().map(each).collect()
    };
    let found = checks(&world.orch(["doctor", "--json"]).await);
    assert!(found.contains(&("opencode".to_owned(), true)), "{found:?}");
    assert!(found.contains(&("interface".to_owned(), true)), "{found:?}");

    let without = alone(&world, &["doctor", "--json"]).await;
    assert_eq!(without.code, Some(1), "{without:?}");
    assert!(checks(&without).contains(&("opencode".to_owned(), false)));
    assert!(without.stdout.contains("npm install -g opencode-ai"), "{}", without.stdout);
}

/// A newer host whose interface has moved is known before a run depends on it.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_a_host_no_longer_offers() {
    let moved = json!({ "openapi": "3.1.0", "paths": { "/global/health": { "get": {} } } });
    let world = World::with(SimulatorOptions::new(Script::new()).description(moved)).await;
    let examined = world.orch(["doctor", "--json"]).await;
    assert_eq!(examined.code, Some(1), "{examined:?}");
    let found = examined.json();
    let capabilities = found["capabilities"].as_array().unwrap();
    let standing = |name: &str| {
        capabilities.iter().find(|one| one["name"] == name).map(|one| (&one["standing"], &one["differences"]))
    };
    let (missing, differences) = standing("permissions").unwrap();
    assert_eq!((missing, &differences[0]), (&json!("missing"), &json!("GET /permission is not there")));
    let told = world.orch(["doctor"]).await.stdout;
    let line = told.lines().find(|line| line.contains("interface")).unwrap();
    assert!(
        line.starts_with('✗') && line.contains("POST /session/{sessionID}/prompt_async is not there"),
        "{line}"
    );
}

/// A host without a description of itself answers with its web page, and may differ in any way.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_when_a_host_does_not_describe_itself() {
    let world = world().await;
    world.simulator.faults().http("GET /doc", HttpFault::Html, 1);
    let examined = world.orch(["doctor", "--json"]).await;
    assert_eq!(examined.code, Some(1), "{examined:?}");
    let found = examined.json();
    let interface = found["checks"].as_array().unwrap().iter().find(|check| check["name"] == "interface");
    assert_eq!(interface.unwrap()["ok"], false);
    assert!(interface.unwrap()["message"].as_str().unwrap().contains("description"), "{found}");
    assert_eq!(found["capabilities"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_private_and_apart_for_each_project() {
    let world = world().await;
    let run = world.orch(["run", "last", "a task", "--json"]).await.run();
    let mut open = vec![world.path("state").join("projects")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o077;
            assert_eq!(mode, 0, "{} is for its owner alone", entry.path().display());
            if metadata.is_dir() {
                open.push(entry.path());
            }
        }
    }
    let elsewhere = world.path("empty");
    let other = alone(&world, &["show", &run, "--json", "--dir", elsewhere.to_str().unwrap()]).await;
    assert_eq!((other.code, other.error().as_str()), (Some(2), "orch::run::unknown"), "{other:?}");
}

/// A host on which the first step calls a tool.
async fn with_tools() -> World {
    let tool = ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n");
    World::new(
        Script::new()
            .on(
                When::prompt("step one"),
                [Answer::tool(tool), Answer::text("一覧には一つのファイルがあります。")],
            )
            .otherwise("done"),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_traced_from_its_journal_and_its_sessions_from_the_host() {
    let world = with_tools().await;
    let run = world.orch(["run", "two", "a task", "--json"]).await.run();
    let data = world.orch(["trace", &run, "--json"]).await.json();
    assert_eq!((&data["run"], &data["status"]), (&json!(run), &json!("success")));
    assert_eq!(data["attempts"].as_array().unwrap().len(), 2);
    assert!(data["attempts"][0]["tokens"]["input"].is_u64(), "{data:#}");
    let messages = data["sessions"][0]["messages"].as_array().unwrap();
    let tool = messages.iter().find_map(|message| message["tools"].get(0)).unwrap();
    assert_eq!(
        (&tool["tool"], &tool["state"], &tool["output"]),
        (&json!("bash"), &json!("completed"), &json!("a.txt\n"))
    );
    assert!(tool["ms"].is_u64(), "{tool:#}");

    let text = world.orch(["trace", &run]).await;
    assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""), "{text:?}");
    for expected in [
        "Attempts",
        "What happened",
        "the run ended as success",
        "bash completed",
        "一覧には一つのファイルがあります。",
    ] {
        assert!(text.stdout.contains(expected), "{expected}: {}", text.stdout);
    }
    let session = data["sessions"][0]["session"].as_str().unwrap();
    let alone = world.orch(["trace", session, "--json"]).await.json();
    assert_eq!(alone["messages"], data["sessions"][0]["messages"], "the same session, asked for by its id");
    let step = world.orch(["trace", &run, "two", "--json"]).await.json();
    assert_eq!(step["attempts"].as_array().unwrap().len(), 1);
    let unknown = world.orch(["trace", &run, "oen", "--json"]).await;
    assert_eq!((unknown.code, unknown.error().as_str()), (Some(2), "orch::run::unknown-step"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_without_a_host_has_the_journal_and_says_what_is_missing() {
    let world = with_tools().await;
    let run = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await.run();
    let trace = alone(&world, &["trace", &run]).await;
    assert_eq!(trace.code, Some(0), "{trace:?}");
    insta::assert_snapshot!(world.steady(&trace.stdout));
    let session = alone(&world, &["trace", "ses_1", "--json"]).await;
    assert_eq!((session.code, session.error().as_str()), (Some(2), "orch::cli::no-host"));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_those_of_all_steps() {
    let world = with_tools().await;
    let run = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await.run();
    let results = alone(&world, &["results", &run]).await;
    insta::assert_snapshot!(world.steady(&results.stdout));
    let data = alone(&world, &["results", &run, "--json"]).await.json();
    assert_eq!(data["results"][0]["text"], "一覧には一つのファイルがあります。");
    assert_eq!(data["results"][1]["text"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_has_all_runs_and_the_workers_of_those_that_are_open() {
    let world = with_tools().await;
    assert!(alone(&world, &["dashboard"]).await.stdout.starts_with("no runs yet; start one with `orch run"));
    let ended = world.orch(["run", "last", "an early task", "--json"]).await.run();
    let open = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await.run();
    let shown = alone(&world, &["dashboard"]).await;
    insta::assert_snapshot!(world.steady(&shown.stdout));
    let data = alone(&world, &["dashboard", "--json"]).await.json();
    let runs: Vec<_> =
        data["runs"].as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect();
    assert_eq!(runs, [open.as_str(), ended.as_str()]);
    assert_eq!(data["runs"][0]["waits"][0]["for"], "decision");
    assert_eq!(
        (&data["workers"][0]["worker"], &data["workers"][0]["state"]),
        (&json!("w"), &json!("at-rest"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_with_their_sessions() {
    let world = with_tools().await;
    let run = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await.run();
    let shown = alone(&world, &["workers"]).await;
    insta::assert_snapshot!(world.steady(&shown.stdout));
    let data = alone(&world, &["workers", "--json"]).await.json();
    let worker = &data["workers"][0];
    assert_eq!(
        (&worker["kind"], &worker["run"], &worker["step"]),
        (&json!("agent"), &json!(run), &json!("one"))
    );
    assert!(worker["session"].as_str().unwrap().starts_with("ses_"), "{data:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_dashboard_in_a_pipe_is_written_again_when_something_has_changed() {
    let world = with_tools().await;
    let run = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await.run();
    let mut watching = world.start(["dashboard", "--watch", "--json"]);
    let status = |wanted: &'static str| move |board: &Value| board["runs"][0]["status"] == wanted;
    watching.event_where("the paused run", status("paused")).await;
    assert_eq!(world.orch(["continue", &run, "--execution", "auto", "--json"]).await.code, Some(0));
    watching.event_where("its end", status("success")).await;
    watching.signal(Signal::SIGINT);
    let ended = watching.end().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stdout.lines().count() < 12, "nothing is repeated: {ended:?}");
}

/// A store that cannot be read is no proof that no run has used the session: it may be on the server of a worker.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_not_looked_for_on_the_host_where_the_store_cannot_say_where_it_is() {
    let world = World::new(Script::new().otherwise("done")).await;
    let run = world.orch(["run", "last", "a task", "--json"]).await.run();
    let session = world.show(&run).await["steps"][0]["session"].as_str().unwrap().to_owned();
    assert_eq!(world.orch(["trace", &session]).await.code, Some(0));
    let project = fs::canonicalize(world.project()).unwrap();
    let path = project_state(world.path("state"), &project).join("runs.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute("UPDATE runs SET id = 'no id at all!'", []).unwrap();
    drop(database);
    let traced = world.orch(["trace", &session, "--json"]).await;
    assert_eq!((traced.code, traced.error().as_str()), (Some(1), "orch::store::corrupt"), "{traced:?}");
}
