//! Files that go with a run: what reaches the model, and what is refused before a run exists.

use std::fs;

use nix::{sys::stat::Mode, unistd::mkfifo};
use orch::opencode::simulator::Script;
use serde_json::json;

use crate::world::World;

async fn world() -> World {
    World::new(Script::new().otherwise("done")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn corner_14_attachments_go_to_the_steps_that_need_no_other_step() {
    let world = world().await;
    let notes = world.project().join("notes.md");
    fs::write(&notes, "the secret word is heliotrope").unwrap();
    let twice = ["--attach", "notes.md", "--attach", notes.to_str().unwrap()];
    let ended = world.orch(["run", "two", "task", "--no-input"].into_iter().chain(twice)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let calls = world.simulator.model_prompts();
    let seen: Vec<_> = calls.iter().map(|call| call.text.matches("heliotrope").count()).collect();
    assert_eq!(seen, [2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_go_along_is_refused_and_no_run_is_made() {
    let world = world().await;
    let at = |name: &str| world.project().join(name);
    fs::write(at("program"), b"\x7fELF\x02\x01\x01\0").unwrap();
    fs::write(at("picture.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    fs::write(at("large.txt"), vec![b'x'; 4 * 1024 * 1024 + 1]).unwrap();
    for name in ["1.txt", "2.txt", "3.txt"] {
        fs::write(at(name), vec![b'x'; 3 * 1024 * 1024]).unwrap();
    }
    fs::create_dir(at("directory")).unwrap();
    mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
    // Two gigabytes that take no room on the disk: reading them would take far longer than the whole test may.
    fs::File::create(at("sparse.txt")).unwrap().set_len(2 << 30).unwrap();
    let table: [(&[&str], &str, &str); 8] = [
        (&["sparse.txt"], "orch::run::attachment-too-large", "2147483648 bytes"),
        (&["missing.md"], "orch::cli::attachment", "missing.md"),
        (&["directory"], "orch::cli::attachment", "no file"),
        (&["pipe"], "orch::cli::attachment", "no file"),
        (&["program"], "orch::run::attachment-type", "UTF-8 text"),
        (&["large.txt"], "orch::run::attachment-too-large", "4194305 bytes"),
        (&["1.txt", "2.txt", "3.txt"], "orch::run::attachment-too-large", "3 files"),
        (&["picture.png"], "orch::workers::no-images", "picture.png"),
    ];
    for (files, code, named) in table {
        let mut arguments = vec!["run", "two", "task", "--no-input", "--json"];
        arguments.extend(files.iter().flat_map(|file| ["--attach", *file]));
        let ended = world.orch(arguments).await;
        let error = &ended.json()["error"];
        assert_eq!((ended.code, error["code"].as_str()), (Some(2), Some(code)), "{ended:?}");
        assert!(error["message"].as_str().unwrap().contains(named), "{error}");
    }
    assert_eq!(world.prompts(), [""; 0]);
    assert_eq!(world.orch(["runs", "--json"]).await.json(), json!([]));
}
