//! Files as they are found on disk.

use std::{
    ffi::OsString,
    fs,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
    process::Command,
};

use orch_config::{LoadOptions, Trust, load, load::MAX_BYTES};

use crate::support::{Project, lines, problems};

const PLACES: [&str; 4] = [
    "tree/sub/.opencode/orchestrator.json",
    "tree/.opencode/orchestrator.json",
    "tree/sub/orchestrator.json",
    "tree/orchestrator.json",
];

/// The first of the four places that has a file is the project's; the others are reported.
#[test]
fn the_first_project_file_counts_and_the_others_are_reported() {
    for first in 0..PLACES.len() {
        let mut project = Project::new();
        for (port, place) in PLACES.iter().enumerate().skip(first) {
            project = project.file(place, format!("{{\"basePort\": {}}}", port + 1));
        }
        project.options.directory = project.path("tree/sub");
        project.options.worktree = Some(project.path("tree"));
        let loaded = project.load().unwrap();
        assert_eq!(usize::from(loaded.config.base_port), first + 1);
        let ignored: Vec<_> = loaded.warnings.iter().filter_map(|warning| warning.file.clone()).collect();
        let expected: Vec<_> = PLACES.iter().skip(first + 1).map(|place| project.path(place)).collect();
        assert_eq!(ignored, expected);
        assert!(loaded.warnings.iter().all(|warning| warning.code == "orch::config::second-file"));
    }
}

