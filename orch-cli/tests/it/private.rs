//! What is kept is for its owner alone, whatever the umask is and whatever was there before.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use nix::{sys::signal::Signal, unistd::geteuid};
use orch::opencode::simulator::Script;
use serde_json::json;
use tokio::process::Command;

use crate::{
    serve::client::Service,
    world::{Output, World, output},
};

/// The command as a shell starts it that lets everybody read and write what is made.
fn lax(command: &Command) -> Command {
    let told = command.as_std();
    let mut lax = Command::new("/bin/sh");
    lax.args(["-c", "umask 0; exec \"$0\" \"$@\""])
        .arg(told.get_program())
        .args(told.get_args())
        .current_dir(told.get_current_dir().unwrap())
        .env_clear()
        .envs(told.get_envs().filter_map(|(name, value)| Some((name, value?))));
    lax
}

async fn run(world: &World, arguments: &[&str]) -> Output {
    output(&mut lax(&world.command(arguments.iter().copied()))).await
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn may_give_away() -> bool {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can give a file to another user");
    }
    geteuid().is_root()
}

/// Every directory and file from here on.
fn tree(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
        next += 1;
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_kept_is_for_its_owner_alone_also_under_a_lax_umask() {
    let world = World::new(Script::new().otherwise("done")).await;
    world.configure(&json!({
        "profiles": [{ "id": "w", "kind": "agent" }, { "id": "own", "kind": "server" }],
        "workflows": { "definitions": [
            { "id": "last", "steps": [{ "id": "one", "workerId": "w", "prompt": "{task}" }] },
            { "id": "apart", "steps": [{ "id": "one", "workerId": "own", "prompt": "{task}" }] },
        ] },
    }));
    // As an earlier version, or a careless person, left it.
    let state = world.path("state");
    fs::create_dir_all(state.join("projects")).unwrap();
    fs::create_dir(state.join("trust")).unwrap();
    fs::write(state.join("orch.log"), "").unwrap();
    for (path, mode) in [("", 0o777), ("projects", 0o777), ("trust", 0o755), ("orch.log", 0o666)] {
        set(&state.join(path), mode);
    }
    // It says its version and does not listen: by then all is there that a server of ours needs.
    let stand_in = world.path("opencode");
    fs::write(&stand_in, "#!/bin/sh\n[ \"$1\" = --version ] && echo 1.18.33\n").unwrap();
    set(&stand_in, 0o755);

    assert_eq!(run(&world, &["run", "last", "a task", "--json"]).await.code, Some(0));
    assert_eq!(run(&world, &["trust", "--yes"]).await.code, Some(0));
    let opencode = stand_in.to_str().unwrap();
    let apart = run(&world, &["run", "apart", "a task", "--json", "--opencode", opencode]).await;
    assert_eq!(apart.code, Some(3), "{apart:?}");
    let served = run(&world, &["serve", "--detach", "--json", "--linger", "10m"]).await;
    assert_eq!(served.code, Some(0), "{served:?}");
    let service = Service::at(&served.json(), None);

    let found = tree(&state);
    for name in [
        "orch.log",
        "trust",
        "runs.db",
        "serve.json",
        "serve.lock",
        "serve.log",
        "servers",
        "lock",
        "orch-guard.js",
        "package.json",
        "records",
    ] {
        assert!(found.iter().any(|path| path.ends_with(name)), "{name} is not there: {found:#?}");
    }
    for path in found {
        let found = path.symlink_metadata().unwrap();
        let mode = found.permissions().mode() & 0o077;
        assert!(found.is_symlink() || mode == 0, "{} is open to others: {mode:o}", path.display());
    }

    service.signal(Signal::SIGTERM);
    service.gone().await;
}

/// Only root can give a directory away, so this shows it only there; that a user is told from another is shown beside
/// the rule.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_by_another_user_is_refused_with_its_place_and_the_way_out() {
    if !may_give_away() {
        return;
    }
    let world = World::new(Script::new().otherwise("done")).await;
    assert_eq!(world.orch(["run", "last", "a task", "--json"]).await.code, Some(0));
    let state = world.path("state");
    let store = tree(&state).into_iter().find(|path| path.ends_with("runs.db")).unwrap();
    let project = store.parent().unwrap();
    for given in [&state, &project.to_owned(), &store, &state.join("orch.log")] {
        chown(given, Some(12_345), None).unwrap();
        for arguments in
            [&["runs", "--json"][..], &["run", "last", "again", "--json"], &["serve", "--detach", "--json"]]
        {
            let refused = world.orch(arguments.iter().copied()).await;
            assert_eq!(
                refused.error(),
                "orch::state::not-yours",
                "{arguments:?} with {given:?}: {refused:?}"
            );
            let message = refused.json()["error"]["message"].to_string();
            assert!(
                message.contains(given.to_str().unwrap()) && message.contains("ORCH_STATE_DIR"),
                "{message}"
            );
        }
        chown(given, Some(0), None).unwrap();
    }
    chown(&state, Some(12_345), None).unwrap();
    let refused = world.orch(["trust", "--yes", "--json"]).await;
    assert_eq!(refused.error(), "orch::state::not-yours", "{refused:?}");
    assert_eq!(world.prompts().len(), 1);
}
