//! What programs may rely on: the JSON, line by line and key by key.

use std::collections::BTreeSet;

use orch::opencode::simulator::{Script, When};
use serde_json::{Value, json};

use crate::world::{World, failure, warning};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn assert_has(value: &Value, wanted: &str) {
    let missing: Vec<_> = wanted.split_whitespace().filter(|key| !keys(value).contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?} not in {value:#}");
}

fn types(events: &[Value]) -> Vec<&str> {
    let journaled = events.iter().filter(|event| event["live"] != true);
    journaled.map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_prints_one_event_a_line_and_nothing_else() {
    let world = World::new(Script::new().otherwise("done")).await;
    let ended = world.orch(["run", "two", "a task", "--json"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let events = ended.events();
    let run = ended.run();
    let mut last = 0;
    for event in &events {
        assert_has(event, "seq at type run");
        assert_eq!(event["run"], *run);
        assert!(event["at"].as_u64().unwrap() > 1_600_000_000_000, "milliseconds since 1970: {event}");
        let seq = event["seq"].as_u64().unwrap();
        match event["live"] == true {
            true => assert!(seq >= last, "{event}"),
            false => assert!(seq > last, "{event}"),
        }
        last = seq;
    }
    assert_eq!(events.first().unwrap()["type"], "run.started");
    assert_eq!(events.last().unwrap()["type"], "run.finished");
    assert_eq!(events.last().unwrap()["status"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_the_same_again_from_any_number() {
    let world = World::new(Script::new().otherwise("done")).await;
    let ended = world.orch(["run", "two", "a task", "--json"]).await;
    let run = ended.run();
    let seen: Vec<Value> = ended.events().into_iter().filter(|event| event["live"] != true).collect();

    let all = world.orch(["events", &run]).await;
    assert_eq!(all.code, Some(0), "{all:?}");
    assert_eq!(all.events(), seen);
    assert_eq!(world.orch(["events", &run, "--json", "--follow"]).await.events(), seen);

    let from = seen[3]["seq"].as_u64().unwrap();
    let rest = world.orch(["events", &run, "--from", &from.to_string()]).await;
    assert_eq!(rest.events(), seen[3..]);
    assert_eq!(world.orch(["events", &run, "--from", "1000"]).await.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn show_has_the_keys_of_the_contract() {
    let script = Script::new().on(When::prompt("step two"), failure()).otherwise(warning());
    let world = World::new(script).await;
    let ended = world.orch(["run", "three", "a task", "--json"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let run = world.show(&ended.run()).await;

    assert_has(
        &run,
        "id workflow status parent_session execution intervene gate gates asks owner interrupted steps tokens \
         cost_usd active_ms",
    );
    assert_eq!(run["id"], *ended.run());
    assert_eq!(run["workflow"], "three");
    assert_eq!(run["status"], "paused");
    assert_eq!((&run["execution"], &run["intervene"]), (&json!("auto"), &json!("on-error")));
    assert_eq!((&run["owner"], &run["interrupted"]), (&json!(null), &json!(false)));
    assert_eq!((&run["gates"], &run["asks"]), (&json!([]), &json!([])));
    assert_eq!(keys(&run["tokens"]), BTreeSet::from(["input", "output", "reasoning"]));
    assert!(run["tokens"]["input"].as_u64().unwrap() > 0 && run["cost_usd"].is_f64());
    assert!(run["active_ms"].as_u64().unwrap() > 0);

    let gate = &run["gate"];
    assert_has(gate, "id step reason allowed default");
    assert_eq!(gate["step"], "two");
    assert_eq!(gate["reason"], "intervene=on-error");
    assert_eq!(gate["allowed"], json!(["continue", "retry", "skip", "replace", "abort"]));
    assert_eq!(gate["default"], json!(null));

    let steps = run["steps"].as_array().unwrap();
    let status: Vec<_> = steps.iter().map(|step| (&step["status"], &step["outcome"])).collect();
    assert_eq!(json!(status), json!([["done", "warning"], ["gated", "error"], ["pending", null]]));
    for step in steps {
        assert_has(step, "id title status outcome iteration worker kind session attempts text output");
        assert_eq!(
            (&step["worker"], &step["kind"], &step["iteration"]),
            (&json!("w"), &json!("agent"), &json!(1))
        );
    }
    assert!(steps[0]["text"].as_str().unwrap().contains("Summary"));
    assert!(steps[0]["session"].as_str().unwrap().starts_with("ses_"));
    let (first, second) = (&steps[0]["attempts"][0], &steps[1]["attempts"][0]);
    for attempt in [first, second] {
        assert_has(attempt, "dispatch outcome started_at finished_at error warnings");
    }
    assert_eq!(first["error"], json!(null));
    assert_eq!(first["warnings"], json!([{ "code": "declared", "message": "- look at this" }]));
    assert_eq!(second["error"]["code"], "model");
    assert!(second["error"]["message"].as_str().unwrap().contains("the model said no"), "{second:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_lists_the_same_objects_without_text_newest_first() {
    let world = World::new(Script::new().otherwise("done")).await;
    assert_eq!(world.orch(["runs", "--json"]).await.json(), json!([]));
    let older = world.orch(["run", "last", "one", "--json"]).await.run();
    let newer = world.orch(["run", "two", "two", "--json"]).await.run();
    let mut expected = vec![world.show(&newer).await, world.show(&older).await];
    for run in &mut expected {
        for step in run["steps"].as_array_mut().unwrap() {
            assert_eq!(step.as_object_mut().unwrap().remove("text"), Some(json!("done")));
        }
    }
    assert_eq!(world.orch(["runs", "--json"]).await.json(), json!(expected));
    assert_eq!(world.orch(["runs", "--json", "--limit", "1"]).await.json(), json!(expected[..1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_may_be_named_by_flag_and_the_task_piped_in() {
    let world = World::new(Script::new().otherwise("done")).await;
    let url = world.simulator.url();
    let mut command = world.command(["run", "last", "by flag", "--server", &url, "--json"]);
    let by_flag = crate::world::output(command.env_remove("ORCH_SERVER")).await;
    assert_eq!(by_flag.code, Some(0), "{by_flag:?}");
    let piped = world.orch_reading("piped in", ["run", "last", "-", "--json"]).await;
    assert_eq!(piped.code, Some(0), "{piped:?}");
    assert_eq!(world.prompts(), ["step one: by flag", "step one: piped in"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn step_by_step_every_step_is_a_process_of_its_own() {
    let world = World::new(Script::new().otherwise("done")).await;
    let first = world.orch(["run", "three", "a task", "--execution", "step", "--json"]).await;
    let run = first.run();
    assert_eq!(first.code, Some(3), "{first:?}");
    assert_eq!(types(&first.events()).last(), Some(&"run.paused"));
    assert_eq!(world.prompts().len(), 1);

    let second = world.orch(["continue", &run, "--json"]).await;
    assert_eq!(second.code, Some(3), "{second:?}");
    assert_eq!(types(&second.events())[..2], ["gate.resolved", "run.resumed"]);
    assert_eq!(world.prompts().len(), 2);

    let third = world.orch(["continue", &run, "--json"]).await;
    assert_eq!(third.code, Some(0), "{third:?}");
    assert_eq!(world.prompts(), ["step one: a task", "step two: a task", "step three: a task"]);
    let shown = world.show(&run).await;
    assert_eq!((&shown["status"], &shown["execution"]), (&json!("success"), &json!("step")));
}

/// A value with its types in place of what differs from run to run. Of equal shapes in a list one is kept.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!(null),
        Value::Bool(_) => json!("bool"),
        Value::Number(number) if number.is_f64() => json!("float"),
        Value::Number(_) => json!("integer"),
        Value::String(_) => json!("text"),
        Value::Array(list) => {
            let mut shapes: Vec<Value> = Vec::new();
            for shape in list.iter().map(shape) {
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                }
            }
            json!(shapes)
        }
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shapes_that_programs_rely_on() {
    let script = Script::new().on(When::prompt("step two"), failure()).otherwise(warning());
    let world = World::new(script).await;
    let run = world.orch(["run", "three", "a task", "--json"]).await.run();
    let shown = world.show(&run).await;
    insta::assert_json_snapshot!("shape_of_show", shape(&shown));

    assert_eq!(world.orch(["skip", &run]).await.code, Some(0));
    let mut events = serde_json::Map::new();
    for event in world.orch(["events", &run]).await.events() {
        events.entry(event["type"].as_str().unwrap().to_owned()).or_insert_with(|| shape(&event));
    }
    insta::assert_json_snapshot!("shape_of_events", events);
}
