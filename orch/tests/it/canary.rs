//! Secrets that are looked for in whatever of the facade can be written down.

use std::fmt::Debug;

use orch::{
    config::{Trust, parse},
    opencode::{
        HttpOpenCode,
        serve::{Environment, Serve},
        simulator::{Script, Simulator, SimulatorOptions},
    },
    prelude::*,
};

use crate::world::{WORKFLOW, config, within};

const CANARY: &str = "canary-of-the-host";

/// What there is to search, by name, so that a search of nothing is seen.
#[derive(Default)]
struct Written(Vec<&'static str>);

impl Written {
    #[track_caller]
    fn add(&mut self, name: &'static str, value: &dyn Debug) {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            assert!(!text.is_empty() && !text.contains(CANARY), "{name}: {text}");
        }
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
    written.add("the events", &orchestrator.events(run.id(), 0).await.unwrap());
    orchestrator.shutdown().await;

    // A password that is wrong here may be right elsewhere.
    let wrong = inside.replace(CANARY, &format!("{CANARY}-but-wrong"));
    let wrong = Orchestrator::builder(simulator.directory()).config(config()).host(Host::server(wrong));
    let wrong = wrong.build().await.unwrap();
    let refused = wrong.run(RunRequest::new(WORKFLOW, "a task")).await.unwrap_err();
    assert!(!refused.to_string().contains(CANARY), "{refused}");
    written.add("Error", &refused);
    wrong.shutdown().await;
    assert!(written.0.len() >= 19, "{:?}", written.0);
}
