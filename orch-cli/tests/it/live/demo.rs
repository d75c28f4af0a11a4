//! `orch demo --opencode`.

use super::{
    live_binary,
    world::{Ended, assert_nothing_left, bare},
};

#[tokio::test]
async fn the_demo_plays_on_a_real_opencode_and_leaves_nothing() {
    let Some(program) = live_binary() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let mut demo = bare(scratch.path(), &["demo", &format!("--opencode={program}")]);
    demo.env("TMPDIR", scratch.path());
    let ended = Ended::of(demo).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    for said in
        ["Plan", "Implement", "Review", "Fix", "intervene=on-warning", "orch continue run_", "success"]
    {
        assert!(ended.stdout.contains(said), "{said} is missing: {}", ended.stdout);
    }
    assert_eq!(ended.stderr, "");
    assert_nothing_left(scratch.path()).await;
    // OpenCode unpacks libraries of its own there and leaves them.
    let ours = std::fs::read_dir(scratch.path()).unwrap().flatten().map(|entry| entry.file_name());
    let ours: Vec<_> = ours.filter(|name| name.to_string_lossy().starts_with("orch")).collect();
    assert!(ours.is_empty(), "no file of ours is left either: {ours:?}");
}
