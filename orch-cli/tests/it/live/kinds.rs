//! Runs with a worker of each kind, to the end and step by step.

use orch::opencode::{
    HostErrorKind, OpenCode as _, SessionId, SessionQuery,
    simulator::{Answer, Script, When},
};
use serde_json::{Value, json};

use tokio::time::timeout;

use super::{live_binary, tui::PATIENCE, world::World};
use crate::poll;

fn config() -> Value {
    let step = |id: &str, worker: &str, prompt: &str| json!({ "id": id, "workerId": worker, "prompt": prompt, "carry": true });
    json!({
        "profiles": [
            { "id": "root", "kind": "agent" },
            { "id": "child", "kind": "subagent" },
            { "id": "apart", "kind": "server" },
        ],
        "workflows": { "definitions": [
            { "id": "flow", "steps": [
                step("plan", "root", "plan {task}"),
                step("make", "child", "make {task}\n\n{carry}"),
                step("look", "apart", "look at {task}\n\n{carry}"),
                step("mend", "root", "mend {task}\n\n{carry}"),
            ] },
            { "id": "flaky", "steps": [step("try", "child", "try {task}")] },
        ] },
    })
}

#[tokio::test]
async fn a_workflow_runs_with_every_kind_of_worker() {
    let Some(program) = live_binary() else { return };
    let script = Script::new()
        .on(When::prompt("mend <"), "it is mended")
        .on(When::prompt("look at <"), "it looks good")
        .on(When::prompt("make <"), "it is made")
        .on(When::prompt("plan <"), "the plan is simple")
        .on_first(1, When::prompt("try <"), Answer::error(400, "not this time"))
        .otherwise("done");
    let world = World::start(&program, script, &config()).await;
    to_the_end(&world).await;
    step_by_step(&world).await;
    an_error_is_tried_again(&world).await;
    world.stop().await;
}

/// The person's own file says that runs leave no sessions: on the host and on the worker's own server.
#[tokio::test]
async fn a_run_that_succeeds_leaves_no_sessions_where_that_is_wanted() {
    let Some(program) = live_binary() else { return };
    let world = World::start(&program, Script::new().otherwise("done"), &config()).await;
    let own = json!({ "store": { "sessions": "delete" } });
    std::fs::write(world.home().join(".config/opencode/orchestrator.json"), own.to_string()).unwrap();
    let server = world.url().to_owned();
    let ended = world.orch(&["run", "flow", "<tidy>", "--server", &server, "--no-input", "--json"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let run = world.show(&ended.run()).await;
    assert_eq!((&run["status"], &run["sessions"]), (&json!("success"), &json!("delete")));

    let host = world.host();
    let parent = SessionId::parse(run["parent_session"].as_str().unwrap()).unwrap();
    let left = host.sessions(SessionQuery::default()).await.unwrap();
    assert_eq!(left.iter().map(|left| &left.id).collect::<Vec<_>>(), [&parent], "{left:#?}");
    assert_eq!(host.children(&parent).await.unwrap(), []);

    let id = run["id"].as_str().unwrap();
    let traced = world.orch(&["trace", id, "--start", "--server", &server, "--json"]).await.json();
    let missing = traced["missing"].as_array().unwrap();
    assert_eq!((missing.len(), traced.get("sessions")), (3, None), "{traced:#}");
    let said =
        |missing: &Value| missing["reason"].as_str().unwrap().starts_with("it was deleted when the run");
    assert!(missing.iter().all(said), "{missing:#?}");
    let session = run["steps"][1]["session"].as_str().unwrap();
    let alone = world.orch(&["trace", session, "--server", &server]).await;
    assert_eq!(alone.code, 1, "{alone:?}");
    let words = alone.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("it was deleted when run {id} had succeeded")), "{alone:?}");
    world.stop().await;
}

/// `workers` are there before anybody needs them, and go with the service.
#[tokio::test]
async fn a_service_starts_the_workers_that_are_wanted_at_once() {
    let Some(program) = live_binary() else { return };
    let mut config = config();
    config["workers"] = json!(["apart"]);
    let world = World::start(&program, Script::new().otherwise("done"), &config).await;
    let served = world.orch(&["serve", "--detach", "--json"]).await;
    assert_eq!(served.code, 0, "{served:?}");
    let started = poll::until_so(async || world.servers() > 0);
    assert!(timeout(PATIENCE, started).await.is_ok(), "no server is started");
    world.terminate("serve").await;
    assert_eq!(world.servers(), 0);
    world.stop().await;
}

