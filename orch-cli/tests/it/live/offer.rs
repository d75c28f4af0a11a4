//! Models, profiles and skills as a real OpenCode has them.

use orch::opencode::simulator::Script;
use serde_json::json;

use super::{live_binary, world::World};

#[tokio::test]
async fn models_profiles_and_skills_are_those_of_the_host() {
    let Some(program) = live_binary() else { return };
    let workflow = |worker: &str| {
        let step = |id: &str, worker: &str| json!({ "id": id, "workerId": worker, "prompt": "{task}" });
        json!({ "id": worker, "steps": [step("one", "able"), step("two", worker)] })
    };
    let workflows = ["able", "lacking", "denied", "own", "seer"].map(workflow);
    let config = json!({
        "profiles": [
            { "id": "able", "kind": "subagent", "requiredSkills": ["deploy"] },
            { "id": "lacking", "kind": "agent", "requiredSkills": ["deplyo"] },
            { "id": "denied", "kind": "agent", "requiredSkills": ["deploy"], "permission": { "skill": "deny" } },
            { "id": "own", "kind": "server", "requiredSkills": ["deplyo"] },
            { "id": "seer", "kind": "server", "supportsVision": true },
        ],
        "workflows": { "definitions": workflows },
    });
    let world = World::without_server(&program, Script::new().otherwise("done"), &config).await;
    let skill = world.home().join(".config/opencode/skill/deploy");
    std::fs::create_dir_all(&skill).unwrap();
    std::fs::write(
        skill.join("SKILL.md"),
        "---\nname: deploy\ndescription: how to deploy\n---\nWith care.\n",
    )
    .unwrap();
    let world = world.with_server().await;

    let models = world.orch(&["models", "--json"]).await.json();
    let stub = models.as_array().unwrap().iter().find(|model| model["id"] == "stub/stub").unwrap();
    assert_eq!(
        (&stub["default"], &stub["tools"], &stub["context"]),
        (&json!(true), &json!(true), &json!(100_000))
    );
    assert_eq!(stub["tags"], json!(["node", "node:fast", "node:docs"]));

    let profiles = world.orch(&["profiles", "--json"]).await.json();
    let of = |id: &str| profiles.as_array().unwrap().iter().find(|profile| profile["id"] == id).unwrap();
    let able = &of("able")["resolved"];
    assert_eq!((&able["agent"], &able["model"]), (&json!("build"), &json!("stub/stub")));
    assert_eq!((&able["reason"], &able["problem"]), (&json!("the host's default"), &json!(null)));
    let states = ["able", "lacking", "denied"].map(|id| of(id)["resolved"]["skills"][0]["state"].clone());
    assert_eq!(states, [json!("ready"), json!("missing"), json!("denied")]);

    let (missing, denied) = ("orch::workers::missing-skill", "orch::workers::denied-skill");
    let unseen = "orch::workers::unknown-model";
    for (workflow, code) in [("lacking", missing), ("denied", denied), ("own", missing), ("seer", unseen)] {
        let refused = world.orch(&["run", workflow, "a task", "--json"]).await;
        let events = refused.events();
        let error = &events.last().unwrap()["error"];
        assert_eq!((refused.code, &error["code"]), (2, &json!(code)), "{error}");
        if code == missing {
            let place = ".config/opencode/skill/deplyo/SKILL.md";
            assert!(error["message"].as_str().unwrap().contains(place), "{error}");
        }
    }
    assert_eq!(world.orch(&["runs", "--json"]).await.json(), json!([]), "no run was created");
    assert!(world.model.log().is_empty(), "no token was spent");

    assert_eq!(world.orch(&["run", "able", "a task", "--json"]).await.code, 0);
    assert_eq!(world.prompts("a task").len(), 2);
    world.stop().await;
}
