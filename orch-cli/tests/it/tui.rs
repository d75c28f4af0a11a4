//! `orch tui`: what it starts in a project that somebody else may have written. A script stands in for OpenCode.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use orch::opencode::simulator::Script;
use tokio::process::Command;

use crate::{terminal::Terminal, world::World};

/// A program of these lines of shell.
fn program(path: &Path, lines: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, lines).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs it in a terminal to its end; what it showed.
async fn shown(command: Command) -> String {
    let mut terminal = Terminal::start(command);
    terminal.ends().await;
    terminal.shown
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_interface_loads_nothing_of_a_project_that_is_not_trusted_and_says_so() {
    let world = World::new(Script::new()).await;
    let stand_in = world.path("bin/opencode");
    program(&stand_in, "#!/bin/sh\necho \"[$OPENCODE_DISABLE_PROJECT_CONFIG]\" > \"$HOME/seen\"\n");
    let told = "without the project's own OpenCode plugins, tools and configuration";
    let start = || shown(world.command(["tui", "--opencode", stand_in.to_str().unwrap()]));
    let seen = || fs::read_to_string(world.path("home/seen")).unwrap();

    let untrusted = start().await;
    assert!(untrusted.contains(told) && untrusted.contains("`orch trust`"), "{untrusted}");
    assert_eq!(seen(), "[1]\n");

    assert_eq!(world.orch(["trust", "--yes"]).await.code, Some(0));
    let trusted = start().await;
    assert!(!trusted.contains(told), "{trusted}");
    assert_eq!(seen(), "[]\n");
}

/// Also where the entry names a folder of the project's by a name that many have, and for what runs the program.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_the_project_is_not_found_by_a_relative_entry_of_the_path() {
    let world = World::new(Script::new()).await;
    for name in ["opencode", "runtime", "node_modules/.bin/opencode", "node_modules/.bin/runtime"] {
        program(&world.project().join(name), "#!/bin/sh\necho > \"$HOME/evil\"\n");
    }
    program(&world.path("bin/opencode"), "#!/usr/bin/env runtime\n");
    program(&world.path("bin/runtime"), "#!/bin/sh\necho > \"$HOME/own\"\n");
    let path = |rest: &Path| format!(":.:node_modules/.bin:{}", rest.display());
    let own = world.path("home/own");

    let mut found = world.command(["tui"]);
    found.env("PATH", path(&world.path("bin")));
    shown(found).await;
    assert!(own.exists());
    fs::remove_file(&own).unwrap();

    let project = world.project();
    let mut named = world.command(["tui", "--dir", project.to_str().unwrap(), "--opencode", "./opencode"]);
    named.env("PATH", path(&world.path("bin"))).current_dir(world.path("bin"));
    shown(named).await;
    assert!(own.exists(), "a path is one from where the person is");

    let mut missing = world.command(["run", "last", "a task", "--json"]);
    let missing = missing.env("PATH", path(&world.path("empty"))).env_remove("ORCH_SERVER");
    let missing = crate::world::output(missing).await;
    assert!(missing.stdout.contains("it is in no directory of PATH"), "{missing:?}");
    assert!(!world.path("home/evil").exists());
}
