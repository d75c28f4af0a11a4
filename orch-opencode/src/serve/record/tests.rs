//! What a sweep may signal, and what it must not.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use super::*;

fn sleeper() -> Child {
    Command::new("sleep").arg("60").spawn().unwrap()
}

fn rewrite(directory: &Path, pid: u32, change: impl FnOnce(&mut Started)) {
    let path = directory.join(format!("{pid}.json"));
    let mut started: Started = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut started);
    fs::write(&path, serde_json::to_vec(&started).unwrap()).unwrap();
}

#[test]
fn only_a_server_without_its_owner_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let (mut owned, mut orphan, mut reused, mut earlier) = (sleeper(), sleeper(), sleeper(), sleeper());
    let records = [&owned, &orphan, &reused, &earlier]
        .map(|child| Record::write(directory.path(), child.id(), "").unwrap());
    let nobody = |started: &mut Started| started.owner.started = "never".to_owned();
    rewrite(directory.path(), orphan.id(), nobody);
    rewrite(directory.path(), reused.id(), |started| {
        nobody(started);
        started.server.started = "never".to_owned();
    });
    rewrite(directory.path(), earlier.id(), |started| {
        nobody(started);
        started.boot = "another".to_owned();
    });
    fs::write(directory.path().join("7.json"), "not a record").unwrap();

    let swept = sweep(directory.path()).unwrap();

    assert_eq!(swept, Swept { ended: vec![orphan.id()], stale: 2, survivors: vec![] });
    assert!(!orphan.wait().unwrap().success());
    for child in [&mut owned, &mut reused, &mut earlier] {
        assert!(child.try_wait().unwrap().is_none(), "a process that is not ours to end was ended");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(records);
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["7.json"]);
}

/// The server is gone, and with it everything that led to the tool but its mark.
#[cfg(target_os = "linux")]
#[test]
fn what_a_dead_server_left_behind_is_found_by_its_mark() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = sleeper();
    let mark = format!("mark-{}", crate::id::random());
    let record = Record::write(directory.path(), server.id(), &mark).unwrap();
    let mut tool = Command::new("sleep").arg("60").env(process::MARK_VARIABLE, &mark).spawn().unwrap();
    let mut stranger =
        Command::new("sleep").arg("60").env(process::MARK_VARIABLE, "another").spawn().unwrap();
    rewrite(directory.path(), server.id(), |started| started.owner.started = "never".to_owned());
    server.kill().unwrap();
    server.wait().unwrap();

    let swept = sweep(directory.path()).unwrap();

    assert_eq!(swept, Swept { ended: vec![], stale: 1, survivors: vec![tool.id()] });
    assert!(!tool.wait().unwrap().success());
    assert!(stranger.try_wait().unwrap().is_none(), "a process with another mark was ended");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    drop(record);
}

/// Between the death of a server and the moment when its owner has noticed, the owner may die as well.
#[cfg(target_os = "linux")]
#[test]
fn the_mark_of_a_dead_server_is_kept_for_as_long_as_its_owner_lives() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = sleeper();
    let mark = format!("mark-{}", crate::id::random());
    let record = Record::write(directory.path(), server.id(), &mark).unwrap();
    let mut tool = Command::new("sleep").arg("60").env(process::MARK_VARIABLE, &mark).spawn().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(sweep(directory.path()).unwrap(), Swept::default());
    assert!(tool.try_wait().unwrap().is_none(), "its owner ends it");

    rewrite(directory.path(), server.id(), |started| started.owner.started = "never".to_owned());
    assert_eq!(sweep(directory.path()).unwrap().survivors, [tool.id()]);
    assert!(!tool.wait().unwrap().success());
    drop(record);
}

#[test]
fn a_record_of_another_container_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = sleeper();
    let record = Record::write(directory.path(), server.id(), "").unwrap();
    rewrite(directory.path(), server.id(), |started| {
        started.namespace = "another".to_owned();
        started.owner.started = "never".to_owned();
    });
    assert_eq!(sweep(directory.path()).unwrap(), Swept::default());
    assert!(server.try_wait().unwrap().is_none());
    server.kill().unwrap();
    server.wait().unwrap();
    drop(record);
}

