//! What of a profile and of its user really reaches the model: seen in the log of the scripted model behind a real
//! OpenCode, for each kind of worker.

use std::{fs, os::unix::fs::DirBuilderExt as _, path::Path};

use orch_config::{
    kind::WorkerKind,
    permission::{PermissionAction, PermissionRule},
};
use orch_opencode::simulator::{Answer, ModelCall, Script, ToolCall, When};
use orch_workers::{Pool, testing::ANSWER};
use orch_workflow::port::StepExecutor as _;
use serde_json::{Value, json};

use crate::{
    live::{GRACE, Real, dispatch, run},
    world::{outcome, profile},
};

const KINDS: [(&str, WorkerKind); 3] =
    [("a", WorkerKind::Agent), ("s", WorkerKind::Subagent), ("o", WorkerKind::Server)];

/// The one call of the model whose prompt holds this word.
fn asked(real: &Real, word: &str) -> ModelCall {
    let calls: Vec<_> = real.model.prompts().into_iter().filter(|call| call.text.contains(word)).collect();
    assert_eq!(calls.len(), 1, "{word}: {calls:?}");
    calls.into_iter().next().unwrap()
}

async fn end(real: Real, pool: Pool) {
    assert!(pool.shutdown(GRACE).await.is_clean());
    real.end().await;
}

/// A second model, and an agent of the user's own.
fn more_to_choose(home: &Path, settings: &mut Value) {
    fs::create_dir(home.join("project/hold")).unwrap();
    fs::write(home.join("project/hold/keel.txt"), "oak").unwrap();
    let models = &mut settings["provider"]["stub"]["models"];
    models["other"] = models["stub"].clone();
    settings["agent"] = json!({ "reviewer": { "mode": "all", "prompt": "The words of the agent." } });
}

#[tokio::test]
async fn every_setting_of_a_profile_is_in_what_the_model_is_sent() {
    let script = Script::new().otherwise(ANSWER);
    let Some(real) = Real::start_with(script, more_to_choose).await else { return };
    let plain = KINDS.map(|(id, kind)| profile(&format!("plain-{id}"), kind));
    let set = KINDS.map(|(id, kind)| {
        let mut profile = profile(&format!("set-{id}"), kind);
        profile.agent = Some("reviewer".to_owned());
        profile.model = Some("stub/other".to_owned());
        profile.system_prompt = Some("The words of the profile.".to_owned());
        profile.temperature = Some(0.25);
        profile.inject_repo_context = true;
        let denied = |tool: &str| PermissionRule::new(tool, "*", PermissionAction::Deny);
        profile.permission = ["bash", "webfetch"].map(denied).into();
        profile
    });
    let pool = real.pool(plain.into_iter().chain(set));
    for (id, kind) in KINDS {
        run(&pool, &dispatch(&format!("plain-{id}"), kind, &format!("first-{id}"))).await;
        run(&pool, &dispatch(&format!("set-{id}"), kind, &format!("second-{id}"))).await;
        let (without, with) = (asked(&real, &format!("first-{id}")), asked(&real, &format!("second-{id}")));

        assert_eq!((without.model.as_str(), with.model.as_str()), ("stub", "other"), "{kind}");
        for words in ["The words of the agent.", "The words of the profile.", "- hold/keel.txt\n"] {
            assert!(with.system.contains(words) && !without.system.contains(words), "{kind}: {words}");
        }
        assert_eq!(with.temperature, Some(0.25), "{kind}");
        assert_ne!(without.temperature, Some(0.25), "{kind}");
        let offered = |call: &ModelCall, tool: &str| call.tools.iter().any(|name| name == tool);
        for tool in ["bash", "webfetch"] {
            assert!(offered(&without, tool) && !offered(&with, tool), "{kind}: {tool}");
        }
        assert!(offered(&with, "read"), "{kind}: what is not denied stays");
    }
    end(real, pool).await;
}

/// The key of the user's own store is in no variable and in no configuration; the workers' servers find it.
#[tokio::test]
async fn a_credential_that_only_the_users_store_holds_reaches_the_model() {
    const KEY: &str = "kept-in-the-store-alone";
    let furnish = |home: &Path, settings: &mut Value| {
        settings["provider"]["stub"]["options"].as_object_mut().unwrap().remove("apiKey");
        let store = home.join("data/opencode");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&store).unwrap();
        let keys = json!({ "stub": { "type": "api", "key": KEY } });
        fs::write(store.join("auth.json"), keys.to_string()).unwrap();
    };
    let Some(real) = Real::start_with(Script::new().otherwise(ANSWER), furnish).await else { return };
    let pool = real.pool(KINDS.map(|(id, kind)| profile(id, kind)));
    for (id, kind) in KINDS {
        run(&pool, &dispatch(id, kind, &format!("go-{id}"))).await;
        let call = asked(&real, &format!("go-{id}"));
        assert!(call.was_sent(KEY) && !call.was_sent("k"), "{kind}");
        assert!(!format!("{call:?}").contains(KEY), "the log does not show it");
    }
    end(real, pool).await;
}

/// A plugin of the project offers tools under our names: everybody may use them but a worker and what it starts.
#[tokio::test]
async fn no_worker_and_no_task_of_one_is_offered_tools_of_ours() {
    const PLUGIN: &str = r#"
        const tool = { description: "start a run", args: {}, async execute() { return "started" } }
        export const Ours = async () => ({ tool: { orch_run: tool, task_start: tool, harmless: tool } })
    "#;
    let furnish = |home: &Path, _: &mut Value| {
        let directory = home.join("project/.opencode");
        fs::create_dir_all(directory.join("plugin")).unwrap();
        fs::write(directory.join("plugin/ours.js"), PLUGIN).unwrap();
        crate::live::seed_plugin_package(&directory);
    };
    let task = |word: &str| {
        let arguments = json!({ "description": "d", "prompt": word, "subagent_type": "general" });
        [Answer::tool(ToolCall::new("task", arguments)), Answer::text(ANSWER)]
    };
    let script = KINDS.iter().fold(Script::new(), |script, (id, _)| {
        script.on(When::prompt(format!("delegate-{id}")), task(&format!("below-{id}")))
    });
    let Some(real) = Real::start_with(script.otherwise(ANSWER), furnish).await else { return };
    let ours = |call: &ModelCall| -> Vec<String> {
        let names = ["harmless", "orch_run", "task_start"];
        names
            .into_iter()
            .filter(|name| call.tools.iter().any(|tool| tool == name))
            .map(str::to_owned)
            .collect()
    };

    real.person_asks("a person asks").await;
    let everything = ours(&asked(&real, "a person asks"));
    assert_eq!(everything, ["harmless", "orch_run", "task_start"], "the plugin is loaded");

    let pool = real.pool(KINDS.map(|(id, kind)| profile(id, kind)));
    for (id, kind) in KINDS {
        let dispatch = dispatch(id, kind, &format!("delegate-{id}"));
        let placement = pool.place(&dispatch).await.unwrap();
        let task = pool.send(&placement.locator, &dispatch).await.unwrap();
        assert_eq!(outcome(task).await.1.text, ANSWER, "{kind}");
        assert_eq!(ours(&asked(&real, &format!("delegate-{id}"))), ["harmless"], "{kind}");
        // The host offers no `task` to what is a child already (observed on 1.18.33).
        if kind != WorkerKind::Subagent {
            assert_eq!(ours(&asked(&real, &format!("below-{id}"))), ["harmless"], "{kind}: a task of its");
        }
    }
    end(real, pool).await;
}
