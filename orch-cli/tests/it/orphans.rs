//! What a killed `orch` leaves running ends with the next command, whatever that is for.

use std::{fs, os::unix::fs::PermissionsExt as _};

use orch::opencode::simulator::Script;

use crate::poll;
use crate::world::{World, output, within};

/// Never gets as far as listening, and has a child of its own.
const PROGRAM: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo 1.18.33; exit; fi
/bin/sleep 600 & echo $! > "$HOME/tool.new"
/bin/mv "$HOME/tool.new" "$HOME/tool"
wait
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_swept_by_a_command_that_needs_no_server() {
    let world = World::new(Script::new()).await;
    let program = world.path("opencode");
    fs::write(&program, PROGRAM).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut owner = world
        .command(["run", "last", "a task", "--opencode", program.to_str().unwrap()])
        .env_remove("ORCH_SERVER")
        .spawn()
        .unwrap();
    let server = within("the record of the server", found(|| recorded(&world))).await;
    let tool = within("its child", found(|| fs::read_to_string(world.path("home/tool")).ok())).await;
    let pids = [server, tool.trim().parse().unwrap()];
    owner.kill().await.unwrap();
    assert!(pids.into_iter().all(alive), "they outlive an owner that is killed");

    // It is about another project, and needs no host.
    let elsewhere = world.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let listed = output(world.command(["runs"]).current_dir(elsewhere)).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");

    within("their end", found(|| (!pids.into_iter().any(alive)).then_some(()))).await;
    assert_eq!(recorded(&world), None);
}

async fn found<T>(look: impl Fn() -> Option<T>) -> T {
    poll::until(async || look()).await
}

/// The process id in the only record of a launched host.
fn recorded(world: &World) -> Option<u32> {
    let projects = fs::read_dir(world.path("state/projects")).ok()?;
    let records = projects.filter_map(|project| fs::read_dir(project.unwrap().path().join("processes")).ok());
    let mut records = records.flatten().map(|record| record.unwrap().path());
    let record = records.find(|record| record.extension().is_some_and(|it| it == "json"))?;
    record.file_stem()?.to_str()?.parse().ok()
}

/// A zombie has ended.
fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
}
