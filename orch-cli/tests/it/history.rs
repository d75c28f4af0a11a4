//! The past of runs, and why they stand where they stand.

use orch::opencode::simulator::{Answer, Hold, Script, When};
use serde_json::json;

use crate::world::{World, failure, standard};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_shown_as_it_was_after_each_of_its_events() {
    let world =
        World::new(Script::new().on_first(1, When::prompt("step one"), failure()).otherwise("done")).await;
    let ended = world.orch(["run", "two", "a task", "--json"]).await;
    let run = ended.run();
    let events = ended.events();
    let opened = events.iter().find(|event| event["type"] == "gate.opened").unwrap()["seq"].as_u64().unwrap();
    world.orch(["retry", &run]).await;

    let shown = world.orch(["show", &run, "--at", &opened.to_string(), "--json"]).await.json();
    assert_eq!(shown["at"], opened);
    assert!(shown["last"].as_u64().unwrap() > opened);
    assert_eq!(shown["run"]["seq"], opened);
    assert_eq!(shown["run"]["gate"]["reason"], "intervene=on-error");
    assert_eq!(shown["run"]["steps"][0]["status"], "gated");
    assert_eq!(world.show(&run).await["status"], "success");

    let text = world.orch(["show", &run, "--at", &opened.to_string()]).await;
    assert!(text.stdout.contains(&format!("as it stood after event {opened} of ")), "{}", text.stdout);
    assert!(text.stdout.contains("intervene=on-error"), "{}", text.stdout);
    assert!(!text.stdout.contains("orch continue"), "the past has nothing to decide: {}", text.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_that_never_was_is_refused_with_those_there_are() {
    let world = World::new(Script::new().otherwise("done")).await;
    let run = world.orch(["run", "last", "a task", "--json"]).await.run();
    let last = world.show(&run).await["seq"].as_u64().unwrap();
    for at in ["0", "99"] {
        let refused = world.orch(["show", &run, "--at", at, "--json"]).await;
        assert_eq!((refused.code, refused.error().as_str()), (Some(2), "orch::run::unknown-record"));
        let said = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(said, format!("run {run} has no record {at}: its journal has the records 1 to {last}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_explains_a_gate_and_an_end() {
    let world =
        World::new(Script::new().on_first(1, When::prompt("step one"), failure()).otherwise("done")).await;
    let run = world.orch(["run", "two", "a task", "--json"]).await.run();
    let why = world.orch(["why", &run]).await;
    assert_eq!((why.code, why.stderr.as_str(), why.stdout.lines().count()), (Some(0), "", 1), "{why:?}");
    for expected in ["waits for a decision at gate g", "the model said no", &format!("`orch retry {run}`")] {
        assert!(why.stdout.contains(expected), "{expected}: {}", why.stdout);
    }
    let data = world.orch(["why", &run, "--json"]).await.json();
    assert_eq!(data["state"], "paused");
    assert_eq!(data["waits"][0]["for"], "decision");
    assert_eq!(data["waits"][0]["step"], "one");
    assert_eq!(data["waits"][0]["movers"][0]["command"], json!(format!("orch continue {run}")));

    world.orch(["retry", &run]).await;
    let why = world.orch(["why", &run]).await.stdout;
    assert!(why.contains(&format!("{run} has ended as success")) && why.contains("orch output"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_explains_work_that_another_process_drives() {
    let hold = Hold::new();
    let script = Script::new().on(When::prompt("step one"), [Answer::text("late").held(&hold)]);
    let world = World::new(script.otherwise("done")).await;
    let (process, run) = world.start_held(&hold, "two").await;
    let data = world.orch(["why", &run, "--json"]).await.json();
    assert_eq!((&data["state"], &data["waits"][0]["for"]), (&json!("at-work"), &json!("answer")));
    assert!(data["owner"]["pid"].is_u64(), "{data}");
    let why = world.orch(["why", &run]).await.stdout;
    assert!(why.contains("drives it") && why.contains(&format!("`orch pause {run}`")), "{why}");
    hold.release();
    assert_eq!(process.end().await.code, Some(0));
}

/// The steps of the prompts since the first `skip`.
fn steps_prompted(world: &World, skip: usize) -> Vec<String> {
    let prompts = world.prompts();
    prompts.iter().skip(skip).map(|prompt| prompt.split(':').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_runs_on_from_its_step_and_leaves_the_other_run_alone() {
    let world = World::new(Script::new().otherwise("done")).await;
    let run = world.orch(["run", "three", "a task", "--json"]).await.run();
    let before = world.show(&run).await;

    let forked = world.orch(["fork", &run, "--from", "two", "--json"]).await;
    assert_eq!((forked.code, forked.stderr.as_str()), (Some(0), ""), "{forked:?}");
    let events = forked.events();
    assert_eq!(events[0]["forked_from"], json!({ "run": run, "seq": before["seq"], "step": "two" }));
    let reused: Vec<_> = events.iter().filter(|event| event["type"] == "step.reused").collect();
    assert_eq!(reused.len(), 1);
    assert_eq!((&reused[0]["step"], &reused[0]["text"]), (&json!("one"), &json!("done")));
    assert_eq!(steps_prompted(&world, 3), ["step two", "step three"]);

    let other = world.show(&forked.run()).await;
    assert_eq!(other["status"], "success");
    assert_eq!(
        (&other["steps"][0]["attempts"], &other["steps"][0]["reused"]["attempts"]),
        (&json!([]), &json!(1))
    );
    assert_eq!(world.show(&run).await, before);
    let text = world.orch(["show", &forked.run()]).await.stdout;
    assert!(text.contains("ok, reused") && text.contains(&format!("forked   from {run}")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_for_people_says_what_it_keeps_and_stops_at_gates_like_a_run() {
    let world = World::new(Script::new().otherwise("done")).await;
    let run = world.orch(["run", "three", "a task", "--json"]).await.run();
    let forked = world.orch(["fork", &run, "--from", "two", "--execution", "step"]).await;
    assert_eq!(forked.code, Some(3), "{forked:?}");
    for expected in
        [&format!("goes on from {run} at two"), "↺ one", "✓ two", "(execution=step)", "orch continue run_"]
    {
        assert!(forked.stdout.contains(expected), "{expected}: {}", forked.stdout);
    }
}

/// The way out of the gate `definition-changed`, from its explanation to the new run.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_definition_is_followed_by_a_fork() {
    let world = World::new(Script::new().otherwise("done")).await;
    let stopped = world.orch(["run", "two", "a task", "--execution", "step", "--json"]).await;
    let run = stopped.run();
    let mut config = standard();
    config["workflows"]["definitions"][1]["steps"][1]["prompt"] = json!("step two, better: {task}");
    world.configure(&config);
    let gated = world.orch(["continue", &run, "--json"]).await;
    assert_eq!(gated.code, Some(3), "{gated:?}");
    let why = world.orch(["why", &run, "--json"]).await.json();
    assert_eq!(why["waits"][0]["reason"], "definition-changed", "{why:#}");
    let movers = why["waits"][0]["movers"].as_array().unwrap();
    let command =
        movers.iter().filter_map(|mover| mover["command"].as_str()).find(|line| line.contains("fork"));
    assert_eq!(command, Some(&*format!("orch fork {run} --from two")));

    let words: Vec<_> =
        command.unwrap().split(' ').skip(1).chain(["--execution", "auto", "--json"]).collect();
    let forked = world.orch(words).await;
    assert_eq!(forked.code, Some(0), "{forked:?}");
    assert_eq!(world.prompts().last().unwrap(), "step two, better: a task");
    let journaled =
        world.orch(["fork", &run, "--from", "two", "--definition", "journaled", "--execution", "auto"]).await;
    assert_eq!(journaled.code, Some(0), "{journaled:?}");
    assert_eq!(world.prompts().last().unwrap(), "step two: a task");
    assert_eq!(world.show(&run).await["status"], "paused", "the other run still waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_that_makes_no_sense_names_the_way_out() {
    let world = World::new(Script::new().on(When::prompt("step one"), failure()).otherwise("done")).await;
    let run = world.orch(["run", "two", "a task", "--json"]).await.run();
    let table = [
        ("three", Some(2), "orch::run::unknown-step", "its steps are one, two".to_owned()),
        ("two", Some(1), "orch::run::fork-too-late", format!("orch fork {run} --from one")),
    ];
    for (from, code, error, way) in table {
        let refused = world.orch(["fork", &run, "--from", from, "--json"]).await;
        assert_eq!((refused.code, refused.error().as_str()), (code, error), "{refused:?}");
        assert!(refused.stdout.contains(&way), "{way}: {}", refused.stdout);
    }
    let mut config = standard();
    config["workflows"]["definitions"].as_array_mut().unwrap().remove(1);
    world.configure(&config);
    let gone = world.orch(["fork", &run, "--from", "one", "--json"]).await;
    assert_eq!((gone.code, gone.error().as_str()), (Some(2), "orch::plan::unknown-workflow"), "{gone:?}");
    assert!(gone.stdout.contains("--definition journaled"), "{}", gone.stdout);
    assert_eq!(world.orch(["runs", "--json"]).await.json().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_another_process_drives_is_not_forked() {
    let hold = Hold::new();
    let script =
        Script::new().on(When::prompt("step one"), Answer::text("late").held(&hold)).otherwise("done");
    let world = World::new(script).await;
    let (process, run) = world.start_held(&hold, "two").await;
    let refused = world.orch(["fork", &run, "--from", "one", "--json"]).await;
    assert_eq!((refused.code, refused.error().as_str()), (Some(4), "orch::run::locked"), "{refused:?}");
    assert!(refused.stdout.contains(&format!("orch pause {run}")), "{}", refused.stdout);
    hold.release();
    assert_eq!(process.end().await.code, Some(0));
}
