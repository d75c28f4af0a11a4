//! What the plugin adds to OpenCode by the configuration: the agent that delegates, a toast for a session that rests, and
//! whether its commands are there.

use std::time::Duration;

use orch::opencode::{
    NewSession, OpenCode as _, Prompt,
    simulator::{CallKind, ModelCall, Script},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    live_binary,
    tui::{Screen, tmux},
    world::World,
};

const PATIENCE: Duration = Duration::from_secs(90);
/// From the prompt that ships.
const PROMPT: &str = "You lead a piece of work.";
/// From the list of what there is to delegate to.
const LISTED: &str = "* `helper`: Rows. When there is water\n";

/// A server with the plugin in it.
async fn installed(program: &str, config: &Value) -> World {
    let world = World::without_server(program, Script::new().otherwise("noted"), config).await;
    let installed = world.orch(&["install", "--global"]).await;
    assert_eq!(installed.code, 0, "{installed:?}");
    world.with_server().await
}

/// What the model is asked when a person talks to it as this agent.
async fn asked(world: &World, agent: &str) -> ModelCall {
    let session = world.host().create_session(NewSession::default()).await.unwrap().id;
    let text = format!("as {agent}");
    let is_it = |call: &&ModelCall| call.kind == CallKind::Prompt && call.text == text;
    world.host().prompt(&session, Prompt::text(&text).by(Some(agent.to_owned()), None)).await.unwrap();
    let arrived = timeout(PATIENCE, world.model.wait_log(|log| log.iter().any(|call| is_it(&call)))).await;
    assert!(arrived.is_ok(), "{agent}: {:#?}", world.model.log());
    world.model.log().iter().find(is_it).unwrap().clone()
}

async fn end(world: World) {
    world.end_service().await;
    world.stop().await;
}

fn config(more: Value) -> Value {
    let mut config = json!({
        "profiles": [{ "id": "helper", "kind": "subagent", "purpose": "Rows", "whenToUse": "When there is\nwater" }],
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

#[tokio::test]
async fn the_agent_that_delegates_knows_what_to_delegate_to_and_no_other_agent_does() {
    let Some(program) = live_binary() else { return };
    let world = installed(&program, &config(json!({}))).await;
    let lead = asked(&world, "orchestrator").await;
    assert!(lead.system.contains(PROMPT) && lead.system.contains(LISTED), "{}", lead.system);
    assert!(lead.system.contains("## Workflows\n\n* `build`: "), "{}", lead.system);
    assert!(lead.tools.iter().any(|tool| tool == "task_start"), "{:?}", lead.tools);
    let build = asked(&world, "build").await;
    assert!(!build.system.contains(PROMPT) && !build.system.contains(LISTED), "{}", build.system);
    end(world).await;
}

#[tokio::test]
async fn the_agent_is_what_the_configuration_says_and_the_persons_own_settings_come_first() {
    let Some(program) = live_binary() else { return };
    let more = json!({
        "agent": {
            "name": "lead", "prompt": "Lead the boat.", "applyToBuild": true,
            "tools": { "bash": false }, "permission": { "webfetch": "deny" },
        },
        "ui": { "injectSystemContext": false },
    });
    let world = World::without_server(&program, Script::new().otherwise("noted"), &config(more)).await;
    world.own_settings(&json!({ "agent": { "lead": { "permission": { "webfetch": "allow" } } } }));
    let done = world.orch(&["install", "--global"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let world = world.with_server().await;

    let lead = asked(&world, "lead").await;
    let build = asked(&world, "build").await;
    for (agent, call) in [("lead", &lead), ("build", &build)] {
        assert!(
            call.system.contains("Lead the boat.") && !call.system.contains("`helper`"),
            "{agent}: {}",
            call.system
        );
    }
    let offered = |call: &ModelCall, tool: &str| call.tools.iter().any(|name| name == tool);
    assert!(offered(&lead, "bash") && offered(&lead, "webfetch"), "the person's own word: {:?}", lead.tools);
    assert!(!offered(&build, "bash") && !offered(&build, "webfetch"), "{:?}", build.tools);
    let names: Vec<_> = world.host().agents().await.unwrap().into_iter().map(|agent| agent.name).collect();
    assert!(!names.iter().any(|name| name == "orchestrator"), "{names:?}");
    end(world).await;
}

#[tokio::test]
async fn an_agent_that_is_switched_off_is_not_offered() {
    let Some(program) = live_binary() else { return };
    let world = installed(&program, &config(json!({ "agent": { "enabled": false } }))).await;
    let names: Vec<_> = world.host().agents().await.unwrap().into_iter().map(|agent| agent.name).collect();
    assert!(names.iter().any(|name| name == "build"), "{names:?}");
    assert!(!names.iter().any(|name| name == "orchestrator"), "{names:?}");
    end(world).await;
}

/// A session that rests is told of, once it has rested for as long as the configuration says; what a worker does is not.
#[tokio::test]
async fn a_session_that_rests_is_told_of_and_commands_can_be_switched_off() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let more = json!({
        "notifications": { "idle": { "enabled": true, "title": "At rest", "message": "nothing moves here", "delayMs": 10 } },
        "commands": { "enabled": false },
    });
    let world = World::without_server(&program, Script::new().otherwise("noted"), &config(more)).await;
    let done = world.orch(&["install"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let screen = Screen::plain(&tmux, &program, &world).await;
    screen.enter("hello").await;
    screen.press(&["Enter"]).await;
    screen.shows(&["At rest", "nothing moves here"]).await;
    screen.enter("/").await;
    screen.shows(&["/agents"]).await;
    screen.enter("orch").await;
    screen.hides(&["/orch-run", "orch: Run a workflow", "/agents"]).await;
    screen.close().await;
    end(world).await;
}

#[tokio::test]
async fn commands_have_a_second_name_under_a_prefix_of_ones_own() {
    let (Some(program), Some(tmux)) = (live_binary(), tmux()) else { return };
    let world = World::without_server(
        &program,
        Script::new().otherwise("noted"),
        &config(json!({ "commands": { "prefix": "my." } })),
    )
    .await;
    let done = world.orch(&["install"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let world = world.with_server().await;
    let screen = Screen::attach(&tmux, &program, &world).await;
    let told = async {
        loop {
            // It is there once the plugin knows the configuration.
            world.host().publish_command("my.dashboard").await.unwrap();
            let shown = timeout(Duration::from_secs(2), screen.shows(&["r refresh"])).await;
            if shown.is_ok() {
                return;
            }
        }
    };
    assert!(timeout(PATIENCE, told).await.is_ok(), "the command is not known");
    screen.close().await;
    end(world).await;
}
