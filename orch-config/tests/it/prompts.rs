//! Prompt files.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use orch_config::load::MAX_PROMPT_BYTES;

use crate::support::{Project, loaded};

const NAMED: &str = r#"{"profiles": [{"id": "w", "promptFile": "mine.md"}]}"#;

fn prompt(project: &Project, id: &str) -> Option<String> {
    project.load().unwrap().config.profile(id).unwrap().system_prompt.clone()
}

#[test]
fn a_prompt_file_is_read_from_the_project_then_from_the_worktree() {
    let mut project =
        Project::new().project(NAMED).file("tree/.opencode/orch/prompts/mine.md", "\u{feff}far");
    project.options.worktree = Some(project.path("tree"));
    assert_eq!(prompt(&project, "w").as_deref(), Some("far"));
    let project = project.file("project/.opencode/orch/prompts/mine.md", "near");
    assert_eq!(prompt(&project, "w").as_deref(), Some("near"));
}

#[test]
fn a_persons_file_has_its_own_prompts() {
    let project = Project::new()
        .global(NAMED)
        .file("config/opencode/orch/prompts/mine.md", "own")
        .file("project/.opencode/orch/prompts/mine.md", "not this one");
    assert_eq!(prompt(&project, "w").as_deref(), Some("own"));
}

#[test]
fn built_in_prompts_can_be_named_and_replaced() {
    let named = loaded(r#"{"profiles": [{"id": "w", "promptFile": "workers/coder.md"}]}"#).config;
    assert_eq!(named.profile("w").unwrap().system_prompt, named.profile("coder").unwrap().system_prompt);
    let project = Project::new().file("project/.opencode/orch/prompts/workers/coder.md", "ours");
    assert_eq!(prompt(&project, "coder").as_deref(), Some("ours"));
    let project = project.project(r#"{"profiles": [{"id": "coder", "systemPrompt": "said"}]}"#);
    assert_eq!(prompt(&project, "coder").as_deref(), Some("said"));
}

/// Trusted or not: a prompt file never leads out of its folder.
#[test]
fn no_path_leads_out_of_the_folder() {
    for name in [
        "../secret.md",
        "/etc/hostname",
        "a/../../secret.md",
        "link.md",
        "links/secret.md",
        "folder",
        "gone.md",
    ] {
        let project = Project::new()
            .project(&serde_json::json!({ "profiles": [{ "id": "w", "promptFile": name }] }).to_string())
            .file("project/.opencode/orch/prompts/folder/x", "")
            .file("outside/secret.md", "secret")
            .file("project/.opencode/orch/secret.md", "secret")
            .trusted();
        let folder = project.path("project/.opencode/orch/prompts");
        symlink(project.path("outside/secret.md"), folder.join("link.md")).unwrap();
        symlink(project.path("outside"), folder.join("links")).unwrap();
        assert_eq!(project.refused(), ["1:37 error prompt-file $.profiles[0].promptFile"], "{name}");
    }
}

#[test]
fn the_folder_itself_may_not_be_a_link_out_of_the_project() {
    let project = Project::new().project(NAMED).file("outside/mine.md", "secret");
    fs::create_dir_all(project.path("project/.opencode/orch")).unwrap();
    symlink(project.path("outside"), project.path("project/.opencode/orch/prompts")).unwrap();
    assert_eq!(project.refused(), ["1:41 error prompt-file $.profiles[0].promptFile"]);
}

#[test]
fn prompt_files_are_bounded_text() {
    for content in [vec![b'x'; usize::try_from(MAX_PROMPT_BYTES).unwrap() + 1], vec![0xff, 0xfe, 0xfd]] {
        let project = Project::new().project(NAMED).file("project/.opencode/orch/prompts/mine.md", content);
        assert_eq!(project.refused(), ["1:41 error prompt-file $.profiles[0].promptFile"]);
    }
}

#[test]
fn a_system_prompt_comes_before_a_prompt_file() {
    let loaded =
        loaded(r#"{"profiles": [{"id": "w", "systemPrompt": "said", "promptFile": "workers/coder.md"}]}"#);
    assert_eq!(loaded.config.profile("w").unwrap().system_prompt.as_deref(), Some("said"));
    assert_eq!(loaded.warnings.0[0].code, "orch::config::no-effect");
}

/// Loads the project again and again while another thread exchanges something in it, until it has been read and refused often
/// enough.
fn load_while(project: &Project, exchange: impl Fn() + Sync) {
    // Also when a check below fails.
    struct Done<'d>(&'d AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    let (mut read, mut refused) = (0_u32, 0_u32);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                exchange();
            }
        });
        let _done = Done(&done);
        while read < 100 || refused < 100 {
            match project.load() {
                Ok(loaded) => {
                    let prompt = &loaded.config.profile("w").unwrap().system_prompt;
                    assert_eq!(prompt.as_deref(), Some("mine"));
                    read += 1;
                }
                Err(error) => {
                    assert!(!error.to_string().contains("secret"), "{error}");
                    refused += 1;
                }
            }
        }
    });
}

