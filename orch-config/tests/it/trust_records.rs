//! What it takes for a project to be trusted, and what ends it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use orch_config::{Trust, TrustRecords, load};
use serde_json::json;

use crate::support::{Project, lines};

/// Asks for something, and has a prompt file, a snippet and a replaced built-in prompt.
const REACHING: &str = r#"{
  "opencode": { "command": "./own" },
  "profiles": [{ "id": "w", "promptFile": "w.md" }, { "id": "v", "systemPrompt": "{{snippet:s}}" }]
}"#;

fn records(project: &Project) -> TrustRecords {
    TrustRecords::at(project.path("state/trust"))
}

fn cloned(project: Project) -> Project {
    project
        .project(REACHING)
        .file("project/.opencode/orch/prompts/w.md", "be good")
        .file("project/.opencode/orch/prompts/snippets/s.md", "be brief")
        .file("project/.opencode/orch/prompts/workers/coder.md", "write code")
}

fn reaching() -> Project {
    let mut project = cloned(Project::new());
    project.options.trust_records = Some(records(&project));
    project
}

/// A person trusts it as it is.
fn trust(project: &Project) {
    let mut options = project.options.clone();
    options.trust = Trust::Trusted;
    records(project).trust(&load(&options).unwrap().evidence).unwrap();
}

fn trusted() -> Project {
    let project = reaching();
    trust(&project);
    project
}

fn is_trusted(project: &Project) -> bool {
    match project.load() {
        Ok(loaded) => loaded.config.trust == Trust::Trusted,
        Err(error) => {
            assert_eq!(error.code(), "orch::config::untrusted", "{error}");
            false
        }
    }
}

#[test]
fn what_was_trusted_may_use_everything() {
    assert_eq!(reaching().refused(), ["2:28 error untrusted $.opencode.command"]);
    let project = trusted();
    let loaded = project.load().unwrap();
    assert_eq!(loaded.config.trust, Trust::Trusted);
    assert_eq!(loaded.config.opencode.command.unwrap(), ["./own"]);
    let files: Vec<_> = loaded.evidence.files.keys().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(
        files,
        [
            ".opencode/orch/prompts/snippets/s.md",
            ".opencode/orch/prompts/w.md",
            ".opencode/orch/prompts/workers/coder.md",
            ".opencode/orchestrator.json",
        ]
    );
    // What it asks for is told all the same.
    assert_eq!(lines(&loaded.reach), ["2:28 error untrusted $.opencode.command"]);
}

#[test]
fn a_project_that_asks_for_nothing_is_trusted_or_not_as_well() {
    let mut project = Project::new();
    project.options.trust_records = Some(records(&project));
    let loaded = project.load().unwrap();
    assert_eq!(loaded.config.trust, Trust::Untrusted);
    records(&project).trust(&loaded.evidence).unwrap();
    assert!(is_trusted(&project));
}

#[test]
fn any_change_ends_the_trust() {
    type Change = fn(Project) -> Project;
    let changes: [(&str, Change); 7] = [
        ("another value", |project| project.project(&REACHING.replace("./own", "./other"))),
        ("one blank more", |project| project.project(&format!("{REACHING} "))),
        ("the order of profiles", |project| {
            project.project(
                r#"{
  "opencode": { "command": "./own" },
  "profiles": [{ "id": "v", "systemPrompt": "{{snippet:s}}" }, { "id": "w", "promptFile": "w.md" }]
}"#,
            )
        }),
        ("a prompt file", |project| project.file("project/.opencode/orch/prompts/w.md", "be evil")),
        ("a snippet", |project| project.file("project/.opencode/orch/prompts/snippets/s.md", "be evil")),
        ("a built-in prompt that was not replaced before", |project| {
            project.file("project/.opencode/orch/prompts/workers/reviewer.md", "approve")
        }),
        ("two texts that have changed places", |project| {
            project
                .file("project/.opencode/orch/prompts/w.md", "write code")
                .file("project/.opencode/orch/prompts/workers/coder.md", "be good")
        }),
    ];
    for (what, change) in changes {
        let project = trusted();
        assert!(is_trusted(&project), "before {what}");
        assert!(!is_trusted(&change(project)), "{what}");
    }
}

