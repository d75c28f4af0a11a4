//! `orch config`: checking, showing with origins, starting and migrating a file; and files as real projects have them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use orch::opencode::simulator::Script;
use serde_json::{Value, json};

use crate::world::{Output, World, output, standard};

async fn world() -> World {
    World::new(Script::new().otherwise("done")).await
}

/// Without any configuration.
async fn empty() -> World {
    let world = world().await;
    fs::remove_file(world.project().join("orchestrator.json")).unwrap();
    world
}

/// Runs a command where no host can be found at all.
async fn orch(world: &World, arguments: &[&str]) -> Output {
    output(world.command(arguments.iter().copied()).env_remove("ORCH_SERVER")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_are_shown_as_lines_and_as_data() {
    let world = world().await;
    world.configure_text(
        "{\n  \"basePort\": 20000,\n  \"profiles\": [{ \"id\": \"coder\", \"model\": \"a/b\" }]\n}\n",
    );
    let home = world.path("home/.config/opencode");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("orchestrator.json"), "{ \"ui\": { \"toasts\": false } }").unwrap();

    let shown = orch(&world, &["config", "show", "--origin"]).await;
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{shown:?}");
    let line = |start: &str, end: &str| {
        let found = shown.stdout.lines().any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(found, "{start} … {end}\n{}", shown.stdout);
    };
    line("orchestrator.json:2:15 ", " basePort = 20000");
    line("orchestrator.json:3:42 ", " profiles[\"coder\"].model = \"a/b\"");
    line(&format!("{}:1:21 ", home.join("orchestrator.json").display()), " ui.toasts = false");
    line("built in ", " profiles[\"coder\"].name = \"Code Implementer\"");
    line("default ", " workflows.ui.intervene = \"on-error\"");

    let data = orch(&world, &["config", "show", "--origin", "--json"]).await.json();
    let plain = orch(&world, &["config", "show", "--json"]).await.json();
    assert_eq!(data["config"], plain);
    let settings = data["settings"].as_array().unwrap();
    let port = settings.iter().find(|setting| setting["path"] == "$.basePort").unwrap();
    let file = world.project().canonicalize().unwrap().join("orchestrator.json");
    let expected = json!({ "path": "$.basePort", "value": 20000, "origin": "file", "file": file, "line": 2, "column": 15 });
    assert_eq!(*port, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_writes_a_file_that_is_right_and_never_touches_one_that_is_there() {
    let world = empty().await;
    let written = orch(&world, &["config", "init", "--json"]).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    let file = world.project().canonicalize().unwrap().join(".opencode/orchestrator.json");
    assert_eq!(written.json(), json!({ "file": file }));
    let checked = orch(&world, &["config", "check", "--strict"]).await;
    assert!(checked.code == Some(0) && checked.stdout.starts_with("ok: "), "{checked:?}");

    fs::write(&file, "mine").unwrap();
    let refused = orch(&world, &["config", "init"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("exists"), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

/// A file in `.opencode/` comes first: writing it would switch the other one off.
#[tokio::test(flavor = "multi_thread")]
async fn init_does_not_hide_a_file_in_another_place() {
    let world = world().await;
    let refused = orch(&world, &["config", "init", "--json"]).await;
    assert_eq!((refused.code, refused.error().as_str()), (Some(2), "orch::cli::file-exists"));
    assert!(!world.project().join(".opencode").exists());
}

/// A clone could have it write wherever its link leads.
#[tokio::test(flavor = "multi_thread")]
async fn init_writes_nothing_behind_a_link_that_leads_out() {
    let world = empty().await;
    symlink(world.path("empty"), world.project().join(".opencode")).unwrap();
    let refused = world.orch(["config", "init", "--json"]).await;
    assert_eq!((refused.code, refused.error().as_str()), (Some(2), "orch::cli::link"), "{refused:?}");
    assert_eq!(fs::read_dir(world.path("empty")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_global_writes_the_persons_own_file() {
    let world = world().await;
    let written = orch(&world, &["config", "init", "--global"]).await;
    let file = world.path("home/.config/opencode/orchestrator.json");
    assert!(written.code == Some(0) && written.stdout.contains("opencode/orchestrator.json"), "{written:?}");
    let checked = orch(&world, &["config", "check", "--strict"]).await;
    assert!(checked.code == Some(0) && checked.stdout.contains(&*file.to_string_lossy()), "{checked:?}");
    let again = orch(&world, &["config", "init", "--global"]).await;
    assert_eq!(again.code, Some(2), "{again:?}");
}

const OLD: &str = "{\n  // our worker\n  \"profiles\": [\n    { \"id\": \"w\", \"backend\": \"agent\", \"sessionMode\": \"linked\" } // keep\n  ]\n}\n";
const NEW: &str =
    "{\n  // our worker\n  \"profiles\": [\n    { \"id\": \"w\", \"kind\": \"agent\" } // keep\n  ]\n}\n";

#[tokio::test(flavor = "multi_thread")]
async fn migrate_shows_a_diff_and_writes_only_when_told() {
    let world = world().await;
    world.configure_text(OLD);
    let shown = orch(&world, &["config", "migrate"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let changed = "-    { \"id\": \"w\", \"backend\": \"agent\", \"sessionMode\": \"linked\" } // keep\n+    { \"id\": \"w\", \"kind\": \"agent\" } // keep\n";
    assert!(shown.stdout.contains(changed), "{shown:?}");
    let file = world.project().join("orchestrator.json");
    assert_eq!(fs::read_to_string(&file).unwrap(), OLD);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let written = orch(&world, &["config", "migrate", "--write"]).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    assert!(written.stdout.contains(":4: $.profiles[0].backend now called `kind`"), "{written:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), NEW);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);

    let again = orch(&world, &["config", "migrate", "--write", "--json"]).await.json();
    assert_eq!(
        (&again["changed"], &again["written"], &again["changes"]),
        (&json!(false), &json!(false), &json!([]))
    );
    assert_eq!(again["text"], NEW);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_changes_what_a_link_leads_to() {
    let world = world().await;
    let (real, link) = (world.path("real.json"), world.path("link.json"));
    fs::write(&real, OLD).unwrap();
    symlink(&real, &link).unwrap();
    let written = orch(&world, &["config", "migrate", "--write", &link.to_string_lossy()]).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), NEW);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_says_why_it_cannot() {
    let world = empty().await;
    let none = orch(&world, &["config", "migrate", "--json"]).await;
    assert_eq!((none.code, none.error().as_str()), (Some(2), "orch::cli::no-file"));
    let missing = orch(&world, &["config", "migrate", "gone.json", "--json"]).await;
    assert_eq!((missing.code, missing.error().as_str()), (Some(2), "orch::config::unreadable"));
    world.configure_text("{ \"profiles\" [] }");
    let broken = orch(&world, &["config", "migrate"]).await;
    assert!(broken.code == Some(2) && broken.stderr.contains("[] }"), "{broken:?}");
}

/// What cannot even be read is named as what was looked at; nothing else is said to apply in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_what_was_looked_at() {
    let world = empty().await;
    fs::create_dir(world.project().join("folder.json")).unwrap();
    symlink("nowhere", world.project().join("link.json")).unwrap();
    for name in ["folder.json", "link.json", "gone.json"] {
        let checked = orch(&world, &["config", "check", name]).await;
        let verdict = checked.stdout.lines().last().unwrap();
        assert_eq!(checked.code, Some(2), "{checked:?}");
        assert!(verdict.starts_with("1 to look at: ") && verdict.ends_with(name), "{verdict}");
    }
}

/// `config check` on named files: text with the source line and a caret, data of one shape, exit code 2.
#[tokio::test(flavor = "multi_thread")]
async fn named_files_are_checked_each_by_itself() {
    let world = world().await;
    fs::write(world.project().join("a.json"), "{\n  \"basePort\": \"x\"\n}\n").unwrap();
    fs::write(world.project().join("b.json"), "{ \"colour\": 1 }\n").unwrap();
    let checked = orch(&world, &["config", "check", "a.json", "b.json"]).await;
    assert_eq!(checked.code, Some(2), "{checked:?}");
    for expected in ["\"basePort\": \"x\"", "a.json:2:15", "orch::config::wrong-type", "\"colour\": 1", "^|^"]
    {
        assert!(checked.stdout.contains(expected), "{expected}: {}", checked.stdout);
    }
    let missing = orch(&world, &["config", "check", "gone.json"]).await;
    assert_eq!(missing.code, Some(2));
    for expected in ["there is no such file", "orch config init", "1 to look at: /"] {
        assert!(missing.stdout.contains(expected), "{expected}: {}", missing.stdout);
    }
    let only_warned = orch(&world, &["config", "check", "b.json"]).await;
    assert_eq!(only_warned.code, Some(0), "{only_warned:?}");
    assert_eq!(orch(&world, &["config", "check", "--strict", "b.json"]).await.code, Some(2));

    let data = orch(&world, &["config", "check", "a.json", "b.json", "--json"]).await.json();
    let file = |name: &str| world.project().canonicalize().unwrap().join(name);
    assert_eq!(
        data,
        json!({ "ok": false, "diagnostics": [
            {
                "code": "orch::config::wrong-type", "severity": "error", "file": file("a.json"), "line": 2, "column": 15,
                "path": "$.basePort", "message": "expected a whole number, found the string \"x\"", "help": null,
            },
            {
                "code": "orch::config::unknown-key", "severity": "warning", "file": file("b.json"), "line": 1, "column": 3,
                "path": "$.colour", "message": "`colour` is not a known key and has no effect", "help": null,
            },
        ] })
    );
}

/// What `config show --json` prints is a file that means the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_a_file_that_means_the_same() {
    let world = world().await;
    let shown = orch(&world, &["config", "show", "--json"]).await.json();
    for list in [&shown["profiles"], &shown["workflows"]["definitions"]] {
        assert!(list.as_array().is_some_and(|list| list.iter().all(|element| element["id"].is_string())));
    }
    assert_eq!(shown["profiles"][2]["maxConcurrency"], 1);
    fs::create_dir_all(world.path("home/.config/opencode")).unwrap();
    fs::write(world.path("home/.config/opencode/orchestrator.json"), shown.to_string()).unwrap();
    fs::remove_file(world.project().join("orchestrator.json")).unwrap();
    assert_eq!(orch(&world, &["config", "show", "--json"]).await.json(), shown);
}

/// A file as real projects have it: profiles with a few keys, retired keys, the predecessor's schema, Chinese prompts,
/// and steps of `roocode-boomerang` that replace some and add others.
fn found_in_a_project() -> Value {
    json!({
        "$schema": "./node_modules/opencode-orchestrator/schema/orchestrator.schema.json",
        "profiles": [
            { "id": "w", "kind": "agent", "model": "stub/stub", "name": "译者", "purpose": "把文档译成中文",
              "whenToUse": "需要中文时", "tools": { "Read": true, "Write": false }, "sessionMode": "linked" },
            { "id": "few", "name": "Few", "purpose": "P", "whenToUse": "W", "tools": { "bash": false } },
        ],
        "spawnOnDemand": ["vision"],
        "workflows": { "roocodeBoomerang": { "steps": [
            { "id": "plan", "title": "计划", "workerId": "w", "prompt": "请先计划：{task}" },
            { "id": "implement", "workerId": "w" },
            { "id": "translate", "workerId": "w", "prompt": "翻译 {carry}", "model": "x", "timeoutMs": 60000 },
        ] } },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_found_in_a_real_project_is_planned_and_run() {
    let world = world().await;
    world.configure(&found_in_a_project());
    let checked = orch(&world, &["config", "check", "--json"]).await.json();
    let codes: Vec<_> = checked["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["code"].as_str().unwrap())
        .collect();
    assert_eq!((&checked["ok"], codes), (&json!(true), vec!["orch::config::retired-key"; 3]));

    let plan = orch(&world, &["plan", "roocode-boomerang", "--json"]).await.json();
    let ids: Vec<_> =
        plan["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["plan", "implement", "translate"]);

    let ran = world.orch(["run", "roocode-boomerang", "一个任务", "--json", "--no-input"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let prompts = world.prompts();
    assert_eq!(prompts.len(), 3, "{prompts:#?}");
    assert!(prompts[0].contains("请先计划：一个任务"), "{prompts:#?}");
    assert!(
        prompts[1].contains("You carry out the plan below") && prompts[1].contains("done"),
        "{prompts:#?}"
    );
    assert!(prompts[2].contains("翻译 ") && prompts[2].contains("done"), "{prompts:#?}");
}

/// In a linked worktree the file of its root counts, also from a directory below.
#[tokio::test(flavor = "multi_thread")]
async fn a_worktrees_file_counts_in_the_directories_below() {
    let world = empty().await;
    let below = world.project().join("a/b");
    fs::create_dir_all(&below).unwrap();
    fs::write(world.project().join(".git"), "gitdir: /elsewhere\n").unwrap();
    world.configure(&standard());
    let below = below.to_string_lossy();
    let workflows = orch(&world, &["workflows", "--json", "--dir", &below]).await.json();
    let ids: Vec<_> = workflows.as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"three"), "{ids:?}");
}

/// `ui.debug` decides how much the log in the state directory says; only its owner may read it.
#[tokio::test(flavor = "multi_thread")]
async fn debug_makes_the_log_say_everything() {
    let log = async |debug: bool| {
        let world = world().await;
        let mut config = standard();
        config["ui"] = json!({ "debug": debug });
        world.configure(&config);
        let ran = world.orch(["run", "last", "a task", "--no-input"]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let file = world.path("state/orch.log");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::read_to_string(file).unwrap()
    };
    let (usual, everything) = (log(false).await, log(true).await);
    assert!(!usual.contains(" DEBUG ") && !usual.contains(" TRACE "), "{usual}");
    assert!(everything.contains(" DEBUG orch_workers"), "{everything}");
    assert!(everything.lines().count() > usual.lines().count());
    assert!(everything.lines().all(|line| line.contains(" orch")), "{everything}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_log_is_put_aside() {
    let world = world().await;
    fs::create_dir(world.path("state")).unwrap();
    const CAP: u64 = 8 * 1024 * 1024;
    let length = |name: &str| fs::metadata(world.path(name)).map_or(0, |metadata| metadata.len());
    for (before, aside) in [(CAP, 0), (CAP + 1, CAP + 1)] {
        fs::write(world.path("state/orch.log"), vec![b'x'; usize::try_from(before).unwrap()]).unwrap();
        assert_eq!(world.orch(["run", "last", "a task", "--no-input"]).await.code, Some(0));
        assert_eq!(length("state/orch.log.1"), aside);
        assert_eq!(length("state/orch.log") < CAP, aside > 0);
    }
}
