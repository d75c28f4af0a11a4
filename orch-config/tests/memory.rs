//! What hostile files cost, in bytes that are ever allocated, given back or not.
//!
//! In a binary of its own, because it counts everything that its process allocates; and one test after the other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    alloc::System,
    fs::{self, File},
    path::Path,
    sync::{Mutex, PoisonError},
};

use orch_config::{LoadError, LoadOptions, Loaded, load, load::MAX_BYTES};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ONE_AFTER_THE_OTHER: Mutex<()> = Mutex::new(());

const CONFIG: &str = ".opencode/orchestrator.json";
const PROMPTS: &str = ".opencode/orch/prompts";
const LARGE: u64 = 2 << 30;

fn costs(options: &LoadOptions) -> (Result<Loaded, LoadError>, usize) {
    let region = Region::new(ALLOCATOR);
    let result = load(options);
    (result, region.change().bytes_allocated)
}

fn write(path: &Path, text: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A file of zeros that takes no room on the disk.
fn sparse(path: &Path) {
    write(path, b"");
    File::options().write(true).open(path).unwrap().set_len(LARGE).unwrap();
}

/// What a file may cost that is refused for its size, beside what loading costs without one.
const REFUSAL: usize = 32 * 1024;

#[test]
fn what_is_far_too_large_is_refused_without_being_read() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let root = tempfile::tempdir().unwrap();
    let options = LoadOptions::new(root.path());
    let config = root.path().join(CONFIG);
    let prompts = root.path().join(PROMPTS);
    let (small, usual) = costs(&options);
    assert!(small.is_ok());

    sparse(&config);
    sparse(&prompts.join("mine.md"));
    sparse(&prompts.join("snippets/mine.md"));
    let prompt = r#"{"profiles": [{"id": "w", "promptFile": "mine.md"}]}"#;
    let snippet = r#"{"profiles": [{"id": "w", "systemPrompt": "{{snippet:mine.md}}"}]}"#;
    for (text, code) in [
        (None, "orch::config::too-large"),
        (Some(prompt), "orch::config::prompt-file"),
        (Some(snippet), "orch::config::snippet"),
    ] {
        if let Some(text) = text {
            write(&config, text.as_bytes());
        }
        let (refused, cost) = costs(&options);
        assert_eq!(refused.unwrap_err().code(), code);
        assert!(cost < usual + REFUSAL, "{code}: {cost} bytes, {usual} without it");
    }
}

/// A file of the size that is allowed, full of what is wrong, once took minutes and hundreds of gigabytes.
#[test]
fn a_file_of_nothing_but_problems_is_refused_at_a_bounded_cost() {
    let _alone = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let root = tempfile::tempdir().unwrap();
    let options = LoadOptions::new(root.path());
    write(&root.path().join(PROMPTS).join("mine.md"), &vec![b'x'; 256 * 1024]);
    let list = |count: u32, one: fn(u32) -> String| (0..count).map(one).collect::<Vec<_>>().join(",");
    let profiles = |count, one| format!(r#"{{"profiles":[{}]}}"#, list(count, one));
    let steps = |count, one| {
        format!(r#"{{"workflows":{{"definitions":[{{"id":"w","steps":[{}]}}]}}}}"#, list(count, one))
    };
    let table = [
        (
            "a prompt that is named too often",
            profiles(20_000, |at| format!(r#"{{"id":"w{at}","promptFile":"mine.md"}}"#)),
        ),
        ("what is not allowed", profiles(15_000, |at| format!(r#"{{"id":"p{at}","env":{{"A":"b"}}}}"#))),
        ("one id", profiles(30_000, |_| r#"{"id":"same"}"#.to_owned())),
        (
            "unknown workers",
            steps(15_000, |at| format!(r#"{{"id":"s{at}","workerId":"w{at}","prompt":"p"}}"#)),
        ),
    ];
    for (name, text) in table {
        assert!(text.len() <= MAX_BYTES, "{name}: {}", text.len());
        write(&root.path().join(CONFIG), text.as_bytes());
        let (refused, cost) = costs(&options);
        let problems = refused.unwrap_err().diagnostics;
        let more = problems.iter().filter(|problem| problem.message.contains("not shown")).count();
        assert!(more > 0 && problems.len() <= 200, "{name}: {} problems, {more}", problems.len());
        assert!(cost < 128 << 20, "{name}: {cost} bytes");
    }
}