#[test]
fn nothing_recorded_is_nothing_to_do() {
    assert_eq!(sweep(Path::new("/nowhere/at/all")).unwrap(), Swept::default());
}

/// Fault: somebody else's server, with the same name and arguments, one of them even under a process id that a record of
/// ours names. Names mean nothing, and an id means nothing without its start.
#[test]
fn a_decoy_that_looks_like_a_server_is_never_signalled() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("opencode");
    fs::write(&program, "#!/bin/sh\nread line\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let decoy = || {
        let mut serve = Command::new(&program);
        serve.args(["serve", "--hostname", "127.0.0.1", "--port", "4096"]).stdin(Stdio::piped());
        serve.spawn().unwrap()
    };
    let (mut unknown, mut reused, mut orphan) = (decoy(), decoy(), decoy());
    let records = directory.path().join("records");
    let written = [&reused, &orphan].map(|child| Record::write(&records, child.id(), "").unwrap());
    for child in [&reused, &orphan] {
        rewrite(&records, child.id(), |started| started.owner.started = "never".to_owned());
    }
    rewrite(&records, reused.id(), |started| started.server.started = "long ago".to_owned());

    let swept = sweep(&records).unwrap();

    assert_eq!(swept, Swept { ended: vec![orphan.id()], stale: 1, survivors: vec![] });
    assert!(!orphan.wait().unwrap().success());
    for child in [&mut unknown, &mut reused] {
        assert!(child.try_wait().unwrap().is_none(), "a process that is not ours to end was ended");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(written);
}

/// Set for the test below when it runs again as the first process of a namespace.
#[cfg(target_os = "linux")]
const AS_FIRST: &str = "ORCH_TEST_AS_FIRST_PROCESS";

/// In a container orch may be process 1. It is then the parent of every orphan and the ancestor of everything, which
/// makes nothing of it an orphan's, and a record that names process 1 is about nobody.
#[cfg(target_os = "linux")]
#[test]
fn as_the_first_process_of_a_container_only_the_orphan_is_ended() {
    if std::env::var_os(AS_FIRST).is_some() {
        return as_first_process();
    }
    let inside = |program: &mut Command| program.env(AS_FIRST, "1").output().unwrap();
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    let permitted = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "a namespace of process ids can be had wherever CI runs");
        eprintln!("SKIPPED: a namespace of process ids needs `unshare` and the right to use it");
        return;
    }
    let name = "serve::record::tests::as_the_first_process_of_a_container_only_the_orphan_is_ended";
    let ran = inside(unshare.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]));
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{ran:?}");
}

#[cfg(target_os = "linux")]
fn as_first_process() {
    assert_eq!(std::process::id(), 1);
    let directory = tempfile::tempdir().unwrap();
    let (mut owned, mut orphan, mut bystander) = (sleeper(), sleeper(), sleeper());
    let records = [&owned, &orphan].map(|child| Record::write(directory.path(), child.id(), "").unwrap());
    let nobody = |started: &mut Started| started.owner.started = "never".to_owned();
    rewrite(directory.path(), orphan.id(), nobody);
    let ourselves = Record::write(directory.path(), 1, "").unwrap();
    rewrite(directory.path(), 1, nobody);
    // What a container of an earlier time left: the same numbers, another space.
    let elsewhere = Record::write(directory.path(), bystander.id(), "").unwrap();
    rewrite(directory.path(), bystander.id(), |started| {
        nobody(started);
        started.namespace = "pid:[1]".to_owned();
    });

    let swept = sweep(directory.path()).unwrap();

    assert_eq!(swept, Swept { ended: vec![orphan.id()], stale: 1, survivors: vec![] });
    assert!(!orphan.wait().unwrap().success());
    for child in [&mut owned, &mut bystander] {
        assert!(child.try_wait().unwrap().is_none(), "a process that is not ours to end was ended");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop((records, ourselves, elsewhere));
}
