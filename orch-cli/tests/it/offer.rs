//! `orch models` and `orch profiles`, with a host and without one, and runs that a host cannot serve.

use orch::opencode::simulator::{AgentMode, Script, SimulatedAgent, SimulatedProvider, SimulatorOptions};
use serde_json::{Value, json};

use crate::world::{Output, World, output};

/// A host with a model that sees, two skills, and an agent that may load none.
async fn world() -> World {
    let strict = SimulatedAgent::new("strict", AgentMode::Primary).deny("skill");
    let provider = SimulatedProvider::new("lab", ["plain"]).seeing("see");
    let options = SimulatorOptions::new(Script::new().otherwise("done"));
    let options = options.agent(strict).provider(provider).skill("code-review").skill("deploy");
    let world = World::with(options).await;
    world.configure(&config());
    world
}

fn config() -> Value {
    let step = |worker: &str| json!([{ "id": "one", "workerId": worker, "prompt": "{task}" }]);
    let workflow = |worker: &str| json!({ "id": worker, "steps": step(worker) });
    let own = json!([
        { "id": "seer", "kind": "agent", "supportsVision": true, "tags": ["own"], "requiredSkills": ["code-review"] },
        { "id": "blind", "kind": "agent", "model": "stub/stub", "supportsVision": true, "tags": ["own"] },
        { "id": "lacking", "backend": "agent", "model": "stub/stub", "requiredSkills": ["deplyo"],
          "permission": { "bash": { "git push*": "deny" }, "webfetch": "deny" } },
        { "id": "denied", "kind": "subagent", "agent": "strict", "requiredSkills": ["deploy"] },
    ]);
    let mut workflows: Vec<_> = ["seer", "blind", "lacking", "denied"].map(workflow).into_iter().collect();
    let mut step = json!({ "id": "one", "workerId": "seer", "prompt": "{task}", "kind": "subagent" });
    step["requiredSkills"] = json!(["deploy", "release"]);
    workflows.push(json!({ "id": "step-skill", "steps": [step] }));
    json!({ "profiles": own, "workflows": { "definitions": workflows } })
}

/// Runs a command where no host is named.
async fn alone(world: &World, arguments: &[&str]) -> Output {
    output(world.command(arguments.iter().copied()).env_remove("ORCH_SERVER")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_with_the_tags_that_get_them() {
    let world = world().await;
    let listed = world.orch(["models"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    insta::assert_snapshot!("models", listed.stdout);
    let objects = world.orch(["models", "--json"]).await.json();
    let ids: Vec<_> = objects.as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(json!(ids), json!(["stub/stub", "lab/plain", "lab/see"]));
    insta::assert_json_snapshot!("models_json", objects[2]);
    assert_eq!((&objects[0]["default"], &objects[2]["default"]), (&json!(true), &json!(false)));

    let nobody = alone(&world, &["models", "--json"]).await;
    assert_eq!((nobody.code, nobody.error().as_str()), (Some(1), "orch::host::spawn"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_show_what_they_come_to_on_the_host_and_why() {
    let world = world().await;
    let shown = world.orch(["profiles"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    insta::assert_snapshot!("profiles", world.normal(&shown.stdout));
    let objects = world.orch(["profiles", "--json"]).await.json();
    let find = |id: &str| objects.as_array().unwrap().iter().find(|profile| profile["id"] == id).unwrap();
    insta::assert_snapshot!("profiles_json", world.normal(&format!("{:#}", find("lacking"))));
    assert_eq!(find("denied")["resolved"]["skills"], json!([{ "name": "deploy", "state": "denied" }]));
    assert_eq!(find("coder")["kindOrigin"], json!({ "origin": "built-in" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_shown_without_a_host_too() {
    let world = world().await;
    let shown = alone(&world, &["profiles", "--tag", "own"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    insta::assert_snapshot!("profiles_alone", world.normal(&shown.stdout));

    let unreachable = ["profiles", "--tag", "own", "--server", "http://127.0.0.1:1", "--json"];
    let shown = alone(&world, &unreachable).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let objects = shown.json();
    assert_eq!(objects.as_array().unwrap().len(), 2);
    for profile in objects.as_array().unwrap() {
        assert_eq!(profile["resolved"], json!(null));
        assert!(profile["unresolved"].as_str().unwrap().contains("127.0.0.1:1"), "{profile:#}");
    }
}

/// What a run needs and the host has not is told before the run exists.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_workers_cannot_be_had_is_refused_before_it_begins() {
    let world = world().await;
    let table = [
        ("blind", "orch::workers::unknown-model", "`lab/see` is one that reads images"),
        ("lacking", "orch::workers::missing-skill", "did you mean `deploy`?; searched "),
        ("step-skill", "orch::workers::missing-skill", ".opencode/skill/release/SKILL.md"),
        ("denied", "orch::workers::denied-skill", "the agent `strict` is denied it"),
    ];
    for (workflow, code, says) in table {
        let refused = world.orch(["run", workflow, "a task", "--json"]).await;
        assert_eq!((refused.code, refused.error().as_str()), (Some(2), code), "{refused:?}");
        assert!(refused.stdout.contains(says), "{says}: {}", refused.stdout);
    }
    assert_eq!(world.orch(["runs", "--json"]).await.json(), json!([]));
    assert!(world.prompts().is_empty());
    assert_eq!(world.orch(["run", "seer", "a task", "--json"]).await.code, Some(0));
}
