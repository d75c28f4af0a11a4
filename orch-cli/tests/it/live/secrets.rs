//! The process table while a worker's shell is at work: who was started with a password or a token, and who must not know it.

use std::{fs, io::Write as _};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tokio::time::timeout;

use super::{live_binary, recursion::recursing, server::PASSWORD, tui::PATIENCE, world::World};
use crate::poll;

const VARIABLE: &str = "OPENCODE_SERVER_PASSWORD=";

/// What a worker's shell runs: it waits at a pipe until it was looked at.
fn waiting(kind: &str) -> String {
    format!("cat {kind}.pipe")
}

fn pipes(world: &World, kinds: &[&str]) {
    for kind in kinds {
        mkfifo(&world.project().join(format!("{kind}.pipe")), Mode::S_IRWXU).unwrap();
    }
}

/// Waits until the shell of this worker is at work, and tells what the processes of the world were started with.
async fn at_work(world: &World, kind: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let waits = |(words, _): &(Vec<String>, _)| words.join(" ").trim_end() == waiting(kind);
    let looked = poll::until(async || Some(world.started()).filter(|started| started.iter().any(waits)));
    timeout(PATIENCE, looked).await.expect("the shell comes to its pipe")
}

/// Lets the shell that waits go on.
fn let_go(world: &World, kind: &str) {
    let mut pipe =
        fs::OpenOptions::new().write(true).open(world.project().join(format!("{kind}.pipe"))).unwrap();
    pipe.write_all(b"seen").unwrap();
}

#[tokio::test]
async fn nobody_but_a_server_of_ours_is_started_with_its_password() {
    let Some(program) = live_binary() else { return };
    let kinds = ["agent", "server"];
    let (script, config) = recursing(&kinds, waiting);
    let world = World::without_server(&program, script, &config).await;
    pipes(&world, &kinds);
    let running = world.begin(&["run", "again", "a task"]);
    for kind in kinds {
        let started = at_work(&world, kind).await;
        let is_server = |words: &[String]| words.iter().any(|word| word == "serve");
        let mut passwords: Vec<_> = started
            .iter()
            .filter(|(words, _)| is_server(words))
            .flat_map(|(_, environment)| environment.iter().filter_map(|each| each.strip_prefix(VARIABLE)))
            .collect();
        passwords.sort_unstable();
        passwords.dedup();
        assert!(passwords.iter().all(|password| password.len() >= 32) && !passwords.is_empty(), "{kind}");
        let mut others = 0;
        for (words, environment) in &started {
            let knows =
                |texts: &[String]| texts.iter().any(|text| passwords.iter().any(|it| text.contains(it)));
            assert!(!knows(words), "{kind}: {words:?}");
            assert!(is_server(words) || !knows(environment), "{kind}: {words:?}");
            others += usize::from(!is_server(words));
        }
        assert!(others >= 2, "{kind}: the command and a shell, {started:#?}");
        let_go(&world, kind);
    }
    let (ended, _) = running.ended().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    world.stop().await;
}

/// Also who knows the token of the service, which the plugin has started: nobody is started with it.
#[tokio::test]
async fn the_shell_of_a_worker_on_a_host_with_the_plugin_is_not_started_with_a_secret() {
    let Some(program) = live_binary() else { return };
    let (script, config) = recursing(&["agent"], waiting);
    let world = World::without_server(&program, script, &config).await;
    pipes(&world, &["agent"]);
    let installed = world.orch(&["install", "--global"]).await;
    assert_eq!(installed.code, 0, "{installed:?}");
    let world = world.with_server().await;
    let running = world.begin(&["run", "again", "a task"]);
    let started = at_work(&world, "agent").await;
    let token = world.service()["token"].as_str().unwrap().to_owned();
    assert!(token.len() >= 32);
    let has = |texts: &[String], word: &str| texts.iter().any(|text| text.contains(word));
    let (mut shells, mut servers) = (0, 0);
    for (words, environment) in &started {
        assert!(!has(words, PASSWORD) && !has(words, &token) && !has(environment, &token), "{words:?}");
        // Who was given the password by the person: the host, the command, and the service that the host has started.
        let given = has(words, "serve") || words[0] == env!("CARGO_BIN_EXE_orch");
        assert!(given || !has(environment, PASSWORD), "{words:?}");
        servers += usize::from(given && has(environment, PASSWORD));
        shells += usize::from(!given);
    }
    assert!(shells >= 1 && servers >= 3, "{started:#?}");
    let_go(&world, "agent");
    let (ended, _) = running.ended().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    world.end_service().await;
    world.stop().await;
}
