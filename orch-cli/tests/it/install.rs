//! The plugin in OpenCode's settings: put there, taken out again to the byte.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path};

use orch::{opencode::simulator::Script, ux::plugin::FILES};
use serde_json::{Value, json};

use crate::world::World;

async fn world() -> World {
    World::new(Script::new()).await
}

/// Every file below a folder, by its path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let Ok(entries) = fs::read_dir(next) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// The settings as a reader sees them: comments and trailing commas do not count.
fn named(text: &[u8]) -> Value {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    let text = lines.collect::<String>().replace(' ', "").replace(",}", "}").replace(",]", "]");
    serde_json::from_str::<Value>(&text).unwrap()["plugin"].take()
}

const BEFORE: &[(&str, &str)] = &[
    ("nothing is there", ""),
    ("empty", "{}"),
    ("commented", "{\n  // mine\n  \"theme\": \"dark\"\n}\n"),
    ("windows", "{\r\n  \"plugin\": [\"other\"],\r\n  \"theme\": \"dark\",\r\n}\r\n"),
    ("tabs", "{\n\t\"plugin\": [\n\t\t\"one\",\n\t\t[\"two\", {\"a\": 1}]\n\t]\n}"),
    ("cramped", "{\"plugin\":[],\"theme\":\"dark\"}"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_installed_is_taken_out_to_the_byte() {
    for (case, settings) in BEFORE {
        let world = world().await;
        let folder = world.project().join(".opencode");
        if !settings.is_empty() {
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("opencode.json"), settings).unwrap();
            fs::write(folder.join("tui.json"), settings).unwrap();
        }
        let before = files(&world.project());

        let installed = world.orch(["install", "--key", "gate=f4,<leader>g", "--json"]).await;
        assert_eq!(installed.code, Some(0), "{case}: {installed:?}");
        let there = files(&folder);
        for asset in FILES {
            assert_eq!(there[&format!("orch/{}", asset.path)], asset.text.as_bytes(), "{case}");
        }
        for name in ["opencode.json", "tui.json"] {
            let plugins = named(&there[name]);
            let own: Vec<_> =
                plugins.as_array().unwrap().iter().filter(|entry| entry[0] == "./orch").collect();
            assert_eq!(own.len(), 1, "{case}: {plugins}");
            assert_eq!(own[0][1]["keys"], json!({ "gate": "f4,<leader>g" }), "{case}");
        }

        let again = world.orch(["install", "--key", "gate=f4,<leader>g", "--json"]).await;
        assert_eq!(again.json()["written"], json!([]), "{case}: twice is once");
        assert_eq!(files(&folder), there, "{case}");

        let gone = world.orch(["uninstall", "--json"]).await;
        assert_eq!(gone.code, Some(0), "{case}: {gone:?}");
        assert_eq!(files(&world.project()), before, "{case}");
        assert_eq!(folder.exists(), !settings.is_empty(), "{case}");
        assert_eq!(world.orch(["uninstall", "--json"]).await.json()["changed"], json!([]), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_settings_that_were_changed_since_only_the_entry_is_taken() {
    let world = world().await;
    let tui = world.project().join(".opencode/tui.json");
    world.orch(["install"]).await;
    let changed = fs::read_to_string(&tui).unwrap().replacen('{', "{\n  // new\n  \"theme\": \"light\",", 1);
    fs::write(&tui, changed).unwrap();

    assert_eq!(world.orch(["install", "--key", "talk=f6"]).await.code, Some(0));
    assert!(fs::read_to_string(&tui).unwrap().contains("\"talk\": \"f6\""));
    assert_eq!(world.orch(["uninstall"]).await.code, Some(0));
    let left = fs::read_to_string(&tui).unwrap();
    assert!(left.contains("// new") && left.contains("\"light\"") && !left.contains("./orch"), "{left}");
    assert!(!world.project().join(".opencode/orch").exists());
    assert!(!world.project().join(".opencode/opencode.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_understood_is_refused_and_nothing_is_written() {
    let world = world().await;
    let folder = world.project().join(".opencode");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("tui.json"), "{\n  \"theme\": \n}").unwrap();
    let before = files(&folder);
    let refused = world.orch(["install", "--json"]).await;
    assert_eq!((refused.code, refused.error().as_str()), (Some(2), "orch::install::settings"));
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("line 3"), "{refused:?}");
    assert_eq!(files(&folder), before);

    let examined = world.orch(["doctor", "--json"]).await.json();
    let plugin = examined["checks"].as_array().unwrap().iter().find(|check| check["name"] == "plugin");
    assert_eq!(plugin.unwrap()["ok"], false, "OpenCode would ignore the file without a word");

    for (key, expected) in [
        ("gate", "NAME=KEY"),
        ("frob=f4", "no command"),
        ("gate=a b", "no key"),
        ("gate=ctlr+g", "no modifier"),
    ] {
        let refused = world.orch(["install", "--key", key, "--json"]).await;
        assert_eq!(refused.code, Some(2), "{key}");
        assert!(refused.stdout.contains(expected), "{key}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_points_elsewhere_is_not_followed() {
    let world = world().await;
    let (folder, elsewhere) = (world.project().join(".opencode"), world.path("home").join("precious"));
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, folder.join("orch")).unwrap();
    for command in ["install", "uninstall"] {
        let refused = world.orch([command, "--json"]).await;
        assert_eq!(refused.error(), "orch::install::not-a-folder", "{refused:?}");
    }
    assert!(files(&elsewhere).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_settings_are_for_all_projects_and_doctor_knows_them() {
    let world = world().await;
    let standing = |examined: &crate::world::Output| {
        let checks = examined.json()["checks"].take();
        let plugin =
            checks.as_array().unwrap().iter().find(|check| check["name"] == "plugin").unwrap().clone();
        (plugin["ok"].as_bool().unwrap(), plugin["message"].as_str().unwrap().to_owned())
    };
    let (ok, message) = standing(&world.orch(["doctor", "--json"]).await);
    assert!(ok && message.contains("orch install"), "{message}");

    assert_eq!(world.orch(["install", "--global"]).await.code, Some(0));
    let plugin = world.path("home").join(".config/opencode/orch");
    let (ok, message) = standing(&world.orch(["doctor", "--json"]).await);
    assert!(ok && message.contains(&*plugin.to_string_lossy()), "{message}");
    assert!(!world.project().join(".opencode").exists());

    assert_eq!(world.orch(["install"]).await.code, Some(0));
    let twice = world.orch(["doctor"]).await;
    assert!(twice.stdout.contains("installed twice"), "{twice:?}");
    assert_eq!(world.orch(["uninstall"]).await.code, Some(0));
    let once = world.orch(["doctor"]).await;
    assert!(!once.stdout.contains("installed twice"), "{once:?}");

    fs::write(plugin.join("tui.js"), "// another version").unwrap();
    let (ok, message) = standing(&world.orch(["doctor", "--json"]).await);
    assert!(!ok && message.contains("another version"), "{message}");
    assert_eq!(world.orch(["uninstall", "--global"]).await.code, Some(0));
    assert!(!plugin.exists());
}

/// Somebody's own file beside the plugin's is no part of it.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_written_is_removed() {
    let world = world().await;
    world.orch(["install"]).await;
    let note = world.project().join(".opencode/orch/tui/notes.md");
    fs::write(&note, "mine").unwrap();
    assert_eq!(world.orch(["uninstall"]).await.code, Some(0));
    assert_eq!(fs::read_to_string(&note).unwrap(), "mine");
}

/// What a clone brings along, by what is there and what it leads to. A name below `outside` is one of a folder that is not
/// the project's.
const LINKS: &[(&str, &str, &str)] = &[
    (".opencode", "outside", "orch::cli::link"),
    (".opencode/orch", "outside", "orch::install::not-a-folder"),
    (".opencode/orch/tui", "outside", "orch::install::not-a-folder"),
    (".opencode/orch/server.js", "outside/precious", "orch::install::not-a-file"),
    (".opencode/orch/server.js", "outside/not-there", "orch::install::not-a-file"),
    (".opencode/orch/server.js", "project/orchestrator.json", "orch::install::not-a-file"),
    (".opencode/orch/tui/sidebar.js", "outside/precious", "orch::install::not-a-file"),
    (".opencode/orch/installed.json", "outside/settings.json", "orch::install::not-a-file"),
    (".opencode/opencode.json", "outside/settings.json", "orch::cli::link"),
    (".opencode/opencode.json", "outside/not-there", "orch::cli::link"),
    (".opencode/tui.jsonc", "outside/settings.json", "orch::cli::link"),
    (".opencode/opencode.json", "/dev/zero", "orch::cli::link"),
    (".opencode/opencode.json", "a pipe", "orch::cli::io"),
    (".opencode/orch/installed.json", "a pipe", "orch::install::not-a-file"),
    (".opencode/opencode.json", "too much", "orch::cli::io"),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_or_read_through_a_link_of_the_project() {
    for (name, leads_to, code) in LINKS {
        let world = world().await;
        let outside = world.path("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "mine alone").unwrap();
        fs::write(outside.join("settings.json"), r#"{ "key": "mine alone" }"#).unwrap();
        let place = world.project().join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        match *leads_to {
            "a pipe" => assert!(std::process::Command::new("mkfifo").arg(&place).status().unwrap().success()),
            "too much" => fs::write(&place, vec![b' '; 1024 * 1024 + 1]).unwrap(),
            target => symlink(world.path("").join(target), &place).unwrap(),
        }
        let elsewhere = files(&outside);
        for command in ["install", "uninstall"] {
            let refused = world.orch([command, "--json"]).await;
            assert_eq!(refused.error(), *code, "{command} with {name} -> {leads_to}: {refused:?}");
            assert!(!refused.stdout.contains("mine alone"), "{refused:?}");
            assert_eq!(files(&outside), elsewhere, "{command} with {name} -> {leads_to}");
            let file = &world.project().join("orchestrator.json");
            assert!(fs::read_to_string(file).unwrap().contains("definitions"), "{command}: {name}");
        }
        let examined = world.orch(["doctor", "--json"]).await;
        assert!(!examined.stdout.contains("mine alone"), "{examined:?}");
    }
}

/// What a receipt says is about the settings beside it, whatever it says.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_a_project_brings_along_reaches_nothing_else() {
    let world = world().await;
    let (own, outside) = (world.project().join(".opencode/orch"), world.path("home").join("precious"));
    fs::create_dir_all(&own).unwrap();
    fs::write(&outside, "mine alone").unwrap();
    fs::write(own.join("../opencode.json"), "{}").unwrap();
    let change = |before: Value, after: &str| json!({ "before": before, "after": after });
    let receipt = json!({ "files": {
        outside.to_str().unwrap(): change(Value::Null, "mine alone"),
        "../../../home/precious": change(json!("theirs"), "mine alone"),
        "opencode.json": change(Value::Null, "{}"),
    } });
    fs::write(own.join("installed.json"), receipt.to_string()).unwrap();
    assert_eq!(world.orch(["uninstall"]).await.code, Some(0));
    assert_eq!(fs::read_to_string(outside).unwrap(), "mine alone");
    assert!(!world.project().join(".opencode").exists(), "what it says of its own settings is done");
}

/// Settings that are kept elsewhere, as many keep theirs, and for all projects of a repository.
#[tokio::test(flavor = "multi_thread")]
async fn links_that_stay_within_and_those_of_a_person_are_followed_and_stay_links() {
    let world = world().await;
    let (dotfiles, project) = (world.path("home").join("dotfiles"), world.project());
    for folder in [&dotfiles, &world.path("home").join(".config"), &project.join(".opencode")] {
        fs::create_dir(folder).unwrap();
    }
    let links = [
        (dotfiles.clone(), world.path("home").join(".config/opencode")),
        (world.path("home").join("settings.json"), dotfiles.join("opencode.json")),
        ("../shared.json".into(), project.join(".opencode/opencode.json")),
    ];
    for (target, link) in &links {
        symlink(target, link).unwrap();
    }
    let shared = [world.path("home").join("settings.json"), project.join("shared.json")];
    for (file, arguments) in shared.iter().zip([&["--global"][..], &[]]) {
        fs::write(file, r#"{ "theme": "dark" }"#).unwrap();
        let done = world.orch(["install"].iter().chain(arguments).copied()).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(fs::read_to_string(file).unwrap().contains("./orch"));
        let gone = world.orch(["uninstall"].iter().chain(arguments).copied()).await;
        assert_eq!(gone.code, Some(0), "{gone:?}");
        assert_eq!(fs::read_to_string(file).unwrap(), r#"{ "theme": "dark" }"#);
    }
    for (target, link) in &links {
        assert_eq!(fs::read_link(link).unwrap(), *target);
    }
}

/// One bad value, and the interface goes without the whole file, the plugin in it included.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_a_value_that_makes_the_interface_ignore_its_settings() {
    let world = world().await;
    let check = |examined: &crate::world::Output| {
        let checks = examined.json()["checks"].take();
        let found =
            checks.as_array().unwrap().iter().find(|check| check["name"] == "tui.json").unwrap().clone();
        (found["ok"].as_bool().unwrap(), found["message"].as_str().unwrap().to_owned())
    };
    assert_eq!(check(&world.orch(["doctor", "--json"]).await), (true, "there is none".to_owned()));
    let own = world.path("home").join(".config/opencode");
    let of_project = world.project().join(".opencode");
    fs::create_dir_all(&own).unwrap();
    fs::create_dir(&of_project).unwrap();
    let places = [
        world.project().join("tui.json"),
        world.project().join("tui.jsonc"),
        of_project.join("tui.json"),
        of_project.join("tui.jsonc"),
        own.join("tui.json"),
        own.join("tui.jsonc"),
    ];
    let rows = [
        ("{\n  // mine\n  \"theme\": 5\n}\n", "`theme` has to be a text on line 3 column 12"),
        (r#"{"keybinds": {"leader": 5}}"#, "`keybinds.leader` has to be a key"),
        (r#"{"plugin": "./orch"}"#, "`plugin` has to be a list"),
    ];
    for (place, (text, told)) in places.iter().zip(rows.iter().cycle()) {
        fs::write(place, text).unwrap();
        let examined = world.orch(["doctor", "--json"]).await;
        let (ok, message) = check(&examined);
        assert!(!ok && message.contains(told), "{text}: {message}");
        assert!(message.contains(&*place.to_string_lossy()), "{}: {message}", place.display());
        fs::write(place, r#"{"theme": "opencode"}"#).unwrap();
        let (ok, message) = check(&world.orch(["doctor", "--json"]).await);
        assert!(ok && message.contains(&*place.to_string_lossy()), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn install_refuses_beside_an_invalid_value() {
    let world = world().await;
    let tui = world.project().join(".opencode/tui.json");
    fs::create_dir(tui.parent().unwrap()).unwrap();
    let rows = [
        ("{\n  \"theme\": 5\n}", "`theme` has to be a text on line 2 column 12"),
        ("{\"keybinds\": {\"leader\": [\"f9\", 5]}}", "`keybinds.leader[1]` has to be a key on line 1"),
        ("{\"plugin\": [5]}", "`plugin[0]` has to be a name"),
        ("{theme: \"dark\"}", "on line 1"),
    ];
    for (text, told) in rows {
        fs::write(&tui, text).unwrap();
        let refused = world.orch(["install", "--json"]).await;
        assert_eq!((refused.code, refused.error().as_str()), (Some(2), "orch::install::settings"), "{text}");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(told), "{text}: {refused:?}");
        assert_eq!(fs::read_to_string(&tui).unwrap(), text);
        assert_eq!(files(&world.project().join(".opencode")).len(), 1, "{text}: nothing was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_there_stays_and_one_that_was_made_goes() {
    for was_there in [true, false] {
        let world = world().await;
        let folder = world.project().join(".opencode");
        if was_there {
            fs::create_dir(&folder).unwrap();
        }
        for command in ["install", "install", "uninstall"] {
            assert_eq!(world.orch([command]).await.code, Some(0), "{command}");
        }
        assert_eq!(folder.exists(), was_there);
    }
    for was_there in [true, false] {
        let world = world().await;
        let folder = world.path("home").join(".config/opencode");
        if was_there {
            fs::create_dir_all(&folder).unwrap();
        }
        assert_eq!(world.orch(["install", "--global"]).await.code, Some(0));
        assert_eq!(world.orch(["uninstall", "--global"]).await.code, Some(0));
        assert_eq!(folder.exists(), was_there);
    }
}
