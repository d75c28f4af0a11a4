//! The events of real runs: their schema, and the page about them.

use std::{collections::BTreeMap, fs};

use orch::{
    opencode::simulator::{AgentMode, Answer, Script, SimulatedAgent, SimulatorOptions, ToolCall, When},
    workflow::event::schema,
};
use serde_json::{Value, json};

use crate::world::{World, failure, standard, warning};

/// What tells events apart: the type, and for progress its phase and kind.
fn name(event: &Value) -> String {
    let words = [&event["type"], &event["progress"]["phase"], &event["progress"]["kind"]];
    words.iter().filter_map(|word| word.as_str()).collect::<Vec<_>>().join("/")
}

/// The demonstration: a group that is repeated, a gate, carry, structured answers, live progress.
async fn demo() -> Vec<Value> {
    World::new(Script::new()).await.orch(["demo", "--json"]).await.events()
}

/// A gate after a failure, answered with `skip`, and a pause; then a fork that reuses the first step.
async fn gates_and_a_fork() -> Vec<Value> {
    let script = Script::new().on(When::prompt("step two"), failure()).otherwise(warning());
    let world = World::new(script).await;
    let first = world.orch(["run", "three", "a task", "--json"]).await;
    let run = first.run();
    let mut events = first.events();
    events.extend(world.orch(["skip", &run, "--json"]).await.events());
    events.extend(world.orch(["fork", &run, "--from", "two", "--json"]).await.events());
    let fork = events.last().unwrap()["run"].as_str().unwrap().to_owned();
    events.extend(world.orch(["abort", &fork, "--json"]).await.events());
    events
}

/// A failure that nobody is asked about.
async fn failing() -> Vec<Value> {
    let world = World::new(Script::new().otherwise(failure())).await;
    world.orch(["run", "two", "a task", "--intervene", "never", "--json"]).await.events()
}

/// A permission that nobody is there to give, a condition that does not hold, and a budget that runs low.
async fn asking() -> Vec<Value> {
    let tool = ToolCall::new("bash", json!({ "command": "ls", "description": "List" })).output("a.txt\n");
    let script = Script::new()
        .on(When::prompt("step one"), [Answer::tool(tool), Answer::text("I could not look")])
        .otherwise("done");
    let careful = SimulatedAgent::new("careful", AgentMode::Primary).ask("bash");
    let world = World::with(SimulatorOptions::new(script).agent(careful)).await;
    let mut config = standard();
    config["profiles"][0]["agent"] = json!("careful");
    config["workflows"]["definitions"][1]["steps"][1]["when"] = json!("steps.one.status == 'failed'");
    world.configure(&config);
    world.orch(["run", "two", "a task", "--max-tokens", "260", "--json"]).await.events()
}

/// An answer that has to be repaired.
async fn repairing() -> Vec<Value> {
    let script = Script::new().otherwise([Answer::text("no JSON at all"), Answer::text("{\"fine\": true}")]);
    let world = World::new(script).await;
    let mut config = standard();
    config["workflows"]["definitions"][0]["steps"][0]["output"] = json!({
        "type": "object", "required": ["fine"], "properties": { "fine": { "type": "boolean" } },
    });
    world.configure(&config);
    world.orch(["run", "last", "a task", "--json"]).await.events()
}

async fn everything() -> Vec<Value> {
    let mut events = demo().await;
    events.extend(gates_and_a_fork().await);
    events.extend(failing().await);
    events.extend(asking().await);
    events.extend(repairing().await);
    events
}

fn page() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.md")).unwrap()
}

/// The examples of the page, and the section that each stands in.
fn examples(page: &str) -> Vec<(Value, String)> {
    let mut found = Vec::new();
    for section in page.split("\n### ").skip(1) {
        for block in section.split("```json\n").skip(1) {
            let example = serde_json::from_str(block.split("```").next().unwrap()).unwrap();
            found.push((example, section.to_owned()));
        }
    }
    found
}

/// The names of the fields that an event has beside those that every event has.
fn fields(event: &Value) -> Vec<&str> {
    let common = ["seq", "at", "run", "type", "live"];
    event.as_object().unwrap().keys().map(String::as_str).filter(|key| !common.contains(key)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_a_real_run_is_valid_and_is_on_the_page_with_all_its_fields() {
    let schema = schema::value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (page, mut seen) = (page(), BTreeMap::new());
    let examples = examples(&page);
    for event in everything().await {
        let problems: Vec<_> = validator.iter_errors(&event).map(|problem| problem.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new(), "{event:#}");
        let name = name(&event);
        let (_, section) = examples
            .iter()
            .find(|(example, _)| self::name(example) == name)
            .unwrap_or_else(|| panic!("{name} has no example: {event:#}"));
        for field in fields(&event) {
            assert!(section.contains(&format!("`{field}")), "{name}: `{field}` is not explained");
        }
        for field in event["progress"].as_object().into_iter().flat_map(|progress| progress.keys()) {
            assert!(section.contains(field.as_str()), "{name}: {field} is not on the page");
        }
        seen.entry(name).or_insert(event);
    }
    // What these runs must at least have told, so that the loop above is not empty by accident.
    let names: Vec<_> = seen.keys().map(String::as_str).collect();
    insta::assert_json_snapshot!(names);
}

#[test]
fn every_example_on_the_page_is_valid() {
    let schema = schema::value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (example, _) in examples(&page()) {
        let problems: Vec<_> = validator.iter_errors(&example).map(|problem| problem.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new(), "{example:#}");
    }
}

#[test]
fn the_schema_refuses_what_is_no_event() {
    let schema = schema::value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let paused = json!({ "seq": 1, "at": 2, "run": "run_1", "type": "run.paused" });
    assert!(validator.is_valid(&paused));
    for (key, value) in
        [("seq", json!("one")), ("type", json!("run.stopped")), ("run", json!(7)), ("at", json!(null))]
    {
        let mut wrong = paused.clone();
        wrong[key] = value;
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let committed = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/events.schema.json"));
    assert!(
        committed == schema::json(),
        "schema/events.schema.json: run `cargo xtask schema` and commit the result"
    );
}