/// A file goes by the name under which it was looked up: pointing it elsewhere changes it.
#[test]
fn a_link_that_points_elsewhere_ends_the_trust() {
    let prompts = "project/.opencode/orch/prompts";
    let project =
        reaching().file(&format!("{prompts}/good.md"), "good").file(&format!("{prompts}/bad.md"), "bad");
    let point = |to: &str| {
        let link = project.path(&format!("{prompts}/w.md"));
        fs::remove_file(&link).unwrap();
        symlink(to, link).unwrap();
    };
    point("good.md");
    trust(&project);
    assert!(is_trusted(&project));
    point("bad.md");
    assert!(!is_trusted(&project));
}

/// The file itself may lead out of a project that was trusted so, to the very text that was trusted.
#[test]
fn a_file_that_leads_out_is_read_as_long_as_it_is_what_was_trusted() {
    let project = reaching().file("home/own.json", REACHING);
    let (place, outside) =
        (project.path("project/.opencode/orchestrator.json"), project.path("home/own.json"));
    fs::remove_file(&place).unwrap();
    symlink(&outside, &place).unwrap();
    assert_eq!(project.refused(), ["- error untrusted -"]);
    trust(&project);
    assert!(is_trusted(&project));
    fs::write(&outside, REACHING.replace("own", "canary")).unwrap();
    let refused = project.load().expect_err("it has changed");
    assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
    assert_eq!(project.refused(), ["- error untrusted -"]);
}

#[test]
fn a_project_that_is_moved_or_copied_is_not_trusted_there() {
    let mut project = trusted();
    let elsewhere = project.path("elsewhere");
    fs::rename(project.path("project"), &elsewhere).unwrap();
    project.options.directory.clone_from(&elsewhere);
    assert!(!is_trusted(&project));
    // Back in its place, whatever way leads there, it is what was trusted.
    fs::rename(&elsewhere, project.path("project")).unwrap();
    symlink(project.path("project"), project.path("link")).unwrap();
    project.options.directory = project.path("link");
    assert!(is_trusted(&project));
}

/// Another clone is another project.
#[test]
fn a_copy_elsewhere_is_not_trusted_and_the_original_still_is() {
    let mut project = trusted();
    let (original, copy) = (project.path("project"), project.path("copy"));
    assert!(Command::new("cp").arg("-r").args([&original, &copy]).status().unwrap().success());
    project.options.directory = copy;
    assert!(!is_trusted(&project));
    project.options.directory = original;
    assert!(is_trusted(&project));
}

/// Trust is for what the texts say in a place, not for how they came there.
#[test]
fn a_clone_in_the_place_of_one_that_was_trusted_is_trusted_if_it_is_the_same() {
    let project = trusted();
    let again = |project: Project| {
        fs::remove_dir_all(project.path("project")).unwrap();
        cloned(project)
    };
    let project = again(project);
    assert!(is_trusted(&project));
    let project = again(project).file("project/.opencode/orch/prompts/w.md", "be evil");
    assert!(!is_trusted(&project));
}

/// A record says itself which directory it is about, so that its name alone gives nothing.
#[test]
fn a_record_of_another_project_is_none_of_this_one() {
    let (project, other) = (trusted(), reaching());
    let only = |folder: &Path| fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    trust(&other);
    assert!(is_trusted(&other));
    fs::copy(only(&project.path("state/trust")), only(&other.path("state/trust"))).unwrap();
    assert!(!is_trusted(&other));
}

