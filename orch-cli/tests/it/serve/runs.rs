//! Runs over the service: started, looked at, decided about.

use orch::opencode::simulator::{Answer, Hold, Script, When};
use serde_json::json;

use super::client::{Message, Service};
use crate::world::{World, failure, standard, warning, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_waits_at_its_gate_and_goes_on_when_it_is_answered() {
    let world = World::new(Script::new().on(When::prompt("step one"), warning()).otherwise("done")).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let start = json!({ "workflow": "two", "task": "a task", "intervene": "on-warning" });
    let run = service.post("/v1/runs", start).await.ok();
    let id = run["id"].as_str().unwrap();
    listener.until("run.paused").await;

    let shown = service.get(&format!("/v1/runs/{id}")).await.ok();
    let gate = &shown["data"]["gate"];
    assert_eq!(
        (&shown["data"]["status"], &gate["reason"]),
        (&json!("paused"), &json!("intervene=on-warning"))
    );
    assert!(shown["markdown"].as_str().unwrap().contains(&format!("orch continue {id}")), "{shown}");
    let inbox = service.get("/v1/inbox").await.ok();
    assert_eq!(
        (&inbox[0]["run"], &inbox[0]["for"], &inbox[0]["id"]),
        (&json!(id), &json!("decision"), &gate["id"])
    );
    assert_eq!(service.get("/v1/dashboard").await.ok()["data"]["runs"][0]["state"], "paused");

    let decision = json!({ "gate": gate["id"], "decision": "continue", "by": "a front end" });
    let decided = service.post(&format!("/v1/runs/{id}/decisions"), decision).await.ok();
    assert_eq!(decided["id"], id);
    let events = listener.until("run.finished").await;
    let resolved = events.iter().find(|event| event.data["type"] == "gate.resolved").unwrap();
    assert_eq!(resolved.data["by"], "a front end");
    assert_eq!(events.last().unwrap().data["status"], "success");
    assert_eq!(world.prompts(), ["step one: a task", "step two: a task"]);

    let output = service.get(&format!("/v1/runs/{id}/output")).await.ok();
    assert_eq!((&output["data"]["text"], &output["markdown"]), (&json!("done"), &json!("done\n")));
    let results = service.get(&format!("/v1/runs/{id}/results")).await.ok();
    assert_eq!(results["data"]["results"][1]["text"], "done");
    let trace = service.get(&format!("/v1/runs/{id}/trace?sessions=true&full=true")).await.ok();
    assert_eq!(trace["data"]["sessions"][0]["messages"].as_array().unwrap().len(), 4);
    assert_eq!(service.get(&format!("/v1/runs/{id}/why")).await.ok()["data"]["run"], id);
    assert_eq!(service.get("/v1/runs").await.ok()["runs"][0]["id"], id);
    assert_eq!(service.get("/v1/workers").await.ok()["data"]["workers"].as_array().unwrap().len(), 1);
}

/// Every run counts by its own journal; what is told of all of them is counted once more.
#[tokio::test(flavor = "multi_thread")]
async fn corner_13_the_feed_of_all_runs_has_numbers_of_its_own() {
    let world = World::new(Script::new().otherwise("done")).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let (mut told, mut runs) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        runs.push(service.run("two", "a task").await);
        told.extend(listener.until("run.finished").await);
    }
    let (numbered, live): (Vec<_>, Vec<_>) = told.into_iter().partition(|message| message.id.is_some());
    assert!(live.iter().all(|message| message.data["live"] == true), "{live:#?}");
    assert!(numbered.iter().all(|message| message.data.get("live").is_none()), "{numbered:#?}");
    // `<instance>-<number>`: one after the other, over both runs.
    let number = |message: &Message| -> usize {
        message.id.as_ref().unwrap().rsplit_once('-').unwrap().1.parse().unwrap()
    };
    let first = number(&numbered[0]);
    assert!(numbered.iter().map(number).eq(first..first + numbered.len()), "{numbered:#?}");
    let of_run = |run: &String| -> Vec<u64> {
        let events = numbered.iter().filter(|message| message.data["run"] == **run);
        events.map(|message| message.data["seq"].as_u64().unwrap()).collect()
    };
    let (one, other) = (of_run(&runs[0]), of_run(&runs[1]));
    assert_eq!(one, other, "each of two equal runs counts from 1");
    assert!(one[0] == 1 && one.is_sorted(), "{one:?}");
}

