//! All runs and workers at a glance.

use orch_ux::{
    page::{Layout, columns},
    view::{
        dashboard::{Damaged, Dashboard, dashboard},
        workers::{Workers, workers},
    },
};
use orch_workflow::{
    attempt::{RunId, Timestamp},
    view::RunView,
};

use crate::support::{RUNS, assert_commands_exist, run};

const HOUR_MS: u64 = 3_600_000;

/// Every run of the fixtures under an id of its own, an hour after the last thing that happened in any of them.
fn project() -> (Vec<RunView>, Timestamp) {
    let named = |name: &&str| {
        let mut run = run(name);
        run.id = RunId::new(format!("run_{name}")).unwrap();
        run
    };
    let runs: Vec<_> = RUNS.iter().map(named).collect();
    let last = runs.iter().map(|run| run.started_at.max(run.last_at)).max().unwrap();
    (runs, last.plus_ms(HOUR_MS))
}

fn whole() -> Dashboard {
    let (runs, now) = project();
    let damaged = Damaged::new(RunId::new("run_torn").unwrap(), "its journal ends in the middle of a record");
    dashboard(&runs, vec![damaged], now, 10)
}

fn all_workers() -> Workers {
    let (runs, now) = project();
    workers(&runs, now)
}

#[test]
fn a_project_for_people() {
    insta::assert_snapshot!(whole().page().text(Layout::endless()));
}

#[test]
fn a_project_on_a_narrow_terminal() {
    let text = whole().page().text(Layout::terminal(60));
    let commands = |line: &&str| line.trim_start().starts_with("orch ");
    for line in text.lines().filter(|line| !commands(line)) {
        assert!(columns(line) <= 60, "{line:?}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_project_as_markdown() {
    insta::assert_snapshot!(whole().page().markdown());
}

#[test]
fn a_project_as_data() {
    insta::assert_json_snapshot!(whole());
}

#[test]
fn an_empty_project_says_how_to_begin() {
    let empty = dashboard(&[], Vec::new(), Timestamp(0), 10);
    insta::assert_snapshot!(empty.page().text(Layout::endless()), @"no runs yet; start one with `orch run <workflow> <task>`");
    let none = workers(&[], Timestamp(0));
    insta::assert_snapshot!(none.page().text(Layout::endless()), @"no run has used a worker yet; `orch profiles` lists the profiles");
}

#[test]
fn the_workers_of_a_project() {
    insta::assert_snapshot!(all_workers().page().text(Layout::endless()));
}

#[test]
fn every_open_run_says_what_it_waits_for_and_ended_ones_are_left_out_beyond_the_bound() {
    let (runs, now) = project();
    let ended = runs.iter().filter(|run| run.status.is_terminal()).count();
    let board = dashboard(&runs, Vec::new(), now, 0);
    assert_eq!((board.left_out, board.runs.len()), (ended, runs.len() - ended));
    assert!(board.runs.iter().all(|row| !row.waits.is_empty() && !row.steps.is_empty()));
    let cost: f64 = runs.iter().map(|run| run.cost_usd).sum();
    assert!((board.cost_usd - cost).abs() < 1e-9, "what is left out has its price too");
}

#[test]
fn every_command_on_a_dashboard_is_in_the_registry() {
    let pages = [whole().page().markdown(), all_workers().page().markdown()];
    let count: usize = pages.iter().map(|page| assert_commands_exist(page)).sum();
    assert!(count > 10, "only {count} commands");
}