#[test]
fn a_project_cannot_bring_its_own_record() {
    let mut project = trusted();
    fs::rename(project.path("state/trust"), project.path("project/trust")).unwrap();
    project.options.trust_records = Some(TrustRecords::at(project.path("project/trust")));
    let refused = project.refused();
    assert_eq!(refused, ["- warning trust-record -", "2:28 error untrusted $.opencode.command"]);
    // Nor by a link that leads into it.
    symlink(project.path("project/trust"), project.path("way-in")).unwrap();
    project.options.trust_records = Some(TrustRecords::at(project.path("way-in")));
    assert_eq!(project.refused(), refused);
    let evidence = load(&project.trusted().options).unwrap().evidence;
    let inside = TrustRecords::at(evidence.directory.join("not/yet/there"));
    assert!(inside.trust(&evidence).unwrap_err().to_string().contains("inside the project"));
}

#[test]
fn a_record_that_is_damaged_or_newer_is_told_and_trusts_nothing() {
    for text in ["", "{", r#"{"version": 1}"#, r#"{"version": 2, "directory": "/", "files": {}}"#] {
        let project = trusted();
        let record = fs::read_dir(project.path("state/trust")).unwrap().next().unwrap().unwrap().path();
        fs::write(record, text).unwrap();
        assert_eq!(
            project.refused(),
            ["- warning trust-record -", "2:28 error untrusted $.opencode.command"],
            "{text}"
        );
    }
}

#[test]
fn trust_is_taken_back() {
    let project = trusted();
    assert!(records(&project).revoke(&project.options.directory).unwrap());
    assert!(!is_trusted(&project));
    assert!(!records(&project).revoke(&project.options.directory).unwrap());
}

#[test]
fn records_are_for_their_person_alone() {
    let project = reaching();
    let directory = project.path("state/trust");
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    trust(&project);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let written: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(written.iter().map(|path| mode(path)).collect::<Vec<_>>(), [0o600]);
}

/// A project whose person has this directory under `trust` in their own file; `name` is below the root of the test.
fn granted(name: &str) -> Project {
    let project = reaching();
    let own = json!({ "trust": [project.path("somewhere-else"), project.path(name)] });
    project.global(&own.to_string())
}

#[test]
fn everything_in_a_directory_that_the_own_file_names_is_trusted() {
    let rows =
        [("", true), ("project", true), ("proj", false), ("project/.opencode", false), ("nowhere", false)];
    for (name, covered) in rows {
        let project = granted(name);
        assert_eq!(is_trusted(&project), covered, "{name:?}");
        if covered {
            let loaded = project.load().unwrap();
            assert_eq!(loaded.granted_by, Some(project.path(name)));
            assert_eq!(loaded.config.opencode.command.unwrap(), ["./own"]);
        }
    }
}

#[test]
fn a_grant_follows_links_and_survives_changes() {
    let project = granted("way-in");
    assert!(!is_trusted(&project));
    symlink(project.path("project"), project.path("way-in")).unwrap();
    assert!(is_trusted(&project));
    assert!(is_trusted(&project.file("project/.opencode/orch/prompts/w.md", "be bad")));
}

/// Neither by itself nor over a person's own grants.
#[test]
fn a_project_cannot_trust_itself() {
    let grant = r#"{ "trust": ["/"] }"#;
    assert_eq!(Project::new().project(grant).refused(), ["1:12 error misplaced-key $.trust"]);
    assert_eq!(Project::new().project(grant).trusted().refused(), ["1:12 error misplaced-key $.trust"]);
    let own = Project::new().global(r#"{ "trust": ["/nowhere"] }"#).project(grant);
    assert_eq!(own.refused(), ["1:12 error misplaced-key $.trust"]);
}

#[test]
fn a_grant_is_an_absolute_path() {
    let project = Project::new().global(r#"{ "trust": ["/", "work", ""] }"#);
    let refused = ["1:18 error invalid-value $.trust[1]", "1:26 error invalid-value $.trust[2]"];
    assert_eq!(project.refused(), refused);
}
