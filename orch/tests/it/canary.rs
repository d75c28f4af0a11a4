//! Secrets that are looked for in whatever of the facade can be written down.
//!
//! `cargo xtask test surface` sees to it that every public type that may hold one is written here, by its name.

use std::{
    fmt::Debug,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

use orch::{
    config::{LoadOptions, Trust, TrustRecords, load, parse},
    opencode::{
        HttpOpenCode,
        serve::{Environment, Serve},
        simulator::{Script, ScriptedModel, Simulator, SimulatorOptions},
    },
    prelude::*,
    workers::{Connector, OpenCodeWorker, Pool},
};

use crate::{
    processes::Stage,
    world::{WORKFLOW, config, within},
};

const CANARY: &str = "canary-of-the-host";

/// What there is to search, by name, so that a search of nothing is seen.
#[derive(Default)]
struct Written(Vec<&'static str>);

impl Written {
    #[track_caller]
    fn add(&mut self, name: &'static str, value: &dyn Debug) {
        self.add_text(name, &format!("{value:?}"));
        self.add_text(name, &format!("{value:#?}"));
    }

    #[track_caller]
    fn add_text(&mut self, name: &'static str, text: &str) {
        assert!(!text.is_empty() && !text.contains(CANARY), "{name}: {text}");
        self.0.push(name);
    }
}

fn variables() -> Vec<(String, String)> {
    let variable = |name: &str| (name.to_owned(), CANARY.to_owned());
    vec![variable("API_KEY"), variable("OPENCODE_SERVER_PASSWORD")]
}

#[tokio::test]
async fn no_public_type_that_is_given_a_secret_writes_it() {
    let simulator = Simulator::start(SimulatorOptions::new(Script::new()).password(CANARY)).await.unwrap();
    let mut written = Written::default();
    // The two ways to say what the password is.
    let inside = simulator.url().replace("http://", &format!("http://opencode:{CANARY}@"));
    let beside = Host::server(simulator.url()).password(CANARY);
    written.add("Host, password beside", &beside);
    written.add("Host, password inside", &Host::server(&inside));
    written.add("SimulatorOptions", &SimulatorOptions::new(Script::new()).password(CANARY));
    written.add("Simulator", &simulator);

    let client = HttpOpenCode::builder(&inside, simulator.directory());
    written.add("HttpOpenCodeBuilder", &client);
    written.add("HttpOpenCode", &client.build().unwrap());

    let environment = Environment::inherit(variables());
    written.add("Environment", &environment);
    written.add("Serve", &Serve::new(["opencode"], "/project", environment));

    let text = format!(
        r#"{{"opencode": {{"url": "{inside}"}}, "profiles": [{{"id": "w", "kind": "server", "env": {{"A": "{CANARY}"}}}}]}}"#
    );
    let refused = parse(text.as_bytes(), None, Trust::Trusted).unwrap_err();
    assert!(!refused.to_string().contains(CANARY), "{refused}");
    assert!(!serde_json::to_string(&refused.diagnostics).unwrap().contains(CANARY));
    written.add("SourceFile", &refused.files[0]);
    written.add("SourceText", &refused.files[0].text);
    written.add("LoadError", &refused);
    let loaded = parse(text.replace(&inside, "http://localhost").as_bytes(), None, Trust::Trusted).unwrap();
    written.add("Loaded", &loaded);
    written.add("Config", &loaded.config);
    written.add("Profile", loaded.config.profile("w").unwrap());

    let builder = Orchestrator::builder(simulator.directory()).config(config()).host(Host::server(&inside));
    let builder = builder.environment(variables());
    written.add("Builder", &builder);
    let orchestrator = builder.build().await.unwrap();
    written.add("Orchestrator", &orchestrator);
    let run = orchestrator.run(RunRequest::new(WORKFLOW, "a task")).await.unwrap();
    let outcome = within(run.wait()).await.unwrap();
    written.add("Run", &run);
    written.add("RunView", &run.view());
    written.add("the outcome", &outcome);
    let events = orchestrator.events(run.id(), 0).await.unwrap();
    assert!(events.len() > 5, "{events:?}");
    written.add("Event, all of a run", &events);
    for event in &events {
        written.add_text("Event as JSON", &serde_json::to_string(event).unwrap());
    }
    orchestrator.shutdown().await;

    // A password that is wrong here may be right elsewhere.
    let wrong = inside.replace(CANARY, &format!("{CANARY}-but-wrong"));
    let wrong = Orchestrator::builder(simulator.directory()).config(config()).host(Host::server(wrong));
    let wrong = wrong.build().await.unwrap();
    let refused = wrong.run(RunRequest::new(WORKFLOW, "a task")).await.unwrap_err();
    assert!(!refused.to_string().contains(CANARY), "{refused}");
    written.add("Error", &refused);
    wrong.shutdown().await;
    assert!(written.0.len() > 40, "{:?}", written.0);
}

#[test]
fn nothing_about_trust_writes_what_is_trusted() {
    let mut written = Written::default();
    let project = tempfile::tempdir().unwrap();
    let text = format!(r#"{{"profiles": [{{"id": "w", "kind": "server", "env": {{"A": "{CANARY}"}}}}]}}"#);
    std::fs::write(project.path().join("orchestrator.json"), text).unwrap();
    let mut options = LoadOptions::new(project.path());
    options.trust = Trust::Trusted;
    let evidence = load(&options).unwrap().evidence;
    assert_eq!(evidence.files.len(), 1);
    written.add("Evidence", &evidence);
    let records = TrustRecords::at(project.path().join("inside"));
    let refused = records.trust(&evidence).unwrap_err();
    assert!(!refused.to_string().contains(CANARY), "{refused}");
    written.add("TrustError", &refused);
}

#[tokio::test]
async fn no_worker_and_no_way_to_one_writes_a_secret() {
    let mut written = Written::default();
    let simulator = Simulator::start(SimulatorOptions::new(Script::new()).password(CANARY)).await.unwrap();
    let mut config = config();
    for profile in config.profiles.values_mut() {
        profile.env.0.insert("API_KEY".to_owned(), CANARY.to_owned());
    }
    let config = Arc::new(config);
    let host = Host::server(simulator.url()).password(CANARY);
    let connector = Connector::new(Arc::clone(&config), simulator.directory(), host).unwrap();
    let connector = connector.environment(variables());
    written.add("Connector", &connector);
    let connection = connector.connection().await.unwrap();
    written.add("Connection", &connection);
    written.add("Pool", connection.pool());
    let builder = Pool::builder(Arc::clone(&config), Arc::clone(connection.host()));
    written.add("PoolBuilder", &builder.environment(variables()));
    let profile = Arc::new(config.profile("agent").unwrap().clone());
    written.add("OpenCodeWorker", &OpenCodeWorker::agent(profile, Arc::clone(connection.host())));
    connector.close().await;
}

#[tokio::test]
async fn a_server_that_was_started_is_written_without_its_password() {
    let mut written = Written::default();
    let stage = Stage::new();
    let connector = Connector::new(Arc::new(config()), stage.directory(), stage.program()).unwrap();
    let connector = connector.environment([stage.environment(), variables()].concat());
    let (connection, (_host, password)) =
        within(async { tokio::join!(connector.connection(), stage.host(Script::new())) }).await;
    let connection = connection.unwrap();
    let text = format!("{connection:?}");
    assert!(text.contains("Server {") && password.len() >= 32 && !text.contains(&password), "{text}");
    written.add("Server, in a connection", &connection);
    connector.close().await;
}

#[tokio::test]
async fn a_scripted_model_does_not_write_the_key_that_it_was_sent() {
    let mut written = Written::default();
    let model = ScriptedModel::start(Script::new().otherwise("done")).await.unwrap();
    let body = r#"{"model":"stub","messages":[{"role":"user","content":"hello"}]}"#;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {CANARY}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let address = model.url().trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let said = tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    });
    let said = within(said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let log = model.log();
    assert!(log[0].was_sent(CANARY), "{log:?}");
    written.add("ModelCall", &log);
    written.add("ScriptedModel", &model);
}