#[test]
fn the_environment_says_where_the_persons_file_is() {
    type Variables = &'static [(&'static str, &'static str)];
    let cases: [(Variables, Option<&str>); 5] = [
        (&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")], Some("/x/opencode/orchestrator.json")),
        (&[("HOME", "/h")], Some("/h/.config/opencode/orchestrator.json")),
        (&[("XDG_CONFIG_HOME", ""), ("HOME", "/h")], Some("/h/.config/opencode/orchestrator.json")),
        (&[("XDG_CONFIG_HOME", "relative"), ("HOME", "/h")], Some("/h/.config/opencode/orchestrator.json")),
        (&[], None),
    ];
    for (variables, expected) in cases {
        let env = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        let options = LoadOptions::discover("/nowhere", env);
        assert_eq!(options.global_file.as_deref(), expected.map(std::path::Path::new), "{variables:?}");
    }
}

/// In a linked worktree `.git` is a file.
#[test]
fn the_worktree_is_the_nearest_directory_with_a_git_entry() {
    let project = Project::new()
        .file("repo/.git/HEAD", "")
        .file("repo/linked/.git", "gitdir: x")
        .file("repo/linked/a/b", "");
    let worktree = |directory: &str| LoadOptions::discover(project.path(directory), |_| None).worktree;
    assert_eq!(worktree("repo/linked/a"), Some(project.path("repo/linked")));
    assert_eq!(worktree("repo"), Some(project.path("repo")));
}

/// In OpenCode's own configuration directory the person's file is not also the project's, which is not trusted.
#[test]
fn the_persons_own_file_is_not_read_twice() {
    let mut project = Project::new().global(r#"{"profiles": [{"id": "w", "env": {"A": "b"}}]}"#);
    project.options.directory = project.path("config/opencode");
    assert_eq!(project.load().unwrap().files.len(), 1);
}

#[test]
fn encodings() {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| "{}".encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (b"\xef\xbb\xbf{\"basePort\": 9}".to_vec(), &[]),
        (b"\xef\xbb\xbf{\"basePort\": 0}".to_vec(), &["1:14 error out-of-range $.basePort"]),
        ([b"\xff\xfe".to_vec(), utf16(u16::to_le_bytes)].concat(), &["1:1 error not-utf8 -"]),
        ([b"\xfe\xff".to_vec(), utf16(u16::to_be_bytes)].concat(), &["1:1 error not-utf8 -"]),
        (utf16(u16::to_le_bytes), &["1:1 error not-utf8 -"]),
        (b"{\n\"x\": \"\xff\"}".to_vec(), &["2:7 error not-utf8 -"]),
        ([b"{}".to_vec(), vec![b' '; MAX_BYTES]].concat(), &["- error too-large -"]),
        ([b"{}".to_vec(), vec![b' '; MAX_BYTES - 2]].concat(), &[]),
    ];
    for (bytes, expected) in cases {
        let result = Project::new().file("project/orchestrator.json", &bytes).load();
        let found = match &result {
            Ok(loaded) => lines(&loaded.warnings),
            Err(error) => lines(&error.diagnostics),
        };
        assert_eq!(found, expected, "{:?}", bytes.iter().take(20).collect::<Vec<_>>());
    }
}

#[test]
fn depth_is_bounded_and_brackets_in_strings_do_not_count() {
    let nested = |depth: usize| format!("{{\"x\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(problems(&nested(127)), ["1:2 warning unknown-key $.x"]);
    assert_eq!(problems(&nested(128)), ["1:134 error too-deep -"]);
    assert_eq!(problems(&nested(100_000)), ["1:134 error too-deep -"]);
    let text =
        format!("{{ // {}\n\"x\": \"\\\"{}\" /* {} */ }}", "[".repeat(200), "[".repeat(200), "{".repeat(200));
    assert_eq!(problems(&text), ["2:1 warning unknown-key $.x"]);
}

#[test]
fn a_directory_in_place_of_a_file_is_an_error() {
    let project = Project::new().file("project/orchestrator.json/x", "");
    assert_eq!(project.refused(), ["- error unreadable -"]);
}

/// Opening a pipe would wait for a writer for ever.
#[test]
fn what_is_no_regular_file_is_an_error_and_is_not_opened() {
    let project = Project::new();
    let place = project.path("project/orchestrator.json");
    assert!(Command::new("mkfifo").arg(&place).status().unwrap().success());
    assert_eq!(project.refused(), ["- error unreadable -"]);
    assert!(project.load().expect_err("a pipe").to_string().contains("not a regular file"));
    fs::remove_file(&place).unwrap();
    let _listener = UnixListener::bind(&place).unwrap();
    assert_eq!(project.refused(), ["- error unreadable -"]);
    fs::remove_file(&place).unwrap();
    symlink("/dev/zero", &place).unwrap();
    assert_eq!(project.refused(), ["- error untrusted -"]);
    assert_eq!(project.trusted().refused(), ["- error unreadable -"]);
}

/// A file that is there and cannot be read is never taken for one that is not there.
#[test]
fn what_cannot_be_reached_is_an_error() {
    let project = Project::new();
    let place = project.path("project/orchestrator.json");
    symlink("orchestrator.json", &place).unwrap();
    assert_eq!(project.refused(), ["- error unreadable -"]);
    fs::remove_file(&place).unwrap();
    fs::write(&place, "{}").unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o000)).unwrap();
    // Nothing is unreadable to root.
    if fs::read(&place).is_err() {
        assert_eq!(project.refused(), ["- error unreadable -"]);
    }
    let folder = Project::new().file("project/.opencode", "a file in place of the folder");
    assert!(folder.load().unwrap().files.is_empty());
}

/// The same for the person's file: it is read before the project's, and both are reported.
#[test]
fn both_files_are_reported_at_once() {
    let project = Project::new().global("{\n\"basePort\": \"x\"}").project("[]");
    let error = project.load().expect_err("both are wrong");
    let files: Vec<_> = error.diagnostics.iter().filter_map(|found| found.file.clone()).collect();
    let expected = ["config/opencode/orchestrator.json", "project/.opencode/orchestrator.json"];
    assert_eq!(files, expected.map(|name| project.path(name)));
}