fn exchanged() -> Project {
    Project::new()
        .project(NAMED)
        .file("outside/mine.md", "secret")
        .file("project/.opencode/orch/prompts/mine.md", "mine")
}

/// Between a look at a file and the reading of it, it may become a link to another.
#[test]
fn a_file_that_is_exchanged_meanwhile_leads_out_no_more_than_another() {
    let project = exchanged();
    let folder = project.path("project/.opencode/orch/prompts");
    let (mine, next) = (folder.join("mine.md"), folder.join("next"));
    load_while(&project, || {
        symlink(project.path("outside/mine.md"), &next).unwrap();
        fs::rename(&next, &mine).unwrap();
        fs::write(&next, "mine").unwrap();
        fs::rename(&next, &mine).unwrap();
    });
}

/// And so may the folder that it is in.
#[test]
fn a_folder_that_is_exchanged_meanwhile_leads_out_no_more_than_another() {
    let project = exchanged();
    let folder = project.path("project/.opencode/orch/prompts");
    let aside = project.path("project/.opencode/orch/aside");
    load_while(&project, || {
        fs::rename(&folder, &aside).unwrap();
        symlink(project.path("outside"), &folder).unwrap();
        fs::remove_file(&folder).unwrap();
        fs::rename(&aside, &folder).unwrap();
    });
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let run = |program: &str, arguments: &[&str], place: &Path| {
        Command::new(program).arg(place).args(arguments).stderr(Stdio::null()).status().unwrap().success()
    };
    let places = [
        (NAMED, "mine.md", "1:41 error prompt-file $.profiles[0].promptFile"),
        (
            r#"{"profiles": [{"id": "w", "systemPrompt": "{{snippet:mine.md}}"}]}"#,
            "snippets/mine.md",
            "1:43 error snippet $.profiles[0].systemPrompt",
        ),
        ("{}", "workers/coder.md", "- error prompt-file $.profiles[\"coder\"].promptFile"),
    ];
    for (config, name, refusal) in places {
        for kind in ["pipe", "socket", "link to a device", "device"] {
            let project = Project::new()
                .project(config)
                .file(&format!("project/.opencode/orch/prompts/{name}"), "mine");
            let place = project.path("project/.opencode/orch/prompts").join(name);
            assert!(project.load().is_ok(), "{name}");
            fs::remove_file(&place).unwrap();
            let made = match kind {
                "pipe" => run("mkfifo", &[], &place),
                "socket" => UnixListener::bind(&place).is_ok(),
                "link to a device" => symlink("/dev/zero", &place).is_ok(),
                // An endless file, for whoever may make one.
                _ => run("mknod", &["c", "1", "5"], &place),
            };
            match made {
                true => assert_eq!(project.refused(), [refusal], "{kind} in the place of {name}"),
                false => {
                    assert_eq!(kind, "device");
                    eprintln!("skipped: only root may make a device");
                }
            }
        }
    }
}