async fn to_the_end(world: &World) {
    let server = world.url().to_owned();
    let ended = world.orch(&["run", "flow", "<whole>", "--server", &server, "--no-input", "--json"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let run = world.show(&ended.run()).await;
    assert_eq!(run["status"], "success");
    let session = |step: usize| run["steps"][step]["session"].as_str().unwrap().to_owned();

    // The session of the subagent is a child of the run's parent, the agent's stands by itself and is kept, and that
    // of the server is nowhere on this host.
    let parent = SessionId::parse(run["parent_session"].as_str().unwrap()).unwrap();
    let host = world.host();
    let children = host.children(&parent).await.unwrap();
    assert_eq!(children.iter().map(|child| child.id.as_str()).collect::<Vec<_>>(), [session(1)]);
    let root = host.session(&SessionId::parse(session(0)).unwrap()).await.unwrap();
    assert_eq!((root.parent, session(0)), (None, session(3)));
    let apart = host.session(&SessionId::parse(session(2)).unwrap()).await;
    assert_eq!(apart.unwrap_err().kind(), HostErrorKind::NotFound);

    read_where_it_was_said(world, run["id"].as_str().unwrap(), &session(2)).await;

    let asked = world.prompts("<whole>");
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[1].parent_session.as_deref(), Some(parent.as_str()));
    for (step, carried) in [(1, "the plan is simple"), (2, "it is made"), (3, "it looks good")] {
        assert!(asked[step].text.contains(carried), "{carried} is not carried: {}", asked[step].text);
    }
}

/// The server of a worker is gone with the process that drove the run, and its data are not: it is started to look where that is
/// asked for, and ends with the look.
async fn read_where_it_was_said(world: &World, run: &str, session: &str) {
    let server = world.url().to_owned();
    let unasked = world.orch(&["trace", run, "--server", &server]).await;
    assert!(unasked.stdout.contains(&format!("`orch trace {run} --start`")), "{unasked:?}");
    let refused = world.orch(&["trace", session, "--server", &server, "--json"]).await;
    assert_eq!((refused.code, &refused.json()["error"]["code"]), (2, &json!("orch::cli::no-host")));
    assert_eq!(world.servers(), 0, "nothing is started unasked");

    let traced = world.orch(&["trace", run, "--start", "--server", &server, "--json"]).await.json();
    assert_eq!(traced.get("missing"), None, "{traced:#}");
    let sessions = traced["sessions"].as_array().unwrap();
    assert_eq!((sessions.len(), &sessions[2]["session"]), (3, &json!(session)), "in the order of their use");
    assert_eq!(sessions[2]["messages"][1]["text"], "it looks good");
    let alone = world.orch(&["trace", session, "--start", "--server", &server, "--json"]).await.json();
    assert_eq!(alone["messages"], sessions[2]["messages"]);
    assert_eq!(world.servers(), 0, "nothing is left");
}

/// Each step in a process of its own; none of them forgets the policy.
async fn step_by_step(world: &World) {
    let mut ended =
        world.orch(&["run", "flow", "<steps>", "--execution", "step", "--no-input", "--json"]).await;
    let run = ended.run();
    for settled in 1..4 {
        assert_eq!(ended.code, 3, "after step {settled}: {ended:?}");
        let shown = world.show(&run).await;
        assert_eq!(
            (&shown["status"], &shown["gate"]["reason"]),
            (&json!("paused"), &json!("execution=step"))
        );
        assert_eq!(world.prompts("<steps>").len(), settled);
        ended = world.orch(&["continue", &run, "--no-input"]).await;
    }
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.show(&run).await["status"], "success");
    assert_eq!(world.prompts("<steps>").len(), 4);
}

async fn an_error_is_tried_again(world: &World) {
    let ended = world.orch(&["run", "flaky", "<flaky>", "--no-input", "--json"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    let run = ended.run();
    let error = &world.show(&run).await["steps"][0]["attempts"][0]["error"];
    assert_eq!(error["code"], "model");
    assert!(error["message"].as_str().unwrap().contains("not this time"), "{error}");
    let ended = world.orch(&["continue", &run, "--no-input"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let shown = world.show(&run).await;
    assert_eq!(
        (&shown["status"], shown["steps"][0]["attempts"].as_array().unwrap().len()),
        (&json!("success"), 2)
    );
}