#[test]
fn links_within_a_project_are_followed_and_dangling_ones_are_errors() {
    let mut project =
        Project::new().file("project/shared/own.json", r#"{"basePort": 7}"#).file("project/sub/x", "");
    project.options.worktree = Some(project.path("project"));
    project.options.directory = project.path("project/sub");
    let place = project.path("project/sub/orchestrator.json");
    symlink("../shared/own.json", &place).unwrap();
    assert_eq!(project.load().unwrap().config.base_port, 7);
    fs::remove_file(project.path("project/shared/own.json")).unwrap();
    assert_eq!(project.refused(), ["- error unreadable -"]);
    assert!(project.load().expect_err("dangling").to_string().contains("a link that leads nowhere"));
}

/// A clone could have what is told of it show any file: every problem comes with the line that it is in.
#[test]
fn a_file_outside_is_not_read_through_a_link_of_a_project_that_is_not_trusted() {
    for (link, target) in [
        ("project/.opencode/orchestrator.json", "home/auth.json"),
        ("project/orchestrator.json", "home/auth.json"),
        ("project/orchestrator.json", "home/not-there.json"),
        ("project/.opencode", "home"),
    ] {
        let text = "{\n\"basePort\": 7,\n\"anthropic\": {\"key\": \"canary\"}\n}";
        let mut project = Project::new().file("home/auth.json", text).file("home/orchestrator.json", text);
        let place = project.path(link);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(project.path(target), &place).unwrap();
        assert_eq!(project.refused(), ["- error untrusted -"], "{link} -> {target}");
        let error = project.load().expect_err("it is not trusted");
        assert!(error.is_about_trust_alone() && error.files.is_empty());
        assert!(!format!("{error:?} {error}").contains("canary"));
        let read = load::read_below(&project.path("project"), &place.join("orchestrator.json"));
        let read = read.or_else(|_| load::read_below(&project.path("project"), &place));
        assert!(read.is_err(), "{link} -> {target}");

        if target.contains("not-there") {
            continue;
        }
        project.options.trust = Trust::Trusted;
        assert_eq!(project.load().unwrap().config.base_port, 7, "{link}");
        project.options.trust = Trust::Untrusted;
        let grant = format!("{{\"trust\": [{:?}]}}", project.path("").to_str().unwrap());
        assert_eq!(project.global(&grant).load().unwrap().config.base_port, 7, "{link}");
    }
}

/// What the person's own file leads to is theirs.
#[test]
fn the_persons_own_file_may_be_a_link() {
    let project =
        Project::new().file("dotfiles/own.json", r#"{"basePort": 7}"#).file("config/opencode/x", "");
    symlink(project.path("dotfiles/own.json"), project.path("config/opencode/orchestrator.json")).unwrap();
    assert_eq!(project.load().unwrap().config.base_port, 7);
}

#[test]
fn no_file_at_all_is_the_built_in_configuration() {
    let loaded = Project::new().load().unwrap();
    assert_eq!((loaded.config, loaded.files.len()), (orch_config::Config::builtin(), 0));
}

#[test]
fn a_file_that_is_named_must_exist() {
    let project = Project::new();
    let error = load(&LoadOptions::only(project.path("missing.json"))).expect_err("no such file");
    assert!(error.to_string().contains("there is no such file"), "{error}");
    assert_eq!(lines(&error.diagnostics), ["- error unreadable -"]);
}

#[test]
fn strict_makes_errors_of_warnings() {
    let mut project = Project::new().project(r#"{"colour": 1}"#);
    assert_eq!(lines(&project.load().unwrap().warnings), ["1:2 warning unknown-key $.colour"]);
    project.options.strict = true;
    assert_eq!(project.refused(), ["1:2 error unknown-key $.colour"]);
}

#[test]
fn the_store_is_below_the_project_unless_it_is_absolute() {
    let project = Project::new().project(r#"{"store": {"path": "runs"}}"#).trusted();
    assert_eq!(project.load().unwrap().config.store.path, Some(project.path("project/runs")));
    let project = Project::new().project(r#"{"store": {"path": "/runs"}}"#).trusted();
    assert_eq!(project.load().unwrap().config.store.path, Some("/runs".into()));
}