/// What waits for a person is not lost behind what was started since.
#[tokio::test(flavor = "multi_thread")]
async fn open_runs_are_listed_however_many_are_newer() {
    let world = World::new(Script::new().otherwise("done")).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let start = json!({ "workflow": "two", "task": "a task", "execution": "step" });
    let waiting = service.post("/v1/runs", start).await.ok()["id"].as_str().unwrap().to_owned();
    listener.until("run.paused").await;
    let mut newer = Vec::new();
    for _ in 0..2 {
        newer.push(service.run("last", "a task").await);
        listener.until("run.finished").await;
    }
    let listed = async |query: &str| -> Vec<String> {
        let list = service.get(&format!("/v1/runs{query}")).await.ok();
        let runs = list["runs"].as_array().unwrap();
        runs.iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("?limit=1").await, [newer[1].clone()]);
    assert_eq!(listed("?limit=1&open=true").await, [newer[1].clone(), waiting.clone()]);
    assert_eq!(listed("?limit=0&open=true").await, [waiting]);
}

/// A decision never reaches a gate that nobody looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_answered_once_and_only_the_one_that_was_seen() {
    let world = World::new(Script::new().otherwise("done")).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let start = json!({ "workflow": "three", "task": "a task", "execution": "step" });
    let run = service.post("/v1/runs", start).await.ok()["id"].as_str().unwrap().to_owned();
    listener.until("run.paused").await;
    let view = format!("/v1/runs/{run}");
    let decisions = format!("{view}/decisions");
    let first = service.get(&view).await.ok()["data"]["gate"]["id"].clone();
    let answer = json!({ "gate": first, "decision": "continue" });

    let (one, other) =
        tokio::join!(service.post(&decisions, answer.clone()), service.post(&decisions, answer.clone()));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{one:?} {other:?}");
    listener.until("run.paused").await;

    let late = service.post(&decisions, answer).await;
    assert_eq!(late.refusal(), (409, "orch::run::gate-already-resolved"));
    let unknown = service.post(&decisions, json!({ "gate": "g999", "decision": "abort" })).await;
    assert_eq!(unknown.refusal(), (409, "orch::run::stale-gate"));
    let second = service.get(&view).await.ok()["data"]["gate"]["id"].clone();
    let skip = service.post(&decisions, json!({ "gate": second, "decision": "skip" })).await;
    assert_eq!(skip.refusal(), (422, "orch::run::decision-not-allowed"));
    let odd = service.post(&decisions, json!({ "gate": second, "decision": "continue", "note": "x" })).await;
    assert_eq!(odd.refusal(), (400, "orch::serve::malformed"));
    assert_eq!(world.prompts().len(), 2, "nothing but the one decision had an effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_retried_with_a_note_and_replaced_by_a_text() {
    let script = Script::new().on(When::prompt("step one"), failure()).otherwise("done");
    let world = World::new(script).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let run = service.run("two", "a task").await;
    listener.until("run.paused").await;
    let decide = async |body: serde_json::Value| {
        let gate = service.get(&format!("/v1/runs/{run}")).await.ok()["data"]["gate"]["id"].clone();
        let mut body = body;
        body["gate"] = gate;
        service.post(&format!("/v1/runs/{run}/decisions"), body).await.ok()
    };
    decide(json!({ "decision": "retry", "note": "look again", "session": "fresh" })).await;
    listener.until("run.paused").await;
    assert!(world.prompts()[1].contains("look again"), "{:?}", world.prompts());
    decide(json!({ "decision": "replace", "text": "mine" })).await;
    listener.until("run.finished").await;
    let first = service.get(&format!("/v1/runs/{run}/output?step=one")).await.ok();
    assert_eq!(first["data"]["text"], "mine");
    let none = service.get(&format!("/v1/runs/{run}/output?step=nine")).await;
    assert_eq!(none.refusal(), (404, "orch::run::unknown-step"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_at_work_is_paused_and_ended() {
    let hold = Hold::new();
    let world = World::new(Script::new().otherwise(Answer::text("done").held(&hold))).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    let run = service.run("two", "a task").await;
    within("the model", hold.wait_arrived()).await;
    let paused = service.post(&format!("/v1/runs/{run}/pause"), json!({})).await.ok();
    assert_eq!((&paused["status"], &paused["pausing"]), (&json!("running"), &json!(true)));
    let twice = service.post(&format!("/v1/runs/{run}/continue"), json!({})).await.ok();
    assert_eq!(twice["id"], run.as_str(), "it is driven here already");
    let ended = service.post(&format!("/v1/runs/{run}/abort?by=anne"), json!({})).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    hold.release();
    let events = listener.until("run.finished").await;
    assert_eq!(events.last().unwrap().data["status"], "cancelled");
    let trace = world.orch(["trace", &run]).await.stdout;
    assert!(trace.contains("anne"), "{trace}");
    let again = service.post(&format!("/v1/runs/{run}/abort"), json!({})).await;
    assert_eq!(again.refusal(), (409, "orch::run::ended"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_refused_with_the_way_out() {
    let world = World::new(Script::new()).await;
    let service = Service::start(&world).await;
    let rows = [
        (json!({ "workflow": "nine", "task": "a" }), (404, "orch::plan::unknown-workflow")),
        (json!({ "workflow": "last", "task": " " }), (422, "orch::run::no-task")),
        (
            json!({ "workflow": "last", "task": "a", "parent_session": "ses_none" }),
            (422, "orch::host::unknown-parent"),
        ),
        (json!({ "workflow": "last", "task": "a", "host": "host_9" }), (404, "orch::serve::unknown-host")),
        (json!({ "workflow": "last" }), (400, "orch::serve::malformed")),
        (json!({ "workflow": "last", "task": "a", "tsk": 1 }), (400, "orch::serve::malformed")),
    ];
    for (body, expected) in rows {
        let refused = service.post("/v1/runs", body.clone()).await;
        assert_eq!(refused.refusal(), expected, "{body}");
    }
    assert_eq!(service.get("/v1/runs/run_none").await.refusal(), (404, "orch::run::unknown"));
    assert_eq!(service.get("/v1/runs/..%2f..").await.refusal(), (400, "orch::run::invalid-id"));
    assert_eq!(world.prompts().len(), 0);
}

/// People edit `orchestrator.json` while the service is up.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_follows_the_configuration_as_it_is_when_it_starts() {
    let world = World::new(Script::new().otherwise("done")).await;
    let service = Service::start(&world).await;
    let mut listener = service.listen("").await;
    service.run("last", "a task").await;
    listener.until("run.finished").await;
    let mut config = standard();
    config["workflows"]["definitions"][0]["steps"][0]["prompt"] = json!("changed: {task}");
    world.configure(&config);
    service.run("last", "a task").await;
    listener.until("run.finished").await;
    world.configure_text("{ broken");
    let refused = service.post("/v1/runs", json!({ "workflow": "last", "task": "a" })).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(service.get("/v1/dashboard").await.status, 200, "looking needs no configuration");
    assert_eq!(world.prompts(), ["step one: a task", "changed: a task"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_run_and_typed_is_listed() {
    let world = World::new(Script::new()).await;
    let service = Service::start(&world).await;
    let workflows = service.get("/v1/workflows").await.ok();
    let two = workflows.as_array().unwrap().iter().find(|workflow| workflow["id"] == "two").unwrap();
    assert_eq!(two["steps"], json!(["one", "two"]));
    let profiles = service.get("/v1/profiles").await.ok();
    let own = profiles.as_array().unwrap().iter().find(|profile| profile["id"] == "w").unwrap();
    assert_eq!(own["kind"], "agent");
    let commands = service.get("/v1/commands").await.ok();
    assert_eq!(commands.as_array().unwrap().len(), orch::ux::command::COMMANDS.len());
}

/// What a worker does just now is in no journal. The service can be asked, another process cannot.
#[tokio::test(flavor = "multi_thread")]
async fn why_a_run_waits_is_told_by_the_service_that_drives_it() {
    let hold = Hold::new();
    let answer = Answer::text("one").held(&hold);
    let world = World::new(Script::new().on(When::prompt("step one"), answer).otherwise("two")).await;
    let service = Service::start(&world).await;
    let run = service.run("two", "a task").await;
    within("the model to be asked", hold.wait_arrived()).await;
    let told = world.orch(["why", &run]).await;
    assert!(told.stdout.contains("its latest sign of life is"), "{told:?}");
    let json = world.orch(["why", &run, "--json"]).await.json();
    assert!(json["text"].as_str().unwrap().contains("its latest sign of life is"), "{json}");
    assert_eq!((&json["run"], &json["state"]), (&json!(run), &json!("at-work")));
    hold.release();

    let hold = Hold::new();
    let answer = Answer::text("one").held(&hold);
    let world = World::new(Script::new().on(When::prompt("step one"), answer)).await;
    let (process, run) = world.start_held(&hold, "last").await;
    let told = world.orch(["why", &run]).await;
    assert!(told.stdout.contains("is known to the process that drives the run alone"), "{told:?}");
    hold.release();
    assert_eq!(process.end().await.code, Some(0));
}
