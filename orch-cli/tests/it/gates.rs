//! The gate table, all 48 cells, each a run of its own.

use orch::opencode::simulator::{Script, When};
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{World, failure, warning};

/// What comes of a step: the run goes on to the next one, ends, or stops at a gate for this reason.
///
/// ```text
/// policy              | followed by another step    | last step
///                     | ok       warning  error     | ok       warning  error
/// ```
const TABLE: &str = "
auto never              | go-on    go-on    error     | success  success  error
auto on-error           | go-on    go-on    on-error  | success  success  on-error
auto on-warning         | go-on    on-warn  on-warn   | success  on-warn  on-warn
auto always             | always   always   always    | success  always   always
step never              | step     step     step      | success  success  step
step on-error           | step     step     step      | success  success  step
step on-warning         | step     step     step      | success  step     step
step always             | step     step     step      | success  step     step
";

struct Cell {
    execution: &'static str,
    intervene: &'static str,
    workflow: &'static str,
    outcome: &'static str,
    expected: &'static str,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_table() {
    let mut rows = JoinSet::new();
    let mut count = 0;
    for row in TABLE.trim().lines() {
        let cells = cells(row);
        count += cells.len();
        rows.spawn(async move {
            let script = Script::new()
                .on(When::prompt("step one: warning"), warning())
                .on(When::prompt("step one: error"), failure())
                .otherwise("done");
            let world = World::new(script).await;
            for cell in cells {
                check(&world, &cell).await;
            }
        });
    }
    assert_eq!(count, 48);
    rows.join_all().await;
}

fn cells(row: &'static str) -> Vec<Cell> {
    let columns: Vec<Vec<&str>> = row.split('|').map(|part| part.split_whitespace().collect()).collect();
    let policy = &columns[0];
    let mut cells = Vec::new();
    for (workflow, expected) in [("two", &columns[1]), ("last", &columns[2])] {
        for (outcome, expected) in ["ok", "warning", "error"].into_iter().zip(expected) {
            cells.push(Cell { execution: policy[0], intervene: policy[1], workflow, outcome, expected });
        }
    }
    cells
}

async fn check(world: &World, cell: &Cell) {
    let Cell { execution, intervene, workflow, outcome, expected } = cell;
    let name = format!("{execution} {intervene}, {workflow}: {outcome}");
    // What the run comes to: its status, the reason of its gate, the exit code, how many prompts it took.
    let (status, reason, code, prompts) = match *expected {
        "go-on" => ("success", None, 0, 2),
        "success" => ("success", None, 0, 1),
        "error" => ("error", None, 1, 1),
        "step" => ("paused", Some("execution=step"), 3, 1),
        "always" => ("paused", Some("intervene=always"), 3, 1),
        "on-warn" => ("paused", Some("intervene=on-warning"), 3, 1),
        "on-error" => ("paused", Some("intervene=on-error"), 3, 1),
        other => panic!("{other}"),
    };
    let allowed = match *outcome {
        "error" => json!(["continue", "retry", "skip", "replace", "abort"]),
        _ => json!(["continue", "retry", "replace", "abort"]),
    };

    let before = world.prompts().len();
    let policy = ["--execution", execution, "--intervene", intervene];
    let ended = world.orch(["run", workflow, outcome, "--json"].into_iter().chain(policy)).await;
    let run = world.show(&ended.run()).await;

    assert_eq!(ended.code, Some(code), "{name}: {ended:?}");
    assert_eq!(run["status"], status, "{name}");
    assert_eq!((&run["execution"], &run["intervene"]), (&json!(execution), &json!(intervene)), "{name}");
    assert_eq!(run["steps"][0]["outcome"], *outcome, "{name}");
    assert_eq!(run["gate"]["reason"].as_str(), reason, "{name}");
    if reason.is_some() {
        assert_eq!(run["gate"]["step"], "one", "{name}");
        assert_eq!(run["gate"]["allowed"], allowed, "{name}");
        assert_eq!(run["owner"], json!(null), "{name}");
    }
    assert_eq!(world.prompts().len() - before, prompts, "{name}");
}
