//! The gate table on the real host, all 48 cells.

use orch::opencode::{
    OpenCode as _,
    simulator::{Answer, Script, When},
};
use serde_json::{Value, json};

use super::{live_binary, world::World};

/// What happens after the attempt.
///
/// ```text
/// execution intervene | followed by another step    | last step
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

/// How the command ends for a word of the table: exit code, status, reason of the gate, prompts that the model saw.
const MEANING: [(&str, i32, &str, Option<&str>, usize); 7] = [
    ("go-on", 0, "success", None, 2),
    ("success", 0, "success", None, 1),
    ("error", 1, "error", None, 1),
    ("on-error", 3, "paused", Some("intervene=on-error"), 1),
    ("on-warn", 3, "paused", Some("intervene=on-warning"), 1),
    ("always", 3, "paused", Some("intervene=always"), 1),
    ("step", 3, "paused", Some("execution=step"), 1),
];

/// One cell: a policy, an outcome, whether another step follows, and the word in the table.
struct Cell {
    name: String,
    policy: [&'static str; 2],
    outcome: &'static str,
    workflow: &'static str,
    expected: &'static str,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for row in TABLE.trim().lines() {
        let [policy, followed, last] = row
            .split('|')
            .map(|part| part.split_whitespace().collect::<Vec<_>>())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        for (workflow, expected) in [("followed", followed), ("last", last)] {
            for (outcome, expected) in ["ok", "warning", "error"].into_iter().zip(expected) {
                let [execution, intervene] = policy.clone().try_into().unwrap();
                let name = format!("<{execution} {intervene} {outcome} {workflow}>");
                cells.push(Cell { name, policy: [execution, intervene], outcome, workflow, expected });
            }
        }
    }
    cells
}

#[tokio::test]
async fn the_gate_table_holds_on_the_real_host() {
    let Some(program) = live_binary() else { return };
    let script = Script::new()
        .on(When::prompt("go on after"), "gone on")
        .on(When::prompt("answer error"), Answer::error(400, "not with me"))
        .on(When::prompt("answer warning"), "## Summary\ndone\n\n## Warnings\n- one thing is odd\n")
        .otherwise("done");
    let one = json!({ "id": "one", "workerId": "worker", "prompt": "{task}" });
    let two = json!({ "id": "two", "workerId": "worker", "prompt": "go on after {task}" });
    let config = json!({
        "profiles": [{ "id": "worker", "kind": "agent" }],
        "workflows": { "definitions": [
            { "id": "followed", "steps": [one.clone(), two] },
            { "id": "last", "steps": [one] },
        ] },
    });
    let world = World::start(&program, script, &config).await;
    let cells = cells();
    assert_eq!(cells.len(), 48);
    for pair in cells.chunks(2) {
        let [left, right] = pair else { unreachable!("cells come in pairs") };
        tokio::join!(check(&world, left), check(&world, right));
    }
    // While the last cells were run, the runs that had paused before them dispatched nothing more.
    for cell in &cells {
        assert_eq!(world.prompts(&cell.name).len(), prompts(cell), "{}", cell.name);
    }
    assert!(world.host().statuses().await.unwrap().is_empty(), "nothing is at work on the host");
    world.stop().await;
}

async fn check(world: &World, cell: &Cell) {
    let Cell { name, policy: [execution, intervene], outcome, workflow, expected } = cell;
    let task = format!("{name} answer {outcome}");
    let policy = ["--execution", execution, "--intervene", intervene];
    let ended = world.orch(&[&["run", workflow, &task, "--no-input", "--json"][..], &policy].concat()).await;
    let (_, code, status, reason, prompts) = meaning(expected);
    assert_eq!(ended.code, code, "{name}: {ended:?}");
    let run = world.show(&ended.run()).await;
    assert_eq!(run["status"], status, "{name}");
    assert_eq!(run["owner"], Value::Null, "{name}");
    assert_eq!(run["steps"][0]["outcome"], *outcome, "{name}");
    assert_eq!((&run["execution"], &run["intervene"]), (&json!(execution), &json!(intervene)), "{name}");
    match reason {
        None => assert_eq!(run["gate"], Value::Null, "{name}"),
        Some(reason) => {
            assert_eq!(
                (&run["gate"]["reason"], &run["gate"]["step"]),
                (&json!(reason), &json!("one")),
                "{name}"
            );
            let allowed = match *outcome {
                "error" => json!(["continue", "retry", "skip", "replace", "abort"]),
                _ => json!(["continue", "retry", "replace", "abort"]),
            };
            assert_eq!(run["gate"]["allowed"], allowed, "{name}");
        }
    }
    assert_eq!(world.prompts(name).len(), prompts, "{name}");
}

fn prompts(cell: &Cell) -> usize {
    meaning(cell.expected).4
}

fn meaning(word: &str) -> (&'static str, i32, &'static str, Option<&'static str>, usize) {
    MEANING.into_iter().find(|meaning| meaning.0 == word).unwrap()
}
