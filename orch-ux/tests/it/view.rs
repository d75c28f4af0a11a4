//! Runs as text.

use orch_config::id::StepId;
use orch_ux::{
    page::Layout,
    view::{self, results::results},
};
use serde_json::Value;

use crate::support::{RUNS, assert_commands_exist, run};

#[test]
fn the_summary_of_a_run_at_a_gate() {
    insta::assert_snapshot!(view::summary(&run("paused")));
}

#[test]
fn the_summary_of_a_run_that_succeeded() {
    insta::assert_snapshot!(view::summary(&run("success")));
}

#[test]
fn the_summary_of_a_run_at_work_that_waits_for_a_person() {
    insta::assert_snapshot!(view::summary(&run("running")));
}

#[test]
fn the_summary_of_a_run_whose_process_is_gone() {
    insta::assert_snapshot!(view::summary(&run("interrupted")));
}

#[test]
fn the_summary_of_a_run_at_the_gate_of_a_group() {
    insta::assert_snapshot!(view::summary(&run("exhausted")));
}

#[test]
fn the_summary_of_a_run_in_its_second_pass() {
    insta::assert_snapshot!(view::summary(&run("repeating")));
}

#[test]
fn the_summary_of_a_run_at_the_gate_of_a_spent_budget() {
    insta::assert_snapshot!(view::summary(&run("budget")));
}

#[test]
fn the_results_of_a_run_as_markdown() {
    insta::assert_snapshot!(results(&run("paused")).page().markdown());
}

#[test]
fn the_results_of_a_run_on_a_narrow_terminal() {
    insta::assert_snapshot!(results(&run("paused")).page().text(Layout::terminal(40)));
}

#[test]
fn the_results_of_a_run_as_data() {
    let data = serde_json::to_value(results(&run("paused"))).unwrap();
    assert_eq!(data["results"].as_array().unwrap().len(), run("paused").steps.len());
    assert_eq!(data["results"][0]["text"], "## Summary\nAdd the flag in `list.rs`.\n", "untouched");
    assert_eq!(data["results"][0]["standing"]["position"], 1);
}

#[test]
fn every_command_in_every_view_is_in_the_registry() {
    let count: usize = RUNS
        .into_iter()
        .flat_map(|name| [view::summary(&run(name)), results(&run(name)).page().markdown()])
        .map(|text| assert_commands_exist(&text))
        .sum();
    assert!(count >= 7, "the check found only {count} commands");
}

/// Puts what could steer a terminal into every text that a worker, a person or a file has written. Ids cannot have it.
fn poison(value: &mut Value, key: &str) {
    const WRITTEN: [&str; 10] = [
        "task",
        "title",
        "message",
        "text",
        "session",
        "parent_session",
        "host",
        "summary",
        "notes",
        "options",
    ];
    match value {
        Value::String(text) if WRITTEN.contains(&key) => text.insert_str(0, "\u{1b}[2J\u{7}\u{202e}\r"),
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, key)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| poison(value, key)),
        _ => {}
    }
}

#[test]
fn no_view_steers_a_terminal_or_hides_anything() {
    for name in RUNS {
        let mut json = serde_json::to_value(run(name)).unwrap();
        poison(&mut json, "");
        let poisoned = serde_json::from_value(json).unwrap();
        for text in [view::summary(&poisoned), results(&poisoned).page().markdown()] {
            assert!(text.contains("run_"));
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{text:?}");
        }
    }
}

#[test]
fn the_output_of_a_run_is_its_last_result_untouched() {
    let paused = run("paused");
    let step = |id: &str| StepId::new(id).unwrap();
    assert_eq!(view::output(&paused, None), Some("## Summary\nDone.\u{1b}[31m\u{7}"));
    assert_eq!(view::output(&paused, Some(&step("plan"))), Some("## Summary\nAdd the flag in `list.rs`.\n"));
    assert_eq!(view::output(&paused, Some(&step("review"))), None);
    assert_eq!(view::output(&paused, Some(&step("nowhere"))), None);
    assert_eq!(view::output(&run("success"), None), Some("Built."), "an empty answer is no result");
    assert_eq!(view::output(&run("running"), None), None);
}
