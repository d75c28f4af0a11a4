//! Parallel steps and a group that is repeated, on the real host.

use orch::opencode::{
    OpenCode as _, SessionId,
    simulator::{Answer, Hold, Script, When},
};
use serde_json::{Value, json};

use super::{live_binary, world::World};

/// Two reviewers at once as `kind`, twice, then what needs them.
fn config() -> Value {
    let reviews = |kind: &str| {
        let review = |id: &str| json!({ "id": id, "workerId": id, "kind": kind, "needs": [], "prompt": format!("{id} {{task}}") });
        json!([
            { "id": "loop", "repeat": { "max": 3, "until": "iteration == 2" },
              "steps": [review("style"), review("security")] },
            { "id": "sum", "workerId": "boss", "prompt": "sum {task}: {steps.style.text}, {steps.security.text}" },
        ])
    };
    json!({
        "profiles": [{ "id": "style" }, { "id": "security" }, { "id": "boss", "kind": "agent" }],
        "workflows": { "definitions": [
            { "id": "children", "steps": reviews("subagent") },
            { "id": "roots", "steps": reviews("agent") },
        ] },
    })
}

#[tokio::test]
async fn two_reviewers_work_at_once_and_again_in_a_second_pass() {
    let Some(program) = live_binary() else { return };
    let (children, roots) = (Hold::new(), Hold::new());
    let script = Script::new()
        .on(When::prompt("style <children>"), Answer::text("tidy").held(&children))
        .on(When::prompt("security <children>"), Answer::text("safe").held(&children))
        .on(When::prompt("style <roots>"), Answer::text("tidy").held(&roots))
        .on(When::prompt("security <roots>"), Answer::text("safe").held(&roots))
        .otherwise("done");
    let world = World::start(&program, script, &config()).await;
    for (workflow, task, hold) in [("children", "<children>", &children), ("roots", "<roots>", &roots)] {
        let process = world.begin(&["run", workflow, task, "--no-input"]);
        // The model is asked by both before it has answered either.
        tokio::time::timeout(std::time::Duration::from_secs(60), hold.wait_arrivals(2)).await.unwrap();
        hold.release();
        let (ended, events) = process.ended().await;
        assert_eq!(ended.code, 0, "{ended:?} {events:#?}");
        let passes: Vec<_> = events.iter().filter(|event| event["type"] == "group.iteration").collect();
        assert_eq!(passes.len(), 2);
        let asked = world.prompts(task);
        assert_eq!(asked.len(), 5, "two passes of two, and the sum: nothing twice");
        assert!(asked[4].text.contains("tidy, safe"), "{}", asked[4].text);

        let started = events.iter().find(|event| event["type"] == "run.started").unwrap();
        let run = world.show(started["run"].as_str().unwrap()).await;
        let session = |step: usize| run["steps"][step]["session"].as_str().unwrap().to_owned();
        assert_ne!(session(0), session(1));
        let host = world.host();
        if workflow == "children" {
            let parent = SessionId::parse(run["parent_session"].as_str().unwrap()).unwrap();
            let mut below: Vec<_> =
                host.children(&parent).await.unwrap().into_iter().map(|child| child.id.to_string()).collect();
            below.sort();
            let mut expected = [session(0), session(1)];
            expected.sort();
            assert_eq!(below, expected, "both under the one parent, and the same in both passes");
        } else {
            for step in [0, 1] {
                let root = host.session(&SessionId::parse(session(step)).unwrap()).await.unwrap();
                assert_eq!(root.parent, None);
            }
        }
    }
    world.stop().await;
}
