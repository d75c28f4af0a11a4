use super::*;

fn named(names: &[&str]) -> Vec<&'static str> {
    choose(names).unwrap().iter().map(|stage| stage.name).collect()
}

#[test]
fn stages_run_in_their_own_order() {
    assert_eq!(named(&["clippy", "fmt"]), ["fmt", "clippy"]);
    assert_eq!(named(&[]).len(), STAGES.len());
}

#[test]
fn crates_whose_tests_ask_for_an_opencode_are_live() {
    let workspace = Workspace::load().unwrap();
    let live: Vec<_> =
        workspace.crates.iter().filter(|each| each.live).map(|each| each.name.as_str()).collect();
    assert_eq!(live, ["orch-opencode", "orch-workers", "orch-cli"]);
}

/// What the stage leaves out would find no OpenCode, and say that it was skipped.
#[test]
fn no_live_test_is_left_out() {
    let tests = crate::workspace::root().join("orch-cli/tests/it");
    let workspace = Workspace::load().unwrap();
    let command = workspace.crates.iter().find(|each| each.name == "orch-cli").unwrap();
    let is_run = |name: &str| command.live_tests.iter().any(|part| part.trim_end_matches("::") == name);
    for entry in std::fs::read_dir(&tests).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if !is_run(name) && path.is_dir() {
            for word in ["live_binary", crate::opencode::BINARY_VARIABLE] {
                assert!(!crate::workspace::mentions(&path, word).unwrap(), "{}", path.display());
            }
        } else if !is_run(name) && name != "main" && path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("live_binary") && !text.contains("cfg(feature"), "{}", path.display());
        }
    }
}

#[test]
fn names_are_unique() {
    for stage in STAGES {
        assert_eq!(named(&[stage.name]).len(), 1, "{}", stage.name);
    }
}

#[test]
fn an_unknown_stage_is_told_with_those_there_are() {
    let error = choose(&["fmt", "clipy"]).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("no stage `clipy`; there are: fmt, "), "{error}");
}

#[test]
fn the_first_failure_stops_the_rest() {
    const PASSES: Stage = Stage { name: "passes", about: "", run: |_| Ok(Done::Passed) };
    const SKIPS: Stage = Stage { name: "skips", about: "", run: |_| Ok(Done::Skipped("no npm".to_owned())) };
    const FAILS: Stage = Stage { name: "fails", about: "", run: |_| Err(Error::Check("broken".to_owned())) };
    let rows = run_stages(
        &Workspace::load().unwrap(),
        &[&PASSES, &SKIPS, &FAILS, &PASSES, &PASSES],
        &Suite::begin().unwrap(),
    );
    let ends: Vec<String> =
        table(&rows).lines().map(|line| line.split("  ").last().unwrap().to_owned()).collect();
    assert_eq!(ends[..5], ["passed", "SKIPPED: no npm", "FAILED", "not run", "not run"]);
}
