//! What is refused before a run exists, and in which words.

use orch::{
    config::kind::WorkerKind,
    opencode::simulator::{Script, Simulator, SimulatorOptions},
    prelude::*,
};

use crate::world::{self, builder, config, orchestrator, profile, request, simulator, step, workflow};

/// The error of a run that must not come to be.
async fn refused(orchestrator: &Orchestrator, request: RunRequest) -> Error {
    let error = orchestrator.run(request).await.unwrap_err();
    assert!(orchestrator.runs(Runs::All).await.unwrap().is_empty(), "a refused run is not created");
    error
}

fn is(error: &Error, kind: ErrorKind, code: &str, words: &[&str]) {
    assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
    let text = format!("{error}\n{}", error.help().unwrap_or_default());
    for words in words {
        assert!(text.contains(words), "`{words}` is missing in: {text}");
    }
}

#[tokio::test]
async fn an_unknown_workflow_is_told_with_the_nearest_name_and_needs_no_host() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let error = refused(&orchestrator, RunRequest::new("bild", "the task")).await;
    is(&error, ErrorKind::Usage, "orch::plan::unknown-workflow", &["\"bild\"", "did you mean \"build\"?"]);
    assert_eq!(host.requests(), []);
}

#[tokio::test]
async fn a_task_that_is_missing_or_too_long_needs_no_host() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let missing = refused(&orchestrator, RunRequest::new("build", " \n")).await;
    is(
        &missing,
        ErrorKind::Usage,
        "orch::run::no-task",
        &["workflow build", "missing", "what is to be done"],
    );
    let most = usize::try_from(config().limits.max_task_chars).unwrap();
    let long = refused(&orchestrator, RunRequest::new("build", "ä".repeat(most + 1))).await;
    is(&long, ErrorKind::Usage, "orch::run::task-too-long", &[&(most + 1).to_string(), "maxTaskChars"]);
    assert_eq!(host.requests(), []);
}

#[tokio::test]
async fn an_unknown_parent_session_is_told() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    for parent in ["ses_0123456789abcdefghijklmnop", "parent"] {
        let error = refused(&orchestrator, request().parent(parent)).await;
        is(&error, ErrorKind::Usage, "orch::host::unknown-parent", &[parent, "leave it out"]);
    }
}

#[tokio::test]
async fn models_and_agents_that_are_not_there_are_told_all_at_once() {
    let host = simulator(Script::new()).await;
    let mut config = config();
    let (mut model, mut agent) =
        (profile("model", WorkerKind::Agent), profile("agent", WorkerKind::Subagent));
    model.model = Some("stub/stubb".to_owned());
    agent.agent = Some("biuld".to_owned());
    config.insert_profile(model);
    config.insert_profile(agent);
    config.insert_workflow(workflow(vec![
        step("one", "model", "1"),
        step("two", "agent", "2"),
        step("three", "model", "3"),
    ]));
    let orchestrator = builder(&host).config(config).build().await.unwrap();
    let error = refused(&orchestrator, request()).await;
    is(
        &error,
        ErrorKind::Config,
        "orch::workers::unknown-model",
        &[
            "worker `model`: provider `stub` has no model `stubb`: did you mean `stub/stub`?",
            "worker `agent`: the host has no agent `biuld`: did you mean `build`?",
        ],
    );
    assert_eq!(error.to_string().lines().count(), 2, "{error}");
    assert!(host.sessions().is_empty() && host.model_log().is_empty(), "nothing was made, nothing was spent");
}

#[tokio::test]
async fn a_server_worker_without_a_place_for_its_data_is_told() {
    let host = simulator(Script::new()).await;
    let mut config = config();
    config.insert_profile(profile("agent", WorkerKind::Server));
    let orchestrator = builder(&host).config(config).build().await.unwrap();
    let error = refused(&orchestrator, request()).await;
    is(&error, ErrorKind::Config, "orch::workers::no-server-command", &["`agent`", "state_at"]);
}

#[tokio::test]
async fn a_wrong_password_names_the_variable() {
    let host = Simulator::start(SimulatorOptions::new(Script::new()).password("right")).await.unwrap();
    let server = Host::server(host.url()).password("wrong");
    let orchestrator = builder(&host).host(server).build().await.unwrap();
    let error = refused(&orchestrator, request()).await;
    is(&error, ErrorKind::Host, "orch::host::unauthorized", &["OPENCODE_SERVER_PASSWORD"]);
    assert_eq!(error.disposition(), Disposition::Terminal);
}

#[tokio::test]
async fn a_server_that_is_down_may_be_tried_again_and_is_reached_then() {
    let host = simulator(Script::new()).await;
    host.refuse_connections().await;
    let orchestrator = orchestrator(&host).await;
    let error = refused(&orchestrator, request()).await;
    is(&error, ErrorKind::Host, "orch::host::unreachable", &[&host.url(), "opencode serve"]);
    assert_eq!(error.disposition(), Disposition::Retry);
    host.accept_connections().await;
    let run = orchestrator.run(request()).await.unwrap();
    assert_eq!(world::rest(&run).await.status, RunStatus::Success);
}

#[tokio::test]
async fn no_opencode_says_how_to_get_it() {
    let host = simulator(Script::new()).await;
    let nowhere = builder(&host).host(Host::launch(["opencode"])).environment([("PATH", "/nowhere")]);
    let error = refused(&nowhere.build().await.unwrap(), request()).await;
    is(&error, ErrorKind::Host, "orch::host::spawn", &["npm install -g opencode-ai"]);
}

#[tokio::test]
async fn the_configuration_names_the_host_and_the_environment_its_password() {
    let host = Simulator::start(SimulatorOptions::new(Script::new()).password("right")).await.unwrap();
    let mut config = config();
    config.opencode.url = Some(host.url());
    let orchestrator = Orchestrator::builder(host.directory())
        .config(config)
        .environment([("OPENCODE_SERVER_PASSWORD", "right")])
        .build()
        .await
        .unwrap();
    let run = orchestrator.run(request()).await.unwrap();
    assert_eq!(world::rest(&run).await.status, RunStatus::Success);
}

#[tokio::test]
async fn credentials_for_a_host_that_takes_none_are_refused() {
    let host = simulator(Script::new()).await;
    let launched = Host::launch(["opencode"]).password("secret");
    let error = builder(&host).host(launched).build().await.unwrap_err();
    is(&error, ErrorKind::Usage, "orch::host::needless-credentials", &["opencode"]);
    assert!(!error.to_string().contains("secret"));
}

#[tokio::test]
async fn an_unknown_run_is_told_without_a_host() {
    let host = simulator(Script::new()).await;
    let orchestrator = orchestrator(&host).await;
    let unknown = RunId::new("run_unknown").unwrap();
    let decision = DecisionRequest::new(Decision::Continue, "me");
    for error in [
        orchestrator.view(&unknown).await.map(drop).unwrap_err(),
        orchestrator.events(&unknown, 1).await.map(drop).unwrap_err(),
        orchestrator.resume(&unknown).await.map(drop).unwrap_err(),
        orchestrator.decide(&unknown, decision).await.map(drop).unwrap_err(),
        orchestrator.pause(&unknown, "me").await.map(drop).unwrap_err(),
        orchestrator.cancel(&unknown, "me").await.map(drop).unwrap_err(),
    ] {
        is(&error, ErrorKind::Usage, "orch::run::unknown", &["run_unknown", "orch runs"]);
    }
    assert_eq!(host.requests(), []);
}
